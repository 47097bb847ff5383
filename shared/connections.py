"""The connections of a port: how many there may be, how long one may be silent, and answers that nobody reads."""

import asyncio
import resource
import secrets
import socket
import struct
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any, cast

import orjson
import structlog
from aiohttp import EMPTY_PAYLOAD, StreamReader, web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from prometheus_client import Counter

from shared import errors
from shared.addresses import network_of, read_address
from shared.errors import problem
from shared.heads import LINE_BYTES, refusal_of, refusal_of_unreadable

SERVER = "portico"

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_log = structlog.get_logger()
_ended = Counter("portico_connections_ended_total", "Connections that this side ended, by the reason", ["reason"])

_MOST_FILES = 65_536
# A file descriptor of that number means that few are left: the system gives out the lowest free one.
_SCARCE_FILES = 32
# Reserved for everything but connections of the port: the private port, services, database, files.
_FILES_FOR_OTHERS = 600
_TELL_EVERY_S = 60.0
_TAKEN_AT_ONCE_BYTES = 64 * 1024  # of what one connection sends
_BEGINNING = 64  # bytes of a request, for telling who asks
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
_CLOSE_AS_USUAL = struct.pack("ii", 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits for the connections of one port."""

    headers_s: float = 10.0  # from the beginning of a connection, or the first byte of a later request, to its headers
    idle_s: float = 75.0  # between two requests
    unread_s: float = 30.0  # a reader may be this far behind `unread_rate`
    unread_rate: int = 16 * 1024  # bytes a second
    most_unread: int = 32 * 1024 * 1024  # bytes of all answers together that wait for their readers
    most: int | None = None  # connections
    most_of_one: int | None = None  # of one address, or one IPv6 network of 64 bits
    longest_header: int = 8 * 1024  # bytes of one field with its name; all of a request may have twice as many
    # The answer for people, to a request of which only the beginning was read; None where a program is asking.
    page_of: Callable[[errors.Refusal, bytes], web.Response | None] | None = None
    carriers: Sequence[IPv4Network | IPv6Network] = ()  # proxies: their connections carry many clients


def raise_file_limit() -> int:
    """Raises the limit of file descriptors as far as the system allows; returns the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _MOST_FILES if soft == resource.RLIM_INFINITY else soft
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def cut(transport: asyncio.BaseTransport) -> None:
    """Resets a connection. Unsent data is dropped, and the client cannot mistake the reset for the end of an answer."""
    _at_close(transport, _RESET_AT_CLOSE)
    cast("asyncio.WriteTransport", transport).abort()


@contextmanager
def whole_or_cut(request: web.Request) -> Iterator[None]:
    """For an answer that is sent in pieces: when it breaks off, the client can tell that it is not complete.

    Without chunks (HTTP/1.0) only the end of the connection tells where the answer ends. So it ends with a reset
    unless all was sent, even where this process is killed.
    """
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    _at_close(transport, _RESET_AT_CLOSE)
    try:
        yield
    except BaseException:
        transport.abort()
        raise
    _at_close(transport, _CLOSE_AS_USUAL)


def has_left(request: web.BaseRequest) -> bool:
    """Whether the client has closed the connection."""
    return request.transport is None or request.transport.is_closing()


def _at_close(transport: asyncio.BaseTransport, what: bytes) -> None:
    if (its_socket := transport.get_extra_info("socket")) is not None:
        with suppress(OSError):
            its_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, what)


