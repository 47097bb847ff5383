"""Speaks to clamd: INSTREAM, one connection per file (https://docs.clamav.net/manual/Usage/Scanning.html#clamd)."""

import asyncio
import re
from contextlib import suppress

_CONNECT_WITHIN_S = 3.0
_ANSWER_WITHIN_S = 30.0
_CHUNK_BYTES = 64 * 1024
_MAX_ANSWER_BYTES = 4096
_ANSWER = re.compile(r"stream: (?:(?P<virus>\S.*) FOUND|OK)")


class NoVerdict(Exception):
    """The scanner is away, or did not say whether the file is clean."""


class Clamd:
    """One virus scanner, by address."""

    def __init__(self, host: str, port: int) -> None:
        """Connects for each file."""
        self._host = host
        self._port = port

    async def scan(self, content: bytes) -> str | None:
        """The name of the virus, None for a clean file; NoVerdict for any other answer, and for none."""
        try:
            async with asyncio.timeout(_CONNECT_WITHIN_S):
                reader, writer = await asyncio.open_connection(self._host, self._port, limit=_MAX_ANSWER_BYTES)
            try:
                async with asyncio.timeout(_ANSWER_WITHIN_S):
                    return _verdict(await _ask(reader, writer, content))
            finally:
                writer.close()
        except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError) as error:
            raise NoVerdict(type(error).__name__) from error


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, content: bytes) -> str:
    # clamd says what is wrong, and closes, while we still send: what it said counts, not that we could not go on.
    with suppress(ConnectionError):
        writer.write(b"zINSTREAM\0")
        for start in range(0, len(content), _CHUNK_BYTES):
            chunk = content[start : start + _CHUNK_BYTES]
            writer.write(len(chunk).to_bytes(4, "big") + chunk)
            await writer.drain()
        writer.write((0).to_bytes(4, "big"))
        await writer.drain()
    answer = await reader.readuntil(b"\0")
    return answer[:-1].decode(errors="replace").strip()


def _verdict(answer: str) -> str | None:
    match = _ANSWER.fullmatch(answer)
    if match is None:
        # Never clean: "INSTREAM size limit exceeded. ERROR", or whatever a later version says.
        raise NoVerdict(answer[:200])
    return match["virus"]
