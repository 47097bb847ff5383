"""Whether a process is alive and can serve; for private ports only."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.web.responses import answer

HEALTH_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

Status = Callable[[], Awaitable[tuple[bool, dict[str, Any]]]]
STATUS: web.AppKey[Status] = web.AppKey("status", cast("type[Status]", object))


def add_health(app: web.Application, status: Status) -> None:
    """`/healthz`, `/readyz` and `/metrics`; for private ports only.

    `status` answers whether HTTP can be served now, and what is degraded.
    """
    app[STATUS] = status
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)


async def _healthz(_request: web.Request) -> web.Response:
    return answer({"alive": True})


async def _readyz(request: web.Request) -> web.Response:
    ready, degraded = await request.app[STATUS]()
    return answer({"ready": ready, "degraded": degraded}, status=200 if ready else 503)


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