class Port(web.Server):
    """Makes the connections of a port for aiohttp, and accepts no more than the limits allow."""

    def __init__(self, handler: Handler, *, bounds: Bounds, **options: Any) -> None:
        """`options` are aiohttp's."""
        super().__init__(
            _with_a_readable_head(handler),
            keepalive_timeout=bounds.idle_s,
            auto_decompress=False,
            read_bufsize=_TAKEN_AT_ONCE_BYTES // 2,
            max_line_size=LINE_BYTES,
            max_field_size=bounds.longest_header,
            **options,
        )
        self.bounds = bounds
        self._open: dict[Connection, str] = {}
        self._of_one: defaultdict[str, dict[Connection, None]] = defaultdict(dict)
        self._unread: dict[Connection, int] = {}
        self._told_at: dict[str, float] = {}
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._files = _MOST_FILES if limit == resource.RLIM_INFINITY else limit
        room = self._files - min(_FILES_FOR_OTHERS, self._files // 2)
        self._most = room if bounds.most is None else min(bounds.most, room)

    def __call__(self) -> "Connection":
        """A new connection."""
        return Connection(self, loop=self._loop, **self._kwargs)

    def lets_in(self, connection: "Connection", transport: asyncio.BaseTransport) -> bool:
        """False when there is no room, and no connection without a complete request can be ended to make room."""
        one = _one_of(transport, self.bounds.carriers)
        neighbours = self._of_one.get(one, {}) if one else {}
        most_of_one = self.bounds.most_of_one
        if most_of_one is not None and len(neighbours) >= most_of_one and not self._makes_room(neighbours):
            self.note("many_of_one_address", address=one)
            return False
        if len(self._open) >= self._most and not self._makes_room(self._open):
            self.note("many_connections", most=self._most)
            return False
        self._open[connection] = one
        if one:
            self._of_one[one][connection] = None
        its_socket = transport.get_extra_info("socket")
        if its_socket is not None and its_socket.fileno() >= self._files - _SCARCE_FILES:
            self._tell("file_descriptors_scarce", limit=self._files)
        return True

    def forget(self, connection: "Connection") -> None:
        """The connection is closed, and no longer counted."""
        self._unread.pop(connection, None)
        one = self._open.pop(connection, "")
        if one and (neighbours := self._of_one.get(one)) is not None:
            neighbours.pop(connection, None)
            if not neighbours:
                del self._of_one[one]

    def waits(self, connection: "Connection", size: int) -> None:
        """Counts unsent bytes of an answer; above the total limit, ends the connection that waited longest."""
        self._unread[connection] = size
        while len(self._unread) > 1 and sum(self._unread.values()) > self.bounds.most_unread:
            next(iter(self._unread)).end("unread_too_much")

    def goes_on(self, connection: "Connection") -> None:
        """All bytes of the answer were sent."""
        self._unread.pop(connection, None)

    def note(self, reason: str, **what: object) -> None:
        """Counts a connection that this side ends, and logs it at most once a minute."""
        _ended.labels(reason).inc()
        self._tell("connections_ended", reason=reason, **what)

    def _tell(self, event: str, **what: object) -> None:
        about, now = f"{event}.{what.get('reason')}", time.monotonic()
        if now - self._told_at.get(about, -_TELL_EVERY_S) >= _TELL_EVERY_S:
            self._told_at[about] = now
            _log.warning(event, **what)

    @staticmethod
    def _makes_room(among: Iterable["Connection"]) -> bool:
        # Few requests take long to arrive. An attacker's all do.
        ends = next((one for one in among if one.is_idle), None) or next((one for one in among if one.is_sending), None)
        if ends is not None:
            ends.end("gave_way")
        return ends is not None


def _one_of(transport: asyncio.BaseTransport, carriers: Sequence[IPv4Network | IPv6Network]) -> str:
    """The client to count the connection for; empty for a proxy."""
    peer = str((transport.get_extra_info("peername") or ("",))[0])
    address = read_address(peer)
    return "" if address is None or any(address in network for network in carriers) else network_of(peer)


class Connection(RequestHandler):
    """A connection with deadlines: headers have a fixed time, answers must be read at a minimum speed."""

    __slots__ = (
        "_beginning",
        "_body",
        "_head_size",
        "_headers_timer",
        "_patience_s",
        "_paused_at",
        "_paused_size",
        "_port",
        "_reader_timer",
    )

    def __init__(self, port: Port, **options: Any) -> None:
        """`options` are aiohttp's."""
        super().__init__(port, **options)
        self._port = port
        self._patience_s = port.bounds.unread_s
        self._paused_at = 0.0
        self._paused_size = 0
        self._body: StreamReader = EMPTY_PAYLOAD  # of the newest request
        self._beginning = b""
        self._head_size = 0  # of what was read of the next request
        self._headers_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Since the last answer nothing has arrived, or only a part of a request."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def is_sending(self) -> bool:
        """The newest request is not complete yet."""
        return not self._body.is_eof()

    def end(self, reason: str) -> None:
        """Ends the connection at once; unsent data is dropped."""
        self._port.note(reason)
        self._port.forget(self)
        if self.transport is not None:
            cut(self.transport)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuses the connection, or starts its deadline for headers."""
        if not self._port.lets_in(self, transport):
            cut(transport)
            return
        # With a limit of 0, `pause_writing` is called as soon as the system takes no more bytes.
        cast("asyncio.WriteTransport", transport).set_write_buffer_limits(high=0)
        _set_up(transport, self._port.bounds.unread_s)
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stops counting the connection."""
        self._stop_timers()
        self._port.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Starts the deadline with the first byte of a request, and stops it when the headers are complete."""
        if data and self._headers_timer is None and self._body.is_eof():
            self._await_headers()
        before = self._request_count
        if self._body.is_eof():
            if not self._head_size:
                self._beginning = b""
            self._beginning += data[: _BEGINNING - len(self._beginning)]
            self._head_size += len(data)
        super().data_received(data)
        if self._request_count == before:
            if self._head_size > 2 * self._port.bounds.longest_header + LINE_BYTES:
                self.end("headers_too_long")
            return
        self._head_size = 0
        self._body = self._messages[-1][1]
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None

    def _await_headers(self) -> None:
        self._headers_timer = self._loop.call_later(self._port.bounds.headers_s, self._headers_late)

    def _headers_late(self) -> None:
        if self._current_request is None:
            self.end("headers_late")
        else:
            # The previous request is still being answered, so this connection is in use.
            self._await_headers()

    def pause_writing(self) -> None:
        """The client reads too slowly: it has a reserve of time, plus what the unsent bytes take on a slow line."""
        super().pause_writing()
        size = self.transport.get_write_buffer_size() if self.transport is not None else 0
        self._paused_at, self._paused_size = self._loop.time(), size
        within_s = self._patience_s + size / self._port.bounds.unread_rate
        self._reader_timer = self._loop.call_later(within_s, self.end, "unread")
        self._port.waits(self, size)

    def resume_writing(self) -> None:
        """Everything was sent. A client that was slower than the slow line has used up a part of its reserve."""
        super().resume_writing()
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None
        bounds = self._port.bounds
        waited_s = self._loop.time() - self._paused_at
        left_s = self._patience_s - waited_s + self._paused_size / bounds.unread_rate
        self._patience_s = min(bounds.unread_s, left_s)
        self._port.goes_on(self)

    def _stop_timers(self) -> None:
        for timer in (self._headers_timer, self._reader_timer):
            if timer is not None:
                timer.cancel()

    def handle_error(  # aiohttp's message repeats what was sent
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """Answers aiohttp's own errors as a problem that repeats nothing of the request and shows nothing internal."""
        if request.writer.output_size > 0:
            raise ConnectionError
        is_ours = status >= 500  # noqa: PLR2004
        if is_ours:
            _log.error("unhandled", exc_info=exc)
            return _last_answer(errors.Broken())
        return self.refuse(refusal_of_unreadable(exc))

    def refuse(self, refusal: errors.Refusal) -> web.Response:
        """The last answer of this connection: a page for people, a problem for programs."""
        self._port.note("unreadable")
        page = self._port.bounds.page_of(refusal, self._beginning) if self._port.bounds.page_of else None
        return _last_answer(refusal) if page is None else _last(page)


def _with_a_readable_head(handler: Handler) -> Handler:
    """Refuses the others before the routes see them."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        refusal = refusal_of(request)
        return await handler(request) if refusal is None else cast("Connection", request.protocol).refuse(refusal)

    return handle


def _last_answer(refusal: errors.Refusal) -> web.Response:
    request_id = secrets.token_hex(16)
    response = web.Response(
        body=orjson.dumps(problem(refusal) | {"request_id": request_id}),
        status=refusal.status,
        content_type="application/problem+json",
        headers={"X-Request-Id": request_id},
    )
    return _last(response)


def _last(response: web.Response) -> web.Response:
    response.headers.update({"X-Content-Type-Options": "nosniff", "Server": SERVER})
    response.force_close()
    return response


def _set_up(transport: asyncio.BaseTransport, unread_s: float) -> None:
    its_socket = transport.get_extra_info("socket")
    if its_socket is None:
        return
    with suppress(OSError):
        # Otherwise the system buffers megabytes that nobody has asked for yet, and delivers them at once.
        its_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _TAKEN_AT_ONCE_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # The system itself ends a connection whose other side acknowledges nothing any more.
            its_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(unread_s * 1000))
