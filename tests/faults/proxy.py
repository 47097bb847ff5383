"""A TCP proxy in a process of its own: it balances over replicas, and cuts, holds or delays what goes through.

It is told what to do over its standard input, a JSON object a line; it answers each with one, and ends with its input.
"""

import asyncio
import itertools
import json
import socket
import struct
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import uvloop

_CHUNK_BYTES = 64 * 1024
_RESET = struct.pack("ii", 1, 0)
_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(eq=False)
class Connection:
    """A client's connection and the one that goes on from it."""

    client: asyncio.StreamWriter
    upstream: asyncio.StreamWriter
    carries_mail: bool = False  # the next thing that an SMTP server says is its answer to the final dot

    def reset(self) -> None:
        """Both sides learn at once that it is over (RST)."""
        for writer in (self.client, self.upstream):
            _reset(writer)


@dataclass
class Link:
    """One listening port, and the ports behind it that take turns. One that refuses is passed over."""

    port: int
    upstreams: Sequence[int]
    delay_s: float = 0.0
    dots_to_cut: int = 0
    cuts: int = 0  # connections cut behind a final dot so far
    connections: set[Connection] = field(default_factory=set)
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _turns: "itertools.count[int]" = field(default_factory=itertools.count)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        """Takes connections; they are cut in the end."""
        self._open.set()
        async with await asyncio.start_server(self._serve, "127.0.0.1", self.port):
            yield self
            self.cut()

    # The verbs

    def let_pass(self) -> None:
        """All goes through, and what was held goes on."""
        self.delay_s = 0.0
        self._open.set()

    def cut(self) -> None:
        """Resets every connection; new ones pass."""
        for connection in tuple(self.connections):
            connection.reset()

    def blackhole(self) -> None:
        """Connections stay and are taken, but nothing arrives."""
        self._open.clear()

    def delay(self, ms: float) -> None:
        """Everything takes so much longer, each way."""
        self.delay_s = ms / 1000

    def cut_after_final_dot(self, count: int) -> None:
        """The next `count` answers to a whole mail are lost, and their connections with them: the server has the mail.

        Exact, because a client that awaits each answer (no pipelining) has no other one outstanding.
        """
        self.dots_to_cut += count

    def count(self) -> None:
        """Changes nothing."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await self._connect()
        if upstream is None:
            _reset(writer)
            return
        connection = Connection(writer, upstream[1])
        self.connections.add(connection)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, connection, connection.upstream))
                pumps.create_task(self._pump(upstream[0], connection, connection.client))
        except* OSError:
            connection.reset()
        finally:
            self.connections.discard(connection)
            for side in (connection.client, connection.upstream):
                side.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        first = next(self._turns)
        for turn in range(len(self.upstreams)):
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", self.upstreams[(first + turn) % len(self.upstreams)])
        return None

    async def _pump(self, source: asyncio.StreamReader, connection: Connection, to: asyncio.StreamWriter) -> None:
        while True:
            chunk = await source.read(_CHUNK_BYTES)
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self._open.wait()
            is_to_be_cut = to is connection.client and self._is_to_be_cut(connection, chunk)
            if is_to_be_cut or to.transport.is_closing():
                raise ConnectionResetError
            if not chunk:
                to.write_eof()
                return
            to.write(chunk)
            await to.drain()

    def _is_to_be_cut(self, connection: Connection, answer: bytes) -> bool:
        answers_the_dot, connection.carries_mail = connection.carries_mail, answer.startswith(b"354")
        if not answers_the_dot or not self.dots_to_cut or not answer.startswith(b"250"):
            return False
        self.dots_to_cut -= 1
        self.cuts += 1
        return True


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


class ProxyProcess:
    """The proxy's process, from outside. `links` maps names to a port and the ports behind it."""

    def __init__(self, links: Mapping[str, tuple[int, Sequence[int]]]) -> None:
        self._links = links
        self._process: asyncio.subprocess.Process | None = None
        self._speaking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.proxy", json.dumps(self._links)),
            cwd=_REPOSITORY,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        await self.tell(next(iter(self._links)), "count")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()

    async def tell(self, link: str, verb: str, **how: float) -> dict[str, int]:
        """Does it now; says how many connections there are, and how many were cut behind a final dot."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._speaking:
            self._process.stdin.write(json.dumps({"link": link, "verb": verb, "how": how}).encode() + b"\n")
            answer: dict[str, int] = json.loads(await self._process.stdout.readline())
            return answer


async def _run(links: Mapping[str, tuple[int, Sequence[int]]]) -> None:
    opened = {name: Link(port, upstreams) for name, (port, upstreams) in links.items()}
    async with AsyncExitStack() as listening:
        for link in opened.values():
            await listening.enter_async_context(link.listening())
        orders = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        while line := await orders.readline():
            order: dict[str, Any] = json.loads(line)
            link = opened[order["link"]]
            getattr(link, order["verb"])(**order["how"])
            sys.stdout.write(json.dumps({"connections": len(link.connections), "cuts": link.cuts}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_run(json.loads(sys.argv[1])))
