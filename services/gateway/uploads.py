"""A body on its way through the gateway to a service: counted and bounded in time, never whole in memory."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping

import aiohttp
from aiohttp import web

from services.gateway.clients import (
    CONNECT_S,
    SERVICES,
    Reply,
    Service,
    Services,
    passed_back,
    proofs,
    refuse_rejected_actor,
    unavailable,
)
from services.gateway.visitor import Visitor
from shared import errors
from shared.bodies import BoundedBody, SlowestRate, too_large
from shared.web.headers import IDEMPOTENCY_HEADER

_CHUNK_BYTES = 64 * 1024


async def upload(
    request: web.Request, service: Service, path: str, *, visitor: Visitor | None, headers: Mapping[str, str]
) -> Reply:
    """Passes the body of a POST on as it comes, once: up to 120 s, 10 s between chunks, then 5 s for the answer.

    It has to come at `SlowestRate`, too. TooLarge for a body that is longer than the settings allow, encoded or not.
    """
    services = request.app[SERVICES]
    body = _Incoming(request, at_most=services.upload_max_bytes, idle_s=services.deadlines.upload_idle_s)
    sent = {IDEMPOTENCY_HEADER: secrets.token_urlsafe(16), **headers, **proofs(visitor)}
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(services.deadlines.upload_s) as deadline:

            async def chunks() -> AsyncIterator[bytes]:
                async for chunk in body.chunks():
                    yield chunk
                deadline.reschedule(loop.time() + services.deadlines.answer_s)

            reply = await _send(services, service, path, sent, chunks())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise body.failure or unavailable(service, error) from error
    if visitor is not None:
        refuse_rejected_actor(service, reply.status)
    return reply


async def _send(
    services: Services, service: Service, path: str, headers: Mapping[str, str], chunks: AsyncIterator[bytes]
) -> Reply:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
    async with services.session().post(
        services.url(service, path), headers=headers, data=chunks, timeout=timeout, allow_redirects=False
    ) as answer:
        reply = Reply(answer.status, await answer.read(), passed_back(answer))
        # It may have been refused while most of it was still to come.
        answer.close()
        return reply


class _Incoming:
    """The body of a request, to be sent on once. `failure` says why it was not read to its end."""

    def __init__(self, request: web.Request, *, at_most: int, idle_s: float) -> None:
        """TooLarge at once for a body that says itself that it is too long."""
        self._content = request.content
        self._body = BoundedBody(request, SlowestRate(at_once_s=idle_s), at_most=at_most, too_large=too_large(at_most))
        self.failure: Exception | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """As they come; the client library wraps what is raised in here, so it is kept in `failure`."""
        try:
            while chunk := await self._next():
                yield chunk
        except Exception as error:
            self.failure = error
            raise

    async def _next(self) -> bytes:
        try:
            return await self._body.take(self._content.read(_CHUNK_BYTES))
        except TimeoutError as error:
            raise web.HTTPRequestTimeout from error
        except (web.RequestPayloadError, ConnectionError) as error:
            raise errors.EndedEarly from error
