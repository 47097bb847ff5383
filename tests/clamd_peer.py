"""A server that speaks clamd's INSTREAM as strictly as clamd does, and knows one virus: the EICAR test file."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from deploy.local.child import free_port

# In two halves, so that no scanner takes this file for infected.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@dataclass
class ClamdPeer:
    """`answers` replaces the verdict; `holding` keeps it back until it is cleared."""

    max_stream_bytes: int = 25 * 1024 * 1024
    answers: bytes | None = None
    holding: asyncio.Event = field(default_factory=asyncio.Event)
    scanned: list[bytes] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    asked: int = 0
    port: int = field(default_factory=free_port)  # while it is stopped, nobody's outgoing connection takes it
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """At a port of its own, each time."""
        self.holding.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        with suppress(ConnectionError):
            answer = await self._answer(reader)
            await self.holding.wait()
            writer.write(answer + b"\0")
            await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            command = await reader.readuntil(b"\0")
            if command != b"zINSTREAM\0":
                self.errors.append(f"not a command: {command!r}")
                return b"UNKNOWN COMMAND"
            content = await self._stream(reader)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            self.errors.append(f"cut off: {error}")
            return b"INSTREAM: Command read timed out. ERROR"
        if content is None:
            return b"INSTREAM size limit exceeded. ERROR"
        self.scanned.append(content)
        if self.answers is not None:
            return self.answers
        return b"stream: Win.Test.EICAR_HDB-1 FOUND" if EICAR in content else b"stream: OK"

    async def _stream(self, reader: asyncio.StreamReader) -> bytes | None:
        content = b""
        while length := int.from_bytes(await reader.readexactly(4), "big"):
            if len(content) + length > self.max_stream_bytes:
                return None
            content += await reader.readexactly(length)
        return content
