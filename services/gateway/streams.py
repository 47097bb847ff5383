"""A long answer of a service on its way through the gateway: chunk by chunk, never whole in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp
import structlog
from aiohttp import hdrs, web
from yarl import URL

from services.gateway.clients import (
    CONNECT_S,
    PASSED_BACK,
    SERVICES,
    Query,
    Reply,
    Service,
    Services,
    passed_back,
    proofs,
    refuse_rejected_actor,
    unavailable,
)
from services.gateway.deadlines import Deadlines
from services.gateway.visitor import Visitor
from shared.connections import has_left, whole_or_cut
from shared.logging import origin
from shared.web.headers import REQUEST_ID_HEADER

# What makes a file harmless, and keeps it out of caches.
_PASSED_BACK_WITH_FILES = (*PASSED_BACK, "X-Content-Type-Options", "Content-Security-Policy", "Cache-Control")
_CHUNK_BYTES = 64 * 1024

_log = structlog.get_logger()


async def stream(
    request: web.Request, service: Service, path: str, *, visitor: Visitor | None, query: Query = None
) -> web.StreamResponse | Reply:
    """Passes the answer of a long GET on, chunk by chunk; a refusal is returned, before anything was sent.

    10 s to the headers, 30 s from there to the first chunk and between two, and 5 s for a refusal.
    """
    services = request.app[SERVICES]
    async with opened(services, service, services.url(service, path, query), visitor) as source:
        if source.status == HTTPStatus.OK:
            return await _pass_back(request, service, source, services.deadlines)
        return await refusal_in(services, service, source, visitor)


async def refusal_in(
    services: Services, service: Service, source: aiohttp.ClientResponse, visitor: Visitor | None
) -> Reply:
    """What a service answers instead of a stream."""
    if visitor is not None:
        refuse_rejected_actor(service, source.status)
    try:
        async with asyncio.timeout(services.deadlines.answer_s):
            return Reply(source.status, await source.read(), passed_back(source))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise unavailable(service, error) from error


@asynccontextmanager
async def opened(
    services: Services, service: Service, url: URL, visitor: Visitor | None, *, for_hours: bool = False
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The beginning of a long answer; its connection is closed at the end of the context. ServiceUnavailable."""
    http, headers = services.streaming() if for_hours else services.session(), proofs(visitor)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
    try:
        async with asyncio.timeout(services.deadlines.first_byte_s):
            source = await http.get(url, headers=headers, timeout=timeout, allow_redirects=False)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise unavailable(service, error) from error
    try:
        yield source
    finally:
        source.close()


async def _pass_back(
    request: web.Request, service: Service, source: aiohttp.ClientResponse, deadlines: Deadlines
) -> web.StreamResponse:
    headers = passed_back(source, _PASSED_BACK_WITH_FILES)
    if source.content_length is not None:
        headers["Content-Length"] = str(source.content_length)
    response = web.StreamResponse(status=source.status, headers=headers)
    response.headers[REQUEST_ID_HEADER] = origin.get().request_id
    try:
        with whole_or_cut(request):
            await response.prepare(request)
            if request.method != hdrs.METH_HEAD:  # aiohttp would send what is written as the next answer
                async for chunk in _chunks(source, deadlines):
                    await response.write(chunk)
            await response.write_eof()
    except (aiohttp.ClientError, TimeoutError) as error:
        if isinstance(error, ConnectionError) and has_left(request):
            raise
        _log.warning("stream_broken", service=service, reason=type(error).__name__)
    return response


async def _chunks(source: aiohttp.ClientResponse, deadlines: Deadlines) -> AsyncIterator[bytes]:
    while True:
        async with asyncio.timeout(deadlines.idle_s):
            chunk = await source.content.read(_CHUNK_BYTES)
        if not chunk:
            return
        yield chunk
