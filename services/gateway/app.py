"""Wires the gateway: the public application, and the private port beside it in the same process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache, partial
from typing import Any

import orjson
from aiohttp import web

from services.gateway import docs, openapi
from services.gateway.address import ADDRESS, Address
from services.gateway.brand import BRAND
from services.gateway.clients import SERVICES, Services
from services.gateway.cookies import COOKIES, Cookies
from services.gateway.forwarding import add_routes
from services.gateway.live import LIVE, LiveStreams
from services.gateway.middleware import API, add_outer_middleware
from services.gateway.pages import add_pages
from services.gateway.pages.static import STATIC_ROUTES
from services.gateway.rate_limits import LIMITS, RequestLimits, limit_requests
from services.gateway.routes import ROUTES
from services.gateway.session import SESSION_COOKIE, SESSIONS, Sessions, refresh_after_changes
from services.gateway.settings import GatewaySettings
from shared import logging
from shared.bus import Bus, Hint
from shared.connections import Bounds
from shared.serving import STOP_WITHIN_S, Runner
from shared.topology import HINTED
from shared.web.app import create_app as create_plain_app
from shared.web.health import add_health

# No path of ours ends in a slash, or has two in a row: who comes by one is sent on, with method and body.
_without_slash = web.normalize_path_middleware(
    append_slash=False, remove_slash=True, redirect_class=web.HTTPPermanentRedirect
)


def create_app(settings: GatewaySettings, services: Services | None = None) -> web.Application:
    """The portal; `services` other than the settings' are for tests with deadlines of their own."""
    logging.set_up("gateway", settings.log_level)
    app = create_plain_app(unlogged=STATIC_ROUTES)
    app[SERVICES] = services or Services.of(settings)
    app[COOKIES] = Cookies.of(settings.base_url)
    app[ADDRESS] = Address(settings.base_url)
    app[SESSIONS] = Sessions(app[SERVICES])
    app[LIVE] = LiveStreams(app[SESSIONS], settings)
    app.on_shutdown.append(_end_streams)
    app[BRAND] = settings.brand
    add_outer_middleware(app, settings.trusted_proxies)
    app[LIMITS] = RequestLimits(settings)
    app.middlewares.extend((limit_requests, refresh_after_changes, _without_slash))
    add_routes(app, ROUTES)
    _add_description(app)
    add_pages(app)
    app.cleanup_ctx.append(_connections)
    return app


def with_hints(app: web.Application, settings: GatewaySettings) -> Bus:
    """The application hears from identity who has changed; what it hears it over."""
    bus = Bus(settings.rabbitmq_url, app_id="gateway")

    def apply(hint: Hint) -> None:
        app[SESSIONS].apply_hint(hint)
        app[LIVE].apply_hint(hint)

    bus.listen(HINTED, apply, on_attached=app[LIVE].check_all)

    async def run(_app: web.Application) -> AsyncIterator[None]:
        await bus.start()
        yield
        await bus.stop()

    app.cleanup_ctx.append(run)
    return bus


def with_private_port(app: web.Application, settings: GatewaySettings, bus: Bus) -> web.Application:
    """The same application, with health and metrics on a port that is never the portal's."""

    async def run(_app: web.Application) -> AsyncIterator[None]:
        ops = create_ops(app[SERVICES], partial(_listens, settings), bus)
        runner = Runner(ops, Bounds(), shutdown_timeout=STOP_WITHIN_S)
        await runner.setup()
        await web.TCPSite(runner, settings.host, settings.ops_port).start()
        yield
        await runner.cleanup()

    app.cleanup_ctx.append(run)
    return app


async def _listens(settings: GatewaySettings) -> bool:
    """Whether the portal's port is open: the private one opens a moment earlier."""
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(settings.public_host, settings.public_port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def create_ops(services: Services, is_open: Callable[[], Awaitable[bool]], bus: Bus) -> web.Application:
    """Health and metrics."""

    async def status() -> tuple[bool, dict[str, Any]]:
        # Without its services the gateway still answers, so it is ready; the missing ones are listed.
        broker = {} if bus.hears_hints else {"broker": "unavailable"}
        return await is_open(), await services.silent() | broker

    ops = create_plain_app()
    add_health(ops, status)
    return ops


async def _end_streams(app: web.Application) -> None:
    app[LIVE].end_all()


async def _connections(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[SERVICES].stop()


def _add_description(app: web.Application) -> None:
    description, page = _description(app[COOKIES].name(SESSION_COOKIE))

    async def for_programs(_request: web.Request) -> web.Response:
        return web.Response(body=description, content_type="application/json")

    async def for_people(_request: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": docs.POLICY})

    app.router.add_get(f"{API}/openapi.json", for_programs)
    app.router.add_get(f"{API}/docs", for_people)


@cache
def _description(cookie: str) -> tuple[bytes, str]:
    document = openapi.describe(ROUTES, cookie=cookie)
    return orjson.dumps(document), docs.render(document)
