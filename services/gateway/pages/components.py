"""The components of the portal in every state, on one page for developers and reviewers."""

import re
from datetime import timedelta
from functools import cache
from pathlib import Path

from aiohttp import web

from services.gateway import labels
from services.gateway.fields import YES_OR_NO, Field, FormSpec
from services.gateway.forms import Form
from services.gateway.pages.rendering import render
from services.gateway.session import visitor_of
from services.gateway.texts import lazy
from shared.web.app import CLOCK

pages = web.RouteTableDef()

_TYPED = {
    "title": "Paper jam in tray 3",
    "severity": "2",
    "resolved": "yes",
    "confidential": "yes",
    "description": "The printer jams on every second page since this morning.",
}
_SPEC = FormSpec(
    (
        Field(
            "title",
            lazy("Title"),
            hint=lazy("In a few words, such as “Paper jam in tray 3”."),
            help=lazy("Agents see it first in their lists."),
        ),
        Field("description", lazy("Description"), "area", rows=3),
        Field("own_reference", lazy("Your reference"), optional=True),
        Field("severity", lazy("Severity"), "select", choices=labels.severity_choices),
        Field("resolved", lazy("Is the problem solved?"), "radios", choices=YES_OR_NO),
        Field("confidential", lazy("Confidential"), "tick"),
    )
)
# Custom properties of portico.css, by what they are for.
_COLOURS = (
    (lazy("Page, lines and text"), ("surface", "surface-2", "surface-3", "line", "line-strong", "text-muted", "text")),
    (
        lazy("Links, the main button, support’s voice, in progress"),
        ("accent", "accent-strong", "accent-pale", "accent-text"),
    ),
    (lazy("It waits for you, or ends soon"), ("warn", "warn-fill", "warn-pale")),
    (lazy("Late, critical, refused"), ("danger", "danger-strong", "danger-pale", "danger-text")),
    (lazy("New, or waiting for parts"), ("info", "info-pale")),
    (lazy("Covered, or done"), ("ok", "ok-pale")),
)
_PEOPLE = {"customer": "Helen Marsh", "agent": "Arno Keller"}
_SERIAL = "RX42-0001-7F"
_CASES = (
    {"title": "Paper jam in tray 3", "city": "Lyon", "status": "waiting_customer", "severity": 1},
    {"title": "Stripes on colour copies", "city": "Nantes", "status": "closed", "severity": 4},
)
_PRODUCTS = ("ProLine RX42 Server", "Stowage ST 900 Storage", "Laserprint 310 Printer", "Fleet Manager Software", "")
_ERRORS = {
    "title": lazy("Enter a title."),
    "description": lazy("Describe the problem in at least 20 characters."),
    "severity": lazy("Choose a severity."),
    "resolved": lazy("Choose yes or no."),
}


@pages.get("/components")
async def components(request: web.Request) -> web.Response:
    """It shows no data, so no session is needed, and no page links to it."""
    now = request.app[CLOCK]()
    return render(
        "components.html",
        visitor=await visitor_of(request),
        good=Form(_SPEC, _TYPED),
        wrong=Form(_SPEC, _TYPED | {"title": "", "description": ""}, _ERRORS),
        colours=_COLOURS,
        icons=_icons(),
        people=_PEOPLE,
        products=_PRODUCTS,
        serial=_SERIAL,
        cases=_CASES,
        times=[(now - age).isoformat() for age in (timedelta(minutes=5), timedelta(days=3))],
        soon=(now + timedelta(days=30)).date().isoformat(),
    )


@cache
def _icons() -> list[str]:
    """The names of all icons."""
    sprite = (Path(__file__).parents[1] / "templates" / "sprite.html").read_text(encoding="utf-8")
    return re.findall(r'<symbol id="i-(\w+)"', sprite)
