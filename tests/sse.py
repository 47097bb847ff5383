"""Reading server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from aiohttp.test_utils import TestClient

from tests.builders import Json

_WITHIN_S = 20.0


class Events:
    """A stream that is open."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self, within_s: float = _WITHIN_S) -> Json:
        """The next event; comments are passed over."""
        name = ""
        async with asyncio.timeout(within_s):
            while line := await self.response.content.readline():
                field, _, value = line.rstrip(b"\n").partition(b": ")
                if field == b"event":
                    name = value.decode()
                elif field == b"data":
                    event: Json = orjson.loads(value)
                    assert event["kind"] == name
                    return event
        raise EOFError

    async def line(self, within_s: float = _WITHIN_S) -> bytes:
        """The next line, whatever it is."""
        async with asyncio.timeout(within_s):
            return await self.response.content.readline()

    async def rest(self, within_s: float = _WITHIN_S) -> bytes:
        """What comes until the other side ends it."""
        async with asyncio.timeout(within_s):
            return await self.response.content.read()


@asynccontextmanager
async def following(
    client: TestClient[Any, Any] | aiohttp.ClientSession,
    path: str,
    headers: Mapping[str, str],
    **query: str,
) -> AsyncIterator[Events]:
    """A stream from its first event on: what happens after this is told."""
    async with client.get(path, headers=headers, params=query) as response:
        assert response.status == 200, await response.text()
        events = Events(response)
        assert await events.next() == {"kind": "open"}
        yield events
