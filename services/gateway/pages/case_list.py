"""The list of cases with its views and filters, and its export."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from yarl import URL

from services.gateway import labels
from services.gateway.pages.backend import download, fetch, optional
from services.gateway.pages.rendering import render
from services.gateway.session import signed_in

pages = web.RouteTableDef()

_VIEWS = ("recent", "waiting", "submitted")
_FILTERS = ("status", "severity", "site_id", "created_from", "created_to", "serial", "q", "mine")
_PAGE_SIZE = 50


def _wanted(request: web.Request) -> dict[str, str]:
    """View, filters and order as the address says them; what is empty or unknown does not count."""
    names = ("view", *_FILTERS, "sort")
    wanted = {name: value for name in names if (value := request.query.get(name, "").strip())}
    if wanted.get("view") not in _VIEWS:
        wanted["view"] = "recent"
    return wanted


class _Links:
    """Addresses of the same list with something changed: the state of the list lives in its address."""

    def __init__(self, wanted: Mapping[str, str]) -> None:
        self._wanted = wanted

    def __call__(self, path: str = "/cases", **changes: str) -> str:
        """An empty change takes something away; paging starts again."""
        query = {name: value for name, value in {**self._wanted, **changes}.items() if value}
        return str(URL(path).with_query(query))

    def sorted_by(self, name: str) -> str:
        """By another column, or the same one the other way round."""
        return self(sort=f"-{name}" if self._wanted.get("sort") == name else name)


@pages.get("/cases")
async def list_cases(request: web.Request) -> web.Response:
    """One page of a view, with the filters that fit it."""
    visitor = await signed_in(request)
    wanted = _wanted(request)
    cursor = request.query.get("cursor", "")
    paging = {"limit": str(_PAGE_SIZE)} | ({"cursor": cursor} if cursor else {})
    of_any_status = {name: value for name, value in wanted.items() if name != "status"}
    rows, *counted = await asyncio.gather(
        fetch(request, visitor, "cases", "/cases", wanted | paging),
        # Where no state is chosen, both counts are the same.
        *(
            optional(fetch(request, visitor, "cases", "/cases/facets", filters))
            for filters in ([wanted] if wanted == of_any_status else [wanted, of_any_status])
        ),
    )
    facets, by_status = counted[0], counted[-1]
    return render(
        "case_list.html",
        visitor=visitor,
        rows=rows,
        facets=facets or {"severity": [], "site": []},
        by_status=_in_order(by_status["status"]) if by_status else [],
        wanted=wanted,
        views=_VIEWS,
        is_filtered=any(name in wanted for name in _FILTERS),
        is_first=not cursor,
        link=_Links(wanted),
    )


def _in_order(facets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The states as a case goes through them, not by their counts: a button must not move."""
    order = list(labels.statuses)
    return sorted(facets, key=lambda facet: order.index(facet["value"]))


@pages.get("/cases.xlsx")
async def export_cases(request: web.Request) -> web.StreamResponse:
    """The same rows over all pages, as an Excel file."""
    visitor = await signed_in(request)
    return await download(request, visitor, "cases", "/cases.xlsx", _wanted(request))
