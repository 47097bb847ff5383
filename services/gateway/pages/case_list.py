"""The list of cases with its views and filters, and its export."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from services.gateway import labels
from services.gateway.pages.backend import ServiceRefusal, download, fetch, optional
from services.gateway.pages.finding import mistyped, number_in
from services.gateway.pages.lists import ListPage, ListState, fetch_list
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import LONGEST_ASKED, new_idempotency_key
from services.gateway.session import Visitor, signed_in
from services.gateway.texts import lazy
from shared import errors
from shared.text import in_alphabet

pages = web.RouteTableDef()

Facet = dict[str, Any]


def _columns(**whose: str) -> dict[str, str]:
    return {
        "number": lazy("Case"),
        "title": lazy("Title and product"),
        "status": lazy("Status"),
        "severity": lazy("Severity"),
        "site_name": lazy("Site"),
        **whose,
        "updated_at": lazy("Updated"),
    }


# Whose case it is: for the customer a person, for the vendor a company.
_WHOSE = ("submitter", "company_name")
CASES = ListPage(
    "/cases",
    columns=_columns(submitter=lazy("Submitted by")),
    sortable=frozenset({"number", "title", "status", "severity", "site_name", *_WHOSE, "updated_at"}),
    may_go=frozenset({"site_name", *_WHOSE}),
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
# Nobody of the vendor is a submitter: what agents create is for a user of a company.
_OF_VENDOR = replace(
    CASES,
    columns=_columns(company_name=lazy("Company")),
    views=("recent", "waiting"),
    filters={name: label for name, label in CASES.filters.items() if name != "mine"},
)
# What the list can be sorted by where its columns cannot be pressed: on a phone, and what no column shows.
_ORDERS = {
    "-updated_at": lazy("Newest change first"),
    "updated_at": lazy("Oldest change first"),
    "-created_at": lazy("Newest case first"),
    "created_at": lazy("Oldest case first"),
    "severity": lazy("Most severe first"),
    "status": lazy("By status"),
    "title": lazy("By title"),
    "site_name": lazy("By site"),
}
_STATUSES = ("waiting_customer", "new", "in_progress", "waiting_parts", "closed", "cancelled")
_ENDED = ("closed", "cancelled")
_MOST_EXPORTED_AT_ONCE = 5_000  # rows
# The counts of the choices of a filter, by what the service calls them.
_COUNTED = {"status": "status", "severity": "severity", "site_id": "site"}


@pages.get("/cases")
async def list_cases(request: web.Request) -> web.Response:
    """One page of a view, with the filters that fit it."""
    visitor = await signed_in(request)
    asked = (_OF_VENDOR if visitor.is_of_vendor else CASES).at(request.query)
    (listing, rows), choices = await asyncio.gather(
        fetch_list(request, visitor, "cases", "/cases", asked),
        _choices(request, visitor, asked),
    )
    if listing.errors:
        choices = await _choices(request, visitor, listing)
    words = listing.wanted.get("q", "")
    number = "" if rows["items"] else number_in(words)
    return render(
        "case_list.html",
        visitor=visitor,
        listing=listing,
        rows=rows,
        waiting=[case for case in rows["items"] if _waits_for(visitor, case)],
        choices=choices,
        orders=_ORDERS,
        is_cut=len(words) == LONGEST_ASKED,
        mistyped=await mistyped(request, visitor, number) if number else "",
        is_large=_is_large(listing, rows, choices["status"]),
        idempotency_key=new_idempotency_key(),
    )


def _is_large(listing: ListState, rows: Mapping[str, Any], statuses: Iterable[Facet]) -> bool:
    """Whether an export of the list is better made in the background; also where nobody can say how many there are."""
    if not rows["total_is_lower_bound"]:
        return False
    counted = {facet["value"]: facet["count"] for facet in statuses}
    count = counted.get(listing.wanted.get("status", ""))
    return count is None or count > _MOST_EXPORTED_AT_ONCE


def _waits_for(visitor: Visitor, case: Mapping[str, Any]) -> bool:
    """The vendor's cases wait for whoever has taken them, and until then for everybody."""
    if not visitor.is_of_vendor:
        return bool(case["turn"] == "customer")
    assignee = case["assignee"]
    return case["turn"] == "vendor" and (assignee is None or assignee["user_id"] == str(visitor.user.id))


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
        "status": _with_sums(_all_of(_STATUSES, found["status"])),
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


def _with_sums(facets: list[Facet]) -> list[Facet]:
    """Before the single states all of them, and all that are open; without numbers while the counts are away."""
    every = facets or [{"value": value, "count": None} for value in _STATUSES]
    is_open = [facet["count"] for facet in facets if facet["value"] not in _ENDED]
    return [
        {"value": "", "count": sum(facet["count"] for facet in facets) if facets else None},
        {"value": "open", "count": sum(is_open) if facets else None},
        *every,
    ]


@pages.get("/cases.xlsx")
@pages.get("/cases.csv")
async def export_cases(request: web.Request) -> web.StreamResponse:
    """The same rows over all pages, as a file."""
    visitor = await signed_in(request)
    return await download(request, visitor, "cases", request.path, CASES.at(request.query).wanted)
