"""The start page and the way to a case by its number."""

import asyncio

from aiohttp import web

from services.gateway.pages.asking import fetch, go, panel
from services.gateway.pages.rendering import render
from services.gateway.session import signed_in, visitor_of

pages = web.RouteTableDef()

_NUMBER_LENGTH = 10


@pages.get("/")
async def start(request: web.Request) -> web.Response:
    """For anybody: create or find a case. Signed in: what waits, and what happened lately."""
    visitor = await visitor_of(request)
    if visitor is None:
        return render("welcome.html", visitor=None)
    waiting, recent = await asyncio.gather(
        panel(fetch(request, visitor, "cases", "/cases", {"view": "waiting", "limit": 5})),
        panel(fetch(request, visitor, "cases", "/cases", {"view": "recent", "limit": 5})),
    )
    joined = request.query.get("done") == "joined"
    return render("start.html", visitor=visitor, waiting=waiting, recent=recent, joined=joined)


@pages.get("/find")
async def find(request: web.Request) -> web.Response:
    """A case number leads to its case, any other text to the list filtered by it."""
    await signed_in(request)
    wanted = request.query.get("q", "").strip()
    digits = "".join(wanted.split()).replace("-", "")
    if len(digits) == _NUMBER_LENGTH and digits.isascii() and digits.isdigit():
        return go(f"/cases/{digits}")
    return go(str(request.rel_url.with_path("/cases").with_query({"q": wanted} if wanted else {})))
