"""Exports that are made in the background: asked for on a list, watched and fetched here."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from services.gateway.clients import fill
from services.gateway.messages import of_problem
from services.gateway.pages.backend import download, fetch, send
from services.gateway.pages.case_list import page_of
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import idempotency_header, read_form, redirect
from services.gateway.session import Visitor, signed_in
from services.gateway.waits import when_again

PATH = "/cases/exports"
_UNDER_WAY = ("waiting", "running")

pages = web.RouteTableDef()


@pages.get(PATH)
async def list_exports(request: web.Request) -> web.Response:
    """The visitor's own; while one is under way the page looks again by itself."""
    return await _page(request, await signed_in(request))


@pages.post(PATH)
async def make_export(request: web.Request) -> web.Response:
    """What a list asked for, with the filters and the order of the list."""
    visitor = await signed_in(request)
    typed = await read_form(request, visitor)
    kind = typed.get("format", "")
    body = {"format": kind, "query": page_of(visitor).at(typed).wanted}
    # Both buttons of the list's form come with the same key.
    of_button = {**typed, "idempotency_key": f"{typed.get('idempotency_key', '')}.{kind}"}
    headers = idempotency_header(of_button)
    sent = await send(request, visitor, "cases", "POST", PATH, body=body, headers=headers)
    if sent.problem is None:
        return redirect(PATH)
    return await _page(request, visitor, refused=sent.problem)


@pages.get(f"{PATH}/{{id}}/file")
async def fetch_file(request: web.Request) -> web.StreamResponse:
    """The file on its way to the browser."""
    visitor = await signed_in(request)
    return await download(request, visitor, "cases", fill(f"{PATH}/{{id}}/file", id=request.match_info["id"]))


async def _page(request: web.Request, visitor: Visitor, *, refused: Mapping[str, Any] | None = None) -> web.Response:
    exports = (await fetch(request, visitor, "cases", PATH))["items"]
    told = "" if refused is None else _sentence(refused)
    return render(
        "case_exports.html",
        visitor=visitor,
        status=200 if refused is None else int(refused.get("status", 422)),
        exports=exports,
        is_under_way=any(each["state"] in _UNDER_WAY for each in exports),
        refused=told,
    )


def _sentence(refused: Mapping[str, Any]) -> str:
    wait = when_again(refused.get("status", 0), refused.get("retry_after"))
    return f"{of_problem(refused)} {wait}".strip()
