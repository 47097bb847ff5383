"""The list of cases with its views and filters, and its export."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from itertools import islice
from typing import Any

from aiohttp import web

from services.gateway import labels
from services.gateway.pages.backend import ServiceRefusal, download, fetch, optional
from services.gateway.pages.columns import ALWAYS, OF_CUSTOMER, OF_VENDOR, chosen_columns, columns_for
from services.gateway.pages.finding import mistyped, number_in
from services.gateway.pages.lists import ListPage, ListState, companies_in_sight, fetch_list
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import LONGEST_ASKED, new_idempotency_key
from services.gateway.session import Visitor, signed_in
from services.gateway.texts import _, lazy
from shared import errors
from shared.i18n import day
from shared.text import in_alphabet

pages = web.RouteTableDef()

Facet = dict[str, Any]


CASES = ListPage(
    "/cases",
    columns=OF_CUSTOMER.labelled(OF_CUSTOMER.usual),
    sortable=frozenset({*ALWAYS, *OF_VENDOR.choices}),
    may_go=frozenset({"site_name", "submitter", "company_name", "product_name", "serial", "created_at", "turn"}),
    order="-updated_at",
    views=("recent", "waiting", "submitted", "favourites", "company", "site"),
    # The cases of a site stand together, and those of a device.
    orders={"company": "site_name", "site": "serial"},
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
    columns=OF_VENDOR.labelled(OF_VENDOR.usual),
    views=("recent", "waiting", "favourites", "company", "site"),
    orders={"company": "company_name", "site": "serial"},
    filters={
        "company_id": lazy("Company"),
        **{name: label for name, label in CASES.filters.items() if name != "mine"},
        "untaken": lazy("Also those that nobody has taken"),
    },
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
    "product_name": lazy("By product"),
    "site_name": lazy("By site"),
    "turn": lazy("By whose turn it is"),
}
_STATUSES = ("waiting_customer", "new", "in_progress", "waiting_parts", "closed", "cancelled")
_ENDED = ("closed", "cancelled")
_MOST_EXPORTED_AT_ONCE = 5_000  # rows


@pages.get("/cases")
async def list_cases(request: web.Request) -> web.Response:
    """One page of a view, with the filters that fit it."""
    visitor = await signed_in(request)
    chosen = chosen_columns(request, visitor)
    asked = replace(page_of(visitor), columns=columns_for(visitor).labelled(chosen)).at(request.query)
    (listing, rows), choices = await asyncio.gather(
        fetch_list(request, visitor, "cases", "/cases", asked),
        _choices(request, visitor, asked),
    )
    if listing.ignored:
        choices = await _choices(request, visitor, listing)
    companies = companies_in_sight(rows["items"], listing) if visitor.is_of_vendor else {}
    words = listing.wanted.get("q", "")
    number = "" if rows["items"] else number_in(words)
    return render(
        "case_list.html",
        visitor=visitor,
        listing=listing,
        rows=rows,
        waiting=[case for case in rows["items"] if _waits_for(visitor, case)],
        groups=list(_groups(visitor, listing, rows)),
        colleagues=_colleagues_case(visitor, rows, number_in(words)),
        choices=choices,
        companies=companies,
        chips=list(_chips(listing, choices, companies)),
        columns=columns_for(visitor).choices,
        orders=_ORDERS,
        is_cut=len(words) == LONGEST_ASKED,
        mistyped=await mistyped(request, visitor, number) if number else "",
        is_large=_is_large(listing, rows, choices["status"]),
        idempotency_key=new_idempotency_key(),
    )


def page_of(visitor: Visitor) -> ListPage:
    """The list as the visitor's side has it."""
    return _OF_VENDOR if visitor.is_of_vendor else CASES


def _groups(visitor: Visitor, listing: ListState, rows: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The groups of a view with their rows, what to call them, and how many each has; none of any other list."""
    items = iter(rows["items"])
    for group in rows.get("groups", ()):
        cases = list(islice(items, group["rows"]))
        yield {**group, "name": _name_of_group(visitor, listing, cases[0]), "rows": cases}


def _name_of_group(visitor: Visitor, listing: ListState, case: Mapping[str, Any]) -> list[str]:
    """Its parts: company and site, or product and serial number."""
    if listing.wanted["view"] == "site":
        parts = [case["product_name"], case["serial_label"] or ""]
        return [part for part in parts if part] or [_("Product not known")]
    site = case["site_name"] or _("Without a site")
    return [case["company_name"], site] if visitor.is_of_vendor else [site]


def _colleagues_case(visitor: Visitor, rows: Mapping[str, Any], number: str) -> Mapping[str, Any] | None:
    """The case of the number that was searched for, if a colleague submitted it: the list says so."""
    found = next((case for case in rows["items"] if case["number"] == number), None)
    is_own = visitor.is_of_vendor or found is None or found["submitter"]["user_id"] == str(visitor.user.id)
    return None if is_own else found


def _chips(
    listing: ListState, choices: Mapping[str, list[Facet]], companies: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Each filter in use beside the status, which has its own row: its name, its value, the list without it."""
    sites = {facet["value"]: facet["label"] for facet in choices["site_id"]}
    for name, label in listing.page.filters.items():
        value = listing.wanted.get(name, "")
        if not value or name in {"status", "mine", "untaken"}:
            continue
        if name == "severity":
            value = str(labels.severities.get(value, value))
        elif name == "company_id":
            value = companies[value]
        elif name == "site_id":
            value = sites.get(value) or _("Chosen")
        elif name in {"created_from", "created_to"}:
            value = day(date.fromisoformat(value))
        yield label, value, listing.url(**{name: ""})


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
    found = await _count(request, visitor, listing.without("sort"))
    return {
        "status": _with_sums(_all_of(_STATUSES, found.get("status"))),
        "severity": _all_of(labels.severities, found.get("severity")),
        "site_id": sorted(found.get("site") or [], key=lambda facet: in_alphabet(facet["label"])),
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
    return await download(request, visitor, "cases", request.path, page_of(visitor).at(request.query).wanted)
