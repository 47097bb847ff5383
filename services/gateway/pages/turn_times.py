"""The page of the report on whose turn it was, and for how long, by site."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from services.gateway.pages.lists import ListPage, fetch_list
from services.gateway.pages.rendering import render
from services.gateway.session import signed_in
from services.gateway.texts import _, lazy

pages = web.RouteTableDef()

_FILTERS = {"created_from": lazy("Created from"), "created_to": lazy("Created until")}
TURN_TIMES = ListPage(
    "/cases/turn-times",
    columns={
        "site_name": lazy("Site"),
        "cases": lazy("Cases"),
        "vendor_s": lazy("Support’s turn"),
        "customer_s": lazy("Your company’s turn"),
        "ended_s": lazy("Closed, then reopened"),
    },
    filters=_FILTERS,
)
_OF_VENDOR = replace(
    TURN_TIMES,
    columns={
        "site_name": lazy("Site"),
        "company_name": lazy("Company"),
        "cases": lazy("Cases"),
        "vendor_s": lazy("Support’s turn"),
        "customer_s": lazy("Customer’s turn"),
        "ended_s": lazy("Closed, then reopened"),
    },
    filters={**_FILTERS, "company_id": lazy("Company")},
)


@pages.get("/cases/turn-times")
async def show_turn_times(request: web.Request) -> web.Response:
    """Of the cases that were created in a time; what the address asks for and cannot be had is said, and left out."""
    visitor = await signed_in(request)
    asked = (_OF_VENDOR if visitor.is_of_vendor else TURN_TIMES).at(request.query)
    listing, report = await fetch_list(
        request, visitor, "cases", "/cases/turn-times", asked, query=lambda listing: listing.wanted
    )
    return render("turn_times.html", visitor=visitor, listing=listing, report=report, rows=_rows(report))


def _rows(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The sites, those that there was no room for, and the sum where there is more than one."""
    rows: list[Mapping[str, Any]] = [{**site, "label": site["site_name"] or _("No site")} for site in report["items"]]
    if report["others"]:
        rows.append({**report["others"], "label": _("All other sites")})
    if len(rows) > 1:
        rows.append({**report["total"], "label": _("In all"), "is_sum": True})
    return rows
