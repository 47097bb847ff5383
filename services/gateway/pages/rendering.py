"""Templates become answers: the environment, and what every page knows of its surroundings."""

from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pycountry
from aiohttp import web
from babel import Locale
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.gateway import labels, limits, sizes
from services.gateway.brand import ACCENT, PORTICO, Brand
from services.gateway.pages.static import brand_url, static_url
from services.gateway.texts import TEXTS, _
from services.gateway.visitor import Visitor
from shared.i18n import install, language
from shared.logging import origin
from shared.phones import readable_parts
from shared.text import in_alphabet

# Nothing inline, nothing from other hosts: a text that slipped through the escaping could still do nothing.
_POLICY = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"

VERSION = "0.1.0"  # that of pyproject.toml, which the image does not have


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Of the request at hand: what the shell around every page shows."""

    brand: Brand
    path: str = "/"  # where choosing another language comes back to


_UNBRANDED = Surroundings(Brand.of(PORTICO, ACCENT))
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
            csrf=visitor.csrf_token if visitor else "",
            zone=ZoneInfo(visitor.user.time_zone) if visitor else ZoneInfo("UTC"),
            request_id=origin.get().request_id,
            brand=around.brand,
            here_path=around.path,
            title=title,
            **values,
        )
    )
    # A shared computer's back button must not show what a signed-out user saw.
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", "Content-Language": language()}
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


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
    environment.filters |= {"country": country_name, "phone": phone_number, "file_size": sizes.size}
    environment.globals |= {
        "static": static_url,
        "file_patterns": limits.patterns,
        "brand_url": brand_url,
        "countries": countries,
        "time_zones": time_zones,
        "labels": labels,
        "version": VERSION,
    }
    return environment


def phone_number(kept: str) -> str:
    """A number as people read it."""
    number, extension = readable_parts(kept)
    return _("%(number)s ext. %(extension)s") % {"number": number, "extension": extension} if extension else number


# Names of places in the reader's language


def countries() -> list[tuple[str, str]]:
    """Code and name of every country, as the reader's language names and sorts them."""
    return _countries(language())


def country_name(code: str) -> str:
    """The name of a country; its code where it has none."""
    return dict(countries()).get(code, code)


def time_zones() -> list[tuple[str, str]]:
    """Name and label of every zone that is a place, and UTC, as the reader's language names and sorts them."""
    return _time_zones(language())


@cache
def _countries(code: str) -> list[tuple[str, str]]:
    names = Locale.parse(code).territories
    found = [(country.alpha_2, names.get(country.alpha_2, country.name)) for country in pycountry.countries]
    return sorted(found, key=lambda country: in_alphabet(country[1]))


@cache
def _time_zones(code: str) -> list[tuple[str, str]]:
    locale = Locale.parse(code)
    # The rest are old names and offsets.
    places = [name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))]
    labelled = sorted(((name, _place(locale, name)) for name in places), key=lambda zone: in_alphabet(zone[1]))
    return [("UTC", "UTC"), *labelled]


def _place(locale: Locale, name: str) -> str:
    region, _, city = name.partition("/")
    known = locale.time_zones.get(name, {}).get("city")
    return f"{known or city.rpartition('/')[2].replace('_', ' ')} ({region}/{city})".replace("_", " ")
