"""The way to a case by its number, and to all others by words."""

from aiohttp import web

from services.gateway.messages import of_refusal
from services.gateway.pages.backend import ServiceRefusal, fetch, optional
from services.gateway.pages.requests import asked_for, redirect
from services.gateway.session import Visitor, signed_in
from shared.serials import normal_case_number

pages = web.RouteTableDef()

_NUMBER_LENGTH = 10
MISTYPED = "check_number"


@pages.get("/find")
async def find(request: web.Request) -> web.Response:
    """The number of an own case leads there; a colleague's and any other text to the list of what is found by it."""
    visitor = await signed_in(request)
    wanted = asked_for(request.query, "q")
    number = number_in(wanted)
    if number and await _leads_there(request, visitor, number):
        return redirect(f"/cases/{number}")
    return redirect(str(request.rel_url.with_path("/cases").with_query({"q": wanted} if wanted else {})))


async def _leads_there(request: web.Request, visitor: Visitor, number: str) -> bool:
    """Not for a number that no case has, nor for a colleague's case: the list says whose it is."""
    try:
        case = await optional(fetch(request, visitor, "cases", f"/cases/{number}"))
    except ServiceRefusal as refusal:
        return refusal.code != MISTYPED
    submitter = (case or {}).get("submitter")
    return submitter is None or visitor.is_of_vendor or submitter["user_id"] == str(visitor.user.id)


def number_in(text: str) -> str:
    """The ten digits of a case number that somebody typed; empty for any other text."""
    digits = normal_case_number(text)
    return digits if len(digits) == _NUMBER_LENGTH and digits.isascii() and digits.isdigit() else ""


async def mistyped(request: web.Request, visitor: Visitor, number: str) -> str:
    """What to say of a number whose check digit no case has; empty for any other."""
    try:
        await optional(fetch(request, visitor, "cases", f"/cases/{number}"))
    except ServiceRefusal as refusal:
        if refusal.code == MISTYPED:
            return of_refusal(refusal)
    return ""
