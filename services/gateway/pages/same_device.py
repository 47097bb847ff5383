"""Other cases of the device of a case, as far as the visitor sees them."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from services.gateway.pages.backend import ServiceRefusal, fetch, optional
from services.gateway.session import Visitor

_SHOWN = 4

Row = Mapping[str, Any]


async def find_same_device(request: web.Request, visitor: Visitor, case: Row) -> Sequence[Row]:
    """The newest other cases, the open ones first; none where the case has no device, or they cannot be told."""
    if not case["serial"]:
        return ()
    asked: dict[str, object] = {"serial": case["serial"], "limit": _SHOWN + 1, "total": "false"}
    if visitor.is_of_vendor:
        asked["company_id"] = case["company_id"]
    are_open, newest = await asyncio.gather(
        _find(request, visitor, {**asked, "status": "open"}), _find(request, visitor, asked)
    )
    others = {row["number"]: row for row in (*are_open, *newest) if row["number"] != case["number"]}
    return tuple(others.values())[:_SHOWN]


async def _find(request: web.Request, visitor: Visitor, query: Mapping[str, object]) -> Sequence[Row]:
    try:
        page = await optional(fetch(request, visitor, "cases", "/cases", query))
    except ServiceRefusal:
        return ()
    return page["items"] if page else ()
