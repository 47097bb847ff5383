"""Templates become answers: the environment, and what every page knows of its surroundings."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from babel import Locale
from babel.core import get_global
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.gateway import labels, limits, live_words, sizes
from services.gateway.brand import Brand
from services.gateway.countries import countries_in
from services.gateway.csrf import masked
from services.gateway.directions import Isolation
from services.gateway.links import linked
from services.gateway.pages import looks
from services.gateway.pages.static import static_url
from services.gateway.texts import TEXTS, _
from services.gateway.visitor import Visitor
from shared.i18n import install, language
from shared.logging import origin
from shared.phones import readable_parts
from shared.text import in_alphabet
from shared.zones import zone_names, zone_of

# Nothing inline, nothing from other hosts: a text that slipped through the escaping could still do nothing.
_POLICY = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"

_COMPRESSED_ASIDE_BYTES = 65_536  # a longer page takes 2 ms and more: in a thread

VERSION = "0.1.0"  # that of pyproject.toml, which the image does not have

# Of the icons a page carries those that it names.
_NAMED = re.compile(r'"#(i-\w+)"')
_SYMBOL = re.compile(r'<symbol id="(?P<id>i-\w+)".*?</symbol>\n', re.DOTALL)

_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Of the request at hand: what the shell around every page shows."""

    brand: Brand
    path: str = "/"  # where choosing another language comes back to
    now: datetime = _EPOCH


_UNBRANDED = Surroundings(Brand())
SURROUNDINGS: ContextVar[Surroundings] = ContextVar("surroundings", default=_UNBRANDED)


def render(
    template: str, *, visitor: Visitor | None, status: int = 200, title: str = "", **values: object
) -> web.Response:
    """A page. `title` replaces the template's own where only the handler knows it."""
    around = SURROUNDINGS.get()
    text = (
        _environment()
        .get_template(template)
        .render(
            visitor=visitor,
            user=visitor.user if visitor else None,
            by_vendor=visitor is not None and visitor.is_of_vendor,
            csrf=masked(visitor.csrf_token) if visitor else "",
            zone=zone_of(visitor.user.time_zone if visitor else None),
            request_id=origin.get().request_id,
            brand=around.brand,
            here_path=around.path,
            title=title,
            **values,
        )
    )
    named = set(_NAMED.findall(text))
    text = _SYMBOL.sub(lambda symbol: symbol[0] if symbol["id"] in named else "", text)
    # A shared computer's back button must not show what a signed-out user saw.
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", "Content-Language": language()}
    return web.Response(
        text=text,
        status=status,
        content_type="text/html",
        headers=headers,
        zlib_executor_size=_COMPRESSED_ASIDE_BYTES,
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # else every use of a template asks the file system whether it has changed
        trim_blocks=True,
        lstrip_blocks=True,
    )
    install(environment, TEXTS)
    environment.add_extension(Isolation)
    environment.filters |= {"country": country_name, "phone": phone_number, "file_size": sizes.size}
    environment.filters |= {"ago": _ago, "ago_at": _ago_at, "age": _age, "window": _window, "zone_label": zone_label}
    environment.filters |= {"ends_soon": _ends_soon, "days_left": _days_left}
    environment.filters |= {"span": looks.span, "late_s": _late_s}
    environment.filters |= {"initials": looks.initials, "pictogram": looks.pictogram, "linked": linked}
    environment.globals |= {
        "static": static_url,
        "file_patterns": limits.patterns,
        "live_words": live_words.live_words,
        "presence_words": live_words.presence_words,
        "countries": countries,
        "time_zones": time_zones,
        "labels": labels,
        "version": VERSION,
    }
    return environment


# By the time of the request at hand


def _ago(value: str, zone: ZoneInfo) -> str:
    return looks.ago(value, zone, SURROUNDINGS.get().now)


def _ago_at(value: str, zone: ZoneInfo) -> str:
    return looks.ago_at(value, zone, SURROUNDINGS.get().now)


def _window(value: Mapping[str, Any] | str, zone: ZoneInfo) -> str:
    return looks.window(value, zone, SURROUNDINGS.get().now)


def _age(value: str) -> str:
    return looks.age(value, SURROUNDINGS.get().now)


def _days_left(until: str, zone: ZoneInfo) -> str:
    return looks.days_left(until, zone, SURROUNDINGS.get().now)


def _late_s(first_answer: Mapping[str, str | None]) -> int:
    return looks.late_s(first_answer, SURROUNDINGS.get().now)


def _ends_soon(until: str) -> bool:
    return looks.ends_soon(until, SURROUNDINGS.get().now)


def phone_number(kept: str) -> str:
    """A number as people read it."""
    number, extension = readable_parts(kept)
    return _("%(number)s ext. %(extension)s") % {"number": number, "extension": extension} if extension else number


# Names of places in the reader's language


def countries() -> list[tuple[str, str]]:
    """Code and name of every country, as the reader's language names and sorts them."""
    return countries_in(language())


def country_name(code: str) -> str:
    """The name of a country; its code where it has none."""
    return dict(countries()).get(code, code)


def time_zones(chosen: str = "") -> list[tuple[str, str]]:
    """Name and label of every zone that is a place, and UTC, as the reader's language names and sorts them.

    A zone that was `chosen` by an old name or an offset is among them, so that nobody changes it unawares.
    """
    zones = _time_zones(language())
    return zones if not chosen or chosen in dict(zones) else [(chosen, chosen), *zones]


def zone_label(zone: ZoneInfo) -> str:
    """What a zone is called where one is chosen."""
    return dict(time_zones(zone.key)).get(zone.key, zone.key)


@cache
def _time_zones(code: str) -> list[tuple[str, str]]:
    locale = Locale.parse(code)
    old_names = get_global("zone_aliases")
    places = [name for name in zone_names() if "/" in name and not name.startswith("Etc/") and name not in old_names]
    labelled = sorted(((name, _place(locale, name)) for name in places), key=lambda zone: in_alphabet(zone[1]))
    return [("UTC", "UTC"), *labelled]


def _place(locale: Locale, name: str) -> str:
    region, _, city = name.partition("/")
    known = locale.time_zones.get(name, {}).get("city")
    # The name of the zone once more beside its city would make the page of the profile longer by a kilobyte.
    return f"{known or city.rpartition('/')[2].replace('_', ' ')} ({region})"
