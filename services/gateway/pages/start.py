"""The start page and the way to a case by its number."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from services.gateway import labels
from services.gateway.pages.backend import ServiceRefusal, fetch, optional
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import asked_for, redirect
from services.gateway.session import Visitor, signed_in, visitor_of
from services.gateway.texts import _
from shared.serials import normal_case_number

pages = web.RouteTableDef()

Bar = dict[str, Any]

_NUMBER_LENGTH = 10
_MISTYPED = "check_number"
_SITES_SHOWN = 6


@pages.get("/")
async def start(request: web.Request) -> web.Response:
    """For anybody: create or find a case. Signed in: what waits, what happened lately, and what is open where."""
    visitor = await visitor_of(request)
    if visitor is None:
        return render("welcome.html", visitor=None)
    found = await optional(fetch(request, visitor, "cases", "/start"))
    return render(
        "start.html",
        visitor=visitor,
        waiting=None if found is None else found["waiting"],
        recent=None if found is None else found["recent"],
        by_state=None if found is None else list(_by_state(found["counts"], visitor)),
        by_site=None if found is None else list(_by_site(found["counts"])),
        done=request.query.get("done", ""),
    )


def _by_state(facets: Mapping[str, Any], visitor: Visitor) -> Iterator[Bar]:
    by_vendor = visitor.user.role in {"agent", "vendor_admin"}
    counts = {facet["value"]: facet["count"] for facet in facets["status"]}
    for status in ("waiting_customer", "in_progress", "waiting_parts", "new"):
        if status in counts:
            is_theirs = by_vendor and status == "waiting_customer"
            label = _("Waiting for the customer") if is_theirs else labels.statuses[status]
            yield _bar(label, counts[status], look=labels.status_looks[status], status=status)


def _by_site(facets: Mapping[str, Any]) -> Iterator[Bar]:
    """The sites with most open cases; cases without a site are not counted, because no list shows just them."""
    for facet in [facet for facet in facets["site"] if facet["value"]][:_SITES_SHOWN]:
        yield _bar(facet["label"], facet["count"], status="open", site_id=facet["value"])


def _bar(label: str, count: int, *, look: str = "", **filters: str) -> Bar:
    return {"label": label, "count": count, "look": look, "url": f"/cases?{urlencode(filters)}"}


@pages.get("/find")
async def find(request: web.Request) -> web.Response:
    """A case number leads to its case, where a mistyped one is refused; any other text leads to the filtered list."""
    visitor = await signed_in(request)
    wanted = asked_for(request.query, "q")
    digits = normal_case_number(wanted)
    is_number = len(digits) == _NUMBER_LENGTH and digits.isascii() and digits.isdigit()
    if is_number and not await _is_known_otherwise(request, visitor, wanted, digits=digits):
        return redirect(f"/cases/{digits}")
    return redirect(str(request.rel_url.with_path("/cases").with_query({"q": wanted} if wanted else {})))


async def _is_known_otherwise(request: web.Request, visitor: Visitor, typed: str, *, digits: str) -> bool:
    """Whether ten digits, whose check digit is no case number's, are to be found as something else."""
    try:
        await optional(fetch(request, visitor, "cases", f"/cases/{digits}"))
    except ServiceRefusal as refusal:
        if refusal.code == _MISTYPED:
            found = await optional(
                fetch(request, visitor, "cases", "/cases", {"q": typed, "limit": 1, "total": "false"})
            )
            return bool(found and found["items"])
    return False
