"""The components of the portal in every state, on one page for developers and reviewers."""

from aiohttp import web

from services.gateway import labels
from services.gateway.fields import YES_OR_NO, Field, FormSpec
from services.gateway.forms import Form
from services.gateway.pages.rendering import render
from services.gateway.session import visitor_of
from services.gateway.texts import lazy

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
_ERRORS = {
    "title": lazy("Fill this in."),
    "description": lazy("Fill this in."),
    "severity": lazy("Choose one from the list."),
    "resolved": lazy("Choose yes or no."),
}


@pages.get("/components")
async def components(request: web.Request) -> web.Response:
    """It shows no data, so no session is needed, and no page links to it."""
    wrong = Form(_SPEC, _TYPED | {"title": "", "description": ""}, _ERRORS)
    return render("components.html", visitor=await visitor_of(request), good=Form(_SPEC, _TYPED), wrong=wrong)
