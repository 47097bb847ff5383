"""HTTP/1.1 with as little work as possible: the load must not cost more than what it loads."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_UNREADABLE = 0
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and a whole body."""

    status: int
    body: bytes


def request_bytes(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """One kept-alive connection with one request at a time; every answer must tell its length."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Reply] | None = None

    @classmethod
    async def to(cls, host: str, port: int) -> Self:
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    @property
    def usable(self) -> bool:
        """Open, and with no answer still to come."""
        return self._transport is not None and not self._transport.is_closing() and self._waiting is None

    async def ask(self, request: bytes) -> Reply:
        """The answer; ConnectionError when the connection ends before it came."""
        if not self.usable or self._transport is None:
            raise ConnectionError
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        reply = await self._waiting
        self._waiting = None
        return reply

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        reply = _read(self._received)
        if reply is not None and self._waiting is not None and not self._waiting.done():
            self._received.clear()
            self._waiting.set_result(reply)
            if reply.status == _UNREADABLE:
                self.close()

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError())


def _read(received: bytearray) -> Reply | None:
    """The answer, once it is there as a whole."""
    head_ends = received.find(_END_OF_HEAD)
    if head_ends < 0:
        return None
    status = int(received[9:12])
    length = _LENGTH.search(received, 0, head_ends)
    if length is None:
        # Nothing that is measured is sent in chunks: where this ends cannot be told, so it counts as a refusal.
        return Reply(_UNREADABLE, b"")
    body_begins = head_ends + len(_END_OF_HEAD)
    body_ends = body_begins + int(length[1])
    return None if len(received) < body_ends else Reply(status, bytes(received[body_begins:body_ends]))
