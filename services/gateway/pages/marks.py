"""What a person marks of cases: their favourites, and up to when they have seen one."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

from services.gateway.clients import SERVICES, fill
from services.gateway.pages.backend import refuse
from services.gateway.pages.requests import local_path, read_form, redirect
from services.gateway.session import Visitor, signed_in
from shared import errors
from shared.serials import normal_case_number

pages = web.RouteTableDef()

# Of more at once nobody is told that they were seen: their pages do not wait for it.
_MOST_VISITS = 100


class Visits:
    """Tells cases what was shown, beside the page, which neither waits for it nor fails with it."""

    def __init__(self) -> None:
        """One for each process."""
        self._under_way: set[asyncio.Task[None]] = set()

    def remember(self, request: web.Request, visitor: Visitor, case: Mapping[str, Any]) -> None:
        """That the visitor has seen the case up to its newest entry."""
        if len(self._under_way) < _MOST_VISITS:
            task = asyncio.create_task(_record(request, visitor, case))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def stop(self) -> None:
        """Waits for what is under way, each of which has its deadline."""
        await asyncio.gather(*self._under_way, return_exceptions=True)


VISITS = web.AppKey("visits", Visits)


async def keep_visits(app: web.Application) -> AsyncIterator[None]:
    """Ends the visits before the connections that they use."""
    yield
    await app[VISITS].stop()


async def _record(request: web.Request, visitor: Visitor, case: Mapping[str, Any]) -> None:
    seen = {"seen_until": case["history"][-1]["at"]} if case["history"] else {}
    try:
        path = fill("/cases/{number}/visit", number=case["number"])
        await request.app[SERVICES].call("cases", "PUT", path, visitor=visitor, json=seen)
    except errors.Unavailable:
        return  # which is logged already: the case stays new until it is opened again


@pages.post("/cases/favourites")
async def mark_favourite(request: web.Request) -> web.Response:
    """Makes a case a favourite (`add`), or takes it off them (`remove`), by its number; returns to the page."""
    visitor = await signed_in(request)
    typed = await read_form(request, visitor)
    method = "DELETE" if "remove" in typed else "PUT"
    number = normal_case_number(typed.get("remove") or typed.get("add", ""))
    if not number:
        raise errors.NotFound
    path = fill("/cases/{number}/favourite", number=number)
    reply = await request.app[SERVICES].call("cases", method, path, visitor=visitor)
    if not reply.ok:
        refuse(reply)
    return redirect(f"{local_path(typed.get('next')).partition('#')[0]}#star-{number}")


@pages.get("/cases/favourites")
async def form_of_lists(_request: web.Request) -> web.Response:
    """Its address, where it could not be sent."""
    return redirect("/cases?view=favourites")
