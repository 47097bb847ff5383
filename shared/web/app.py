"""The aiohttp application of every process: failures as problems, request ids, metrics, one line of log each."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import cast

import structlog
from aiohttp import HttpVersion10, HttpVersion11, web
from prometheus_client import Counter, Histogram

from shared import errors
from shared.bodies import bound_body_memory, release_body
from shared.clock import utc_now
from shared.connections import SERVER, has_left
from shared.logging import Origin, origin
from shared.mongo import Database
from shared.web.headers import CLIENT_HEADER, REQUEST_ID_HEADER
from shared.web.health import HEALTH_PATHS
from shared.web.problems import problem_answer, problem_with_allow, refusal_of
from shared.web.requests import route_of

DATABASE = web.AppKey("database", Database)
CLOCK: web.AppKey[Callable[[], datetime]] = web.AppKey("clock", cast("type[Callable[[], datetime]]", object))
UNLOGGED: web.AppKey[frozenset[str]] = web.AppKey("unlogged", frozenset)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = structlog.get_logger()
_requests = Counter("portico_http_requests_total", "Requests, by what became of them", ["method", "route", "status"])
_seconds = Histogram("portico_http_request_seconds", "Time to the answer", ["method", "route"])

_LONGEST_MEDIA_TYPE = 256  # a boundary has 70 characters at most
_CALLER_LEFT = 499  # as nginx counts it; nobody gets this answer
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def create_app(*, clock: Callable[[], datetime] = utc_now, unlogged: frozenset[str] = frozenset()) -> web.Application:
    """An application that answers every failure as problem+json and bounds every body.

    `unlogged` are routes whose successes are no lines of the log.
    """
    app = web.Application(middlewares=[_observe, _refuse_what_nobody_needs])
    app[CLOCK] = clock
    app[UNLOGGED] = unlogged
    app.on_response_prepare.append(_name_no_software)
    bound_body_memory(app)
    return app


def _origin_of(request: web.Request) -> Origin:
    given = request.headers.get(REQUEST_ID_HEADER, "")
    request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
    return Origin(request_id, "", request.headers.get(CLIENT_HEADER, ""))


@web.middleware
async def _observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    started = time.perf_counter()
    token = origin.set(_origin_of(request))
    try:
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = _redirect(error) if isinstance(error, web.HTTPMove) else problem_with_allow(error)
        except Exception as error:  # noqa: BLE001  # the one place where anything becomes an answer
            if isinstance(error, ConnectionError) and has_left(request):
                response = web.Response(status=_CALLER_LEFT)
            else:
                response = problem_answer(refusal_of(error))
        except asyncio.CancelledError:
            _record(request, _CALLER_LEFT, time.perf_counter() - started)
            raise
        if not response.prepared:
            response.headers[REQUEST_ID_HEADER] = origin.get().request_id
        _record(request, response.status, time.perf_counter() - started)
    finally:
        release_body(request)
        # The answer may wait long for its reader; what it was made of need not.
        request.clear()
        origin.reset(token)
    return response


def _redirect(error: web.HTTPMove) -> web.Response:
    """An answer, not a failure."""
    return web.Response(status=error.status, headers={"Location": str(error.location)})


@web.middleware
async def _refuse_what_nobody_needs(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.version not in (HttpVersion10, HttpVersion11):
        raise errors.Malformed("Send HTTP/1.1.")
    # aiohttp reads it by a way that takes the square of its length: half a second for a header as long as may be.
    if any(len(kind) > _LONGEST_MEDIA_TYPE for kind in request.headers.getall("Content-Type", [])):
        raise errors.WrongMediaType("Send a shorter Content-Type.")
    # A few bytes that are packed can unpack to a gigabyte. Whichever header a reader looks at, none may say so.
    codings = request.headers.getall("Content-Encoding", []) + request.headers.getall("Transfer-Encoding", [])
    if {coding.strip() for coding in ",".join(codings).lower().split(",")} - {"", "none", "identity", "chunked"}:
        raise errors.WrongMediaType("Send the body as it is, not packed.")
    return await handler(request)


async def _name_no_software(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER


def _record(request: web.Request, status: int, seconds: float) -> None:
    route = route_of(request)
    _requests.labels(request.method, route, status).inc()
    _seconds.labels(request.method, route).observe(seconds)
    is_unlogged = route in request.app[UNLOGGED] and status < 400  # noqa: PLR2004
    if route not in HEALTH_PATHS and not is_unlogged:
        _log.info("request", method=request.method, route=route, status=status, ms=round(seconds * 1000, 1))
