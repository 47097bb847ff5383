"""Live updates: cases writes the streams, and each is ended when its visitor is somebody else, or nobody any more.

A hint of a user or company makes the gateway ask identity about the streams of that user or company at once. A hint may
be lost: so all of them are asked about every half minute, too.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from http import HTTPStatus

import aiohttp
import structlog
from aiohttp import hdrs, web
from prometheus_client import Gauge

from services.gateway.clients import SERVICES, Services, passed_back
from services.gateway.forwarding import Route, allowed_user, answer_of, inner_path
from services.gateway.middleware import TRUSTED_PROXIES
from services.gateway.session import Sessions, Visitor
from services.gateway.settings import GatewaySettings
from services.gateway.streams import opened, refusal_in
from shared.addresses import network_of, read_address
from shared.bus import Hint
from shared.connections import has_left, whole_or_cut
from shared.errors import NotSignedIn, TooManyStreams, Unavailable
from shared.logging import origin
from shared.signing import same_actor
from shared.web.headers import REQUEST_ID_HEADER

MOST_OF_USER = 10
CHECK_EVERY_S = 30.0
# After the hints were away for a while: spread, because all streams are asked about.
_CHECK_ALL_WITHIN_S = 1.0
_END_WITHIN_S = 1.0
_SWEEP_EVERY_S = 1.0
# The blank line ends a message that was cut off within. The reader does not come back for a while.
_TOO_MANY = b'\n\nevent: closed\ndata: {"kind":"closed"}\n\n'
_HEADERS = {
    # Nobody on the way packs it, keeps it, or waits for more of it (nginx).
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}

_log = structlog.get_logger()
_open = Gauge("portico_gateway_live_streams", "Streams of live updates that are open")


class _Stream:
    """One that is open, and the visitor who opened it."""

    def __init__(self, request: web.Request, visitor: Visitor) -> None:
        self.visitor = visitor
        self.network = _counted_network(request)
        self.request = request
        self.opened_by = origin.get()
        self.check: asyncio.TimerHandle | None = None
        self.is_over = False
        self.last_words = b""
        self._scope: asyncio.Timeout | None = None

    def end(self, last_words: bytes = b"") -> None:
        """Whoever passes it on stops at once."""
        if not self.is_over:
            self.is_over, self.last_words = True, last_words
            if self._scope is not None:
                self._scope.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def until_over(self) -> AsyncIterator[None]:
        """Left as soon as the stream is over."""
        try:
            async with asyncio.timeout(None) as self._scope:
                yield
        except TimeoutError:
            if not self.is_over:
                raise
        finally:
            self._scope = None


class LiveStreams:
    """All of this replica: bounded, and asked about when somebody has changed."""

    def __init__(self, sessions: Sessions, settings: GatewaySettings) -> None:
        """None is open. They never take more than half of the connections that pages need, too."""
        self._sessions = sessions
        self._most = settings.max_connections // 2
        self._most_of_network = settings.max_connections_per_address // 2
        self._by_user: defaultdict[str, dict[_Stream, None]] = defaultdict(dict)
        self._by_company: defaultdict[str, dict[_Stream, None]] = defaultdict(dict)
        self._by_network: defaultdict[str, dict[_Stream, None]] = defaultdict(dict)
        self._count = 0
        self._checks: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._is_over = False

    @contextmanager
    def opened(self, request: web.Request, visitor: Visitor) -> Iterator[_Stream]:
        """A stream for as long as the context lasts; TooManyStreams. Of a user's the oldest makes room."""
        stream = _Stream(request, visitor)
        of_network = len(self._by_network.get(stream.network, ()))
        if self._is_over or self._count >= self._most or of_network >= self._most_of_network:
            raise TooManyStreams
        own = [each for each in self._by_user.get(str(visitor.user.id), ()) if not each.is_over]
        if len(own) >= MOST_OF_USER:
            own[0].end(_TOO_MANY)
        self._add(stream)
        try:
            yield stream
        finally:
            self._remove(stream)

    async def confirmed(self, stream: _Stream, *, refresh: bool = False) -> bool:
        """Whether its visitor may see the same as when it was opened; False also if nobody has confirmed that lately.

        `refresh` asks identity, also if an answer is remembered.
        """
        try:
            return self._is_same(stream, await self._sessions.visitor(stream.visitor.token, refresh=refresh))
        except Unavailable:
            return False

    def apply_hint(self, hint: Hint) -> None:
        """A user or company has changed."""
        for streams in (self._by_user, self._by_company):
            for stream in streams.get(hint.id, ()):
                self._check_now(stream, refresh=True)

    def check_all(self) -> None:
        """Hints may have been lost."""
        for stream in self._all():
            self._check_in(stream, random.uniform(0, _CHECK_ALL_WITHIN_S), refresh=True)  # noqa: S311  # guards nothing

    def end_all(self) -> None:
        """The process stops: browsers go to another replica at once."""
        self._is_over = True
        if self._sweep is not None:
            self._sweep.cancel()
        for check in self._checks:
            check.cancel()
        for stream in self._all():
            stream.end()

    def _all(self) -> Iterable[_Stream]:
        return [stream for streams in self._by_user.values() for stream in streams]

    def _check_in(self, stream: _Stream, seconds: float, *, refresh: bool = False) -> None:
        if stream.check is not None:
            stream.check.cancel()
        check = partial(self._check_now, stream, refresh=refresh)
        stream.check = asyncio.get_running_loop().call_later(seconds, check)

    def _check_now(self, stream: _Stream, *, refresh: bool) -> None:
        task = asyncio.get_running_loop().create_task(self._check(stream, refresh=refresh))
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    async def _check(self, stream: _Stream, *, refresh: bool) -> None:
        origin.set(stream.opened_by)
        is_confirmed = False
        try:
            is_confirmed = await self.confirmed(stream, refresh=refresh)
        finally:  # whatever failed: nobody would ask about this stream again
            if not is_confirmed:
                stream.end()
        if not stream.is_over:
            self._check_in(stream, CHECK_EVERY_S * random.uniform(0.7, 1.0))  # noqa: S311  # guards nothing

    @staticmethod
    def _is_same(stream: _Stream, visitor: Visitor | None) -> bool:
        """Who sees something else now opens a new one."""
        then = stream.visitor
        return visitor is not None and visitor.user.id == then.user.id and same_actor(visitor.actor, then.actor)

    def _places(self, stream: _Stream) -> list[tuple[defaultdict[str, dict[_Stream, None]], str]]:
        user = stream.visitor.user
        return [
            (self._by_user, str(user.id)),
            (self._by_company, str(user.company_id)),
            *([(self._by_network, stream.network)] if stream.network else []),
        ]

    def _add(self, stream: _Stream) -> None:
        for streams, key in self._places(stream):
            streams[key][stream] = None
        self._count += 1
        _open.set(self._count)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(_SWEEP_EVERY_S, self._end_left)
        self._check_in(stream, CHECK_EVERY_S * random.uniform(0.3, 1.0))  # noqa: S311  # guards nothing

    def _end_left(self) -> None:
        """Ends the streams whose browsers have left: a write would show that, but there are few of them."""
        self._sweep = None
        if self._count:
            self._sweep = asyncio.get_running_loop().call_later(_SWEEP_EVERY_S, self._end_left)
        for stream in self._all():
            if has_left(stream.request):
                stream.end()

    def _remove(self, stream: _Stream) -> None:
        stream.is_over = True
        if stream.check is not None:
            stream.check.cancel()
        for streams, key in self._places(stream):
            streams[key].pop(stream, None)
            if not streams[key]:
                del streams[key]
        self._count -= 1
        _open.set(self._count)


