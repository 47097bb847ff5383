"""The list of cases with its views and filters, and its export."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from services.gateway import labels
from services.gateway.pages.backend import ServiceRefusal, download, fetch, optional
from services.gateway.pages.lists import ListPage, ListState, fetch_list
from services.gateway.pages.rendering import render
from services.gateway.session import Visitor, signed_in
from services.gateway.texts import lazy
from shared import errors
from shared.text import in_alphabet

pages = web.RouteTableDef()

Facet = dict[str, Any]

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
    filters={
        "status": lazy("Status"),
        "severity": lazy("Severity"),
        "site_id": lazy("Site"),
        "created_from": lazy("Created from"),
        "created_to": lazy("Created until"),
        "serial": lazy("Serial number"),
        "q": lazy("Words"),
        "mine": lazy("Only created by me"),
    },
    exports={"/cases.xlsx": lazy("Export to Excel"), "/cases.csv": lazy("Export as CSV")},
)
# The counts of the choices of a filter, by what the service calls them.
_COUNTED = {"status": "status", "severity": "severity", "site_id": "site"}


@pages.get("/cases")
async def list_cases(request: web.Request) -> web.Response:
    """One page of a view, with the filters that fit it."""
    visitor = await signed_in(request)
    asked = CASES.at(request.query)
    (listing, rows), choices = await asyncio.gather(
        fetch_list(request, visitor, "cases", "/cases", asked),
        _choices(request, visitor, asked),
    )
    if listing.errors:
        choices = await _choices(request, visitor, listing.accepted)
    return render(
        "case_list.html",
        visitor=visitor,
        status=listing.status,
        listing=listing,
        rows=rows,
        choices=choices,
    )


async def _choices(request: web.Request, visitor: Visitor, listing: ListState) -> dict[str, list[Facet]]:
    """The choices of each filter, counted under all filters but that one; empty while the counts are away."""
    asked = {name: listing.without(name) for name in _COUNTED}
    # Where none of these filters is used, all ask for the same.
    different = {str(filters): filters for filters in asked.values()}
    counted = dict(
        zip(
            different,
            await asyncio.gather(*(_count(request, visitor, each) for each in different.values())),
            strict=True,
        )
    )
    found = {name: counted[str(filters)].get(_COUNTED[name]) for name, filters in asked.items()}
    return {
        "status": _all_of(labels.statuses, found["status"]),
        "severity": _all_of(labels.severities, found["severity"]),
        "site_id": sorted(found["site_id"] or [], key=lambda facet: in_alphabet(facet["label"])),
    }


async def _count(request: web.Request, visitor: Visitor, filters: Mapping[str, str]) -> Mapping[str, list[Facet]]:
    """Nothing while the counts are away, and where the list is refused."""
    try:
        return await optional(fetch(request, visitor, "cases", "/cases/facets", filters)) or {}
    except ServiceRefusal as refusal:
        if refusal.status != errors.Invalid.status:
            raise
        return {}


def _all_of(values: Iterable[str], facets: list[Facet] | None) -> list[Facet]:
    """Every value in its place, with no case under some: a button must not move, nor vanish."""
    counts = {facet["value"]: facet["count"] for facet in facets or []}
    return (
        [] if facets is None else [{"value": value, "label": value, "count": counts.get(value, 0)} for value in values]
    )


@pages.get("/cases.xlsx")
@pages.get("/cases.csv")
async def export_cases(request: web.Request) -> web.StreamResponse:
    """The same rows over all pages, as a file."""
    visitor = await signed_in(request)
    return await download(request, visitor, "cases", request.path, CASES.at(request.query).wanted)
