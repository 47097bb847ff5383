"""Templates become answers: the environment, what every page knows, and how times and dates are written."""

from datetime import date, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pycountry
from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.gateway.pages.static import static_url
from services.gateway.visitor import Visitor
from shared.logging import origin

# Nothing inline and nothing from elsewhere: a text that slipped through the escaping could still do nothing.
_POLICY = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"


def render(
    template: str, *, visitor: Visitor | None, status: int = 200, title: str = "", **values: object
) -> web.Response:
    """A page. `title` replaces the template's own where only the handler knows it."""
    text = (
        _environment()
        .get_template(template)
        .render(
            visitor=visitor,
            user=visitor.user if visitor else None,
            csrf=visitor.csrf_token if visitor else "",
            zone=ZoneInfo(visitor.user.time_zone) if visitor else ZoneInfo("UTC"),
            request_id=origin.get().request_id,
            title=title,
            **values,
        )
    )
    # A shared computer's back button must not show what a signed-out user saw.
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": _moment, "day": _day, "country": _country}
    environment.globals |= {"static": static_url, "countries": _countries, "time_zones": _time_zones}
    return environment


def _moment(text: str, zone: ZoneInfo) -> str:
    at = datetime.fromisoformat(text).astimezone(zone)
    return f"{at.day} {at:%b %Y, %H:%M}"


def _day(text: str) -> str:
    day = date.fromisoformat(text)
    return f"{day.day} {day:%b %Y}"


@cache
def _countries() -> list[tuple[str, str]]:
    found = [(country.alpha_2, getattr(country, "common_name", country.name)) for country in pycountry.countries]
    return sorted(found, key=lambda country: country[1])


def _country(code: str) -> str:
    return dict(_countries()).get(code, code)


@cache
def _time_zones() -> list[tuple[str, str]]:
    """The zones that are places, and UTC; the rest are old names and offsets."""
    places = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
    return [(name, name.replace("_", " ")) for name in ("UTC", *places)]
