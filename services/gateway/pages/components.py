"""The components of the portal in every state, on one page for whoever builds or reviews pages."""

from aiohttp import web

from services.gateway.forms import Form
from services.gateway.pages.rendering import render
from services.gateway.session import visitor_of
from services.gateway.texts import N_, _

pages = web.RouteTableDef()

_TYPED = {
    "title": "Paper jam in tray 3",
    "severity": "2",
    "resolved": "yes",
    "confidential": "yes",
    "description": "The printer jams on every second page since this morning.",
}
_ERRORS = {
    "title": N_("Fill this in."),
    "description": N_("Fill this in."),
    "severity": N_("Choose one from the list."),
    "resolved": N_("Choose yes or no."),
}


@pages.get("/components")
async def components(request: web.Request) -> web.Response:
    """Nothing on it belongs to anybody, so nobody has to sign in, and nothing links to it."""
    wrong = Form(_TYPED | {"title": "", "description": ""}, {name: _(text) for name, text in _ERRORS.items()})
    return render("components.html", visitor=await visitor_of(request), good=Form(_TYPED), wrong=wrong)
