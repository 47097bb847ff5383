"""A body that goes through the gateway as it comes: counted and bounded in time, never whole in memory."""

from collections.abc import AsyncIterator

from aiohttp import web

from shared import errors
from shared.bodies import Pace, too_large

_CHUNK_BYTES = 64 * 1024


class PassedThrough:
    """The body of a request, to be sent on once. `failure` says why it was not read to its end."""

    def __init__(self, request: web.Request, *, at_most: int, idle_s: float) -> None:
        """TooLarge at once for a body that says itself that it is too long."""
        self._request = request
        self._at_most = at_most
        self._pace = Pace(at_once_s=idle_s)
        self.failure: Exception | None = None
        if (request.content_length or 0) > at_most:
            raise self._too_large()

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
            chunk = await self._pace.next(self._request.content.read(_CHUNK_BYTES))
        except TimeoutError as error:
            raise web.HTTPRequestTimeout from error
        except (web.RequestPayloadError, ConnectionError) as error:
            raise errors.Malformed("The body ended early, or is not encoded as its headers say.") from error
        if self._pace.came > self._at_most:
            raise self._too_large()
        return chunk

    def _too_large(self) -> errors.TooLarge:
        return too_large(self._at_most)
