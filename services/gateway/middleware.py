"""Middleware for every request from outside: the client's true address, and headers that every answer carries."""

from collections.abc import Sequence
from dataclasses import replace

from aiohttp import web

from services.gateway.client_address import Networks, ProxyWarnings, client_address, hops_of
from shared.logging import origin
from shared.web.app import Handler

API = "/api/v1"

TRUSTED_PROXIES: web.AppKey[Networks] = web.AppKey("trusted_proxies", Sequence)
PROXY_WARNINGS = web.AppKey("proxy_warnings", ProxyWarnings)


def add_outer_middleware(app: web.Application, trusted_proxies: Networks) -> None:
    """Guards every route of the public application."""
    app[TRUSTED_PROXIES] = trusted_proxies
    app[PROXY_WARNINGS] = ProxyWarnings()
    app.middlewares.append(_know_the_address)
    app.on_response_prepare.append(_add_headers)


def is_api(request: web.Request) -> bool:
    """A program is asking, so the answer is JSON, refusals included."""
    return request.path == "/api" or request.path.startswith("/api/")


def is_for_anybody(request: web.Request) -> bool:
    """Stylesheets, modules and icons: the same for everybody, so caches may keep them."""
    return request.path.startswith("/static/") or request.path == "/favicon.ico"


@web.middleware
async def _know_the_address(request: web.Request, handler: Handler) -> web.StreamResponse:
    # Whatever a client says of its own address or identity in X-Portico-* is overwritten here.
    peer, hops, trusted = request.remote or "", hops_of(request.headers), request.app[TRUSTED_PROXIES]
    address = client_address(peer, hops, trusted)
    request.app[PROXY_WARNINGS].look_at(peer, hops, address, trusted)
    origin.set(replace(origin.get(), address=address, actor=""))
    return await handler(request)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("X-Frame-Options", "DENY")
    # What is not here may be at a replica of another version.
    if not is_for_anybody(request) or response.status == web.HTTPNotFound.status_code:
        response.headers.setdefault("Cache-Control", "no-store")
    if is_api(request):
        response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
