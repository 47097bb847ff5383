"""The list of cases with its views and filters, and its export."""

import asyncio
from typing import Any

from aiohttp import web

from services.gateway import labels
from services.gateway.pages.backend import download, fetch, optional
from services.gateway.pages.lists import ListPage
from services.gateway.pages.rendering import render
from services.gateway.session import signed_in
from services.gateway.texts import lazy

pages = web.RouteTableDef()

CASES = ListPage(
    "/cases",
    columns={
        "number": lazy("Case"),
        "title": lazy("Title and product"),
        "status": lazy("Status"),
        "severity": lazy("Severity"),
        "site_name": lazy("Site"),
        "created_at": lazy("Created"),
        "updated_at": lazy("Updated"),
        "turn": lazy("Whose turn"),
    },
    sortable=frozenset({"number", "title", "status", "severity", "site_name", "created_at", "updated_at"}),
    order="-updated_at",
    views=("recent", "waiting", "submitted"),
    filters=("status", "severity", "site_id", "created_from", "created_to", "serial", "q", "mine"),
    export="/cases.xlsx",
)


@pages.get("/cases")
async def list_cases(request: web.Request) -> web.Response:
    """One page of a view, with the filters that fit it."""
    visitor = await signed_in(request)
    listing = CASES.at(request.query)
    of_any_status = listing.without("status")
    rows, *counted = await asyncio.gather(
        fetch(request, visitor, "cases", "/cases", listing.query),
        # Where no state is chosen, both counts are the same.
        *(
            optional(fetch(request, visitor, "cases", "/cases/facets", filters))
            for filters in ([listing.wanted] if listing.wanted == of_any_status else [listing.wanted, of_any_status])
        ),
    )
    facets, by_status = counted[0], counted[-1]
    return render(
        "case_list.html",
        visitor=visitor,
        listing=listing,
        rows=rows,
        facets=facets or {"severity": [], "site": []},
        by_status=_in_order(by_status["status"]) if by_status else [],
    )


def _in_order(facets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The states as a case goes through them, not by their counts: a button must not move."""
    order = list(labels.statuses)
    return sorted(facets, key=lambda facet: order.index(facet["value"]))


@pages.get("/cases.xlsx")
async def export_cases(request: web.Request) -> web.StreamResponse:
    """The same rows over all pages, as an Excel file."""
    visitor = await signed_in(request)
    return await download(request, visitor, "cases", "/cases.xlsx", CASES.at(request.query).wanted)