LIVE = web.AppKey("live_streams", LiveStreams)


async def follow(request: web.Request, route: Route) -> web.StreamResponse:
    """Passes on what cases writes, for as long as the visitor is who opened it."""
    visitor = await allowed_user(request)
    services, live = request.app[SERVICES], request.app[LIVE]
    with live.opened(request, visitor) as stream:
        # The visitor may have changed between the first look and `opened`; from then on no change is missed.
        if not await live.confirmed(stream):
            raise NotSignedIn
        url = services.url(route.service, inner_path(request, route), request.rel_url.raw_query_string or None)
        async with opened(services, route.service, url, visitor, for_hours=True) as source:
            if source.status != HTTPStatus.OK:
                return answer_of(await refusal_in(services, route.service, source, visitor))
            return await _pass_on(request, services, source, stream)


async def _pass_on(
    request: web.Request, services: Services, source: aiohttp.ClientResponse, stream: _Stream
) -> web.StreamResponse:
    response = web.StreamResponse(headers=passed_back(source) | _HEADERS)
    response.headers[REQUEST_ID_HEADER] = origin.get().request_id
    # Who does not read while the stream has to end is cut off.
    with suppress(TimeoutError), whole_or_cut(request):
        await response.prepare(request)
        if request.method != hdrs.METH_HEAD:  # aiohttp would send what is written as the next answer
            await _copy(response, services, source, stream)
        async with asyncio.timeout(_END_WITHIN_S):
            if stream.last_words:
                await response.write(stream.last_words)
            await response.write_eof()
    return response


async def _copy(
    response: web.StreamResponse, services: Services, source: aiohttp.ClientResponse, stream: _Stream
) -> None:
    """Until either side ends; a service that is gone, or silent, is an end like any other."""
    if stream.is_over:
        return
    async with stream.until_over():
        while True:
            try:
                async with asyncio.timeout(services.deadlines.idle_s):
                    piece = await source.content.readany()
            except (aiohttp.ClientError, TimeoutError) as error:
                _log.info("live_stream_broken", reason=type(error).__name__)
                return
            if not piece:
                return
            await response.write(piece)


def _counted_network(request: web.Request) -> str:
    """The network whose connections are counted; empty behind a proxy, which carries those of many."""
    peer = request.remote or ""
    address = read_address(peer)
    carried = address is None or any(address in network for network in request.app[TRUSTED_PROXIES])
    return "" if carried else network_of(peer)
