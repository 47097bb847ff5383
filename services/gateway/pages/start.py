"""The start page."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from services.gateway.pages import looks
from services.gateway.pages.backend import ServiceRefusal, fetch, optional
from services.gateway.pages.rendering import render
from services.gateway.session import Visitor, visitor_of
from shared import errors
from shared.web.app import CLOCK

pages = web.RouteTableDef()

Row = dict[str, Any]

_SITES_SHOWN = 6
_DEVICES_SHOWN = 5
_NO_COUNTS: Row = {"status": [], "severity": [], "site": []}
_OPEN = {"status": "open"}
# As the bar of open cases has them: what waits for the reader first.
_CUSTOMERS_ORDER = ("waiting_customer", "in_progress", "waiting_parts", "new")
_VENDORS_ORDER = ("new", "in_progress", "waiting_parts", "waiting_customer")


@pages.get("/")
async def start(request: web.Request) -> web.Response:
    """For anybody: create or find a case. Signed in: what waits, what happened lately, and what is open where."""
    visitor = await visitor_of(request)
    if visitor is None:
        return render("welcome.html", visitor=None)
    found, ending = await asyncio.gather(
        optional(fetch(request, visitor, "cases", "/start")), _ending_cover(request, visitor)
    )
    done = request.query.get("done", "")
    by_vendor = visitor.is_of_vendor
    if found and not by_vendor and not found["waiting"]["items"] and not found["recent"]["items"]:
        return render("first_steps.html", visitor=visitor, done=done)
    counts = found["counts"] if found else _NO_COUNTS
    return render(
        "start.html",
        visitor=visitor,
        greeting=looks.greeting(visitor.user, request.app[CLOCK]()),
        done=done,
        found=found,
        ending=ending,
        by_state=list(_by_state(counts, _VENDORS_ORDER if by_vendor else _CUSTOMERS_ORDER)),
        critical=[_row(facet, **_OPEN, severity="1") for facet in counts["severity"] if facet["value"] == "1"],
        colleagues=_waiting_for_colleagues(found) if found and not by_vendor else 0,
        # Names of sites say nothing without their company's.
        by_site=[] if by_vendor else list(_by_site(counts)),
    )


async def _ending_cover(request: web.Request, visitor: Visitor) -> list[Row] | None:
    """The devices of a customer whose cover ends soon; None while contracts is away."""
    if visitor.is_of_vendor:
        return []
    try:
        found = await optional(fetch(request, visitor, "contracts", "/coverage/ending"))
    except ServiceRefusal as refusal:
        if refusal.status != errors.NotFound.status:
            raise
        return []  # of a contracts that is older than this gateway
    return None if found is None else found["items"][:_DEVICES_SHOWN]


def _waiting_for_colleagues(found: Mapping[str, Any]) -> int:
    all_seen: int = sum(facet["count"] for facet in found["counts"]["status"] if facet["value"] == "waiting_customer")
    own: int = found["waiting"]["total"]
    return max(all_seen - own, 0)


def _by_state(facets: Mapping[str, Any], order: Sequence[str]) -> Iterator[Row]:
    by_code = {facet["value"]: facet for facet in facets["status"]}
    for code in order:
        if code in by_code:
            yield _row(by_code[code], status=code)


def _by_site(facets: Mapping[str, Any]) -> Iterator[Row]:
    """The sites with most open cases; cases without a site are not counted, because no list shows just them."""
    for facet in [facet for facet in facets["site"] if facet["value"]][:_SITES_SHOWN]:
        yield _row(facet, **_OPEN, site_id=facet["value"])


def _row(facet: Mapping[str, Any], **filters: str) -> Row:
    return {**facet, "url": f"/cases?{urlencode(filters)}"}
