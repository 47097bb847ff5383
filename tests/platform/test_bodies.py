"""Bodies: as long as their route takes, no more fields than a person fills, and all together no more than fits."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, ClassVar

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import Field

from deploy.local.waiting import until
from shared import bodies, errors
from shared.bodies import BODY_MEMORY, MOST_BODY_BYTES, BodyMemory, HeldBody
from shared.schemas.base import Request, Short
from shared.web.app import create_app
from shared.web.headers import CLIENT_HEADER
from shared.web.requests import read_body
from shared.web.responses import answer
from tests.worst import JSON_BOMBS

Client = TestClient[web.Request, web.Application]
_JSON = {"Content-Type": "application/json"}
_READERS: list[str] = []


class Note(Request):
    """A small body."""

    max_body_bytes: ClassVar[int] = 16 * 1024

    name: Short = ""


class Notes(Request):
    """A large one."""

    max_body_bytes: ClassVar[int] = 512 * 1024

    names: Annotated[list[Short], Field(max_length=5000)] = Field(default_factory=list)

    def model_post_init(self, _context: object) -> None:
        """Who reads it."""
        _READERS.append(threading.current_thread().name)


async def take_note(request: web.Request) -> web.Response:
    await read_body(request, Note)
    return answer({"held": request.app[BODY_MEMORY].held})


async def take_notes(request: web.Request) -> web.Response:
    notes = await read_body(request, Notes)
    return answer({"count": len(notes.names), "held": request.app[BODY_MEMORY].held})


async def read_again(request: web.Request) -> web.Response:
    for _ in range(2):
        try:
            body = await bodies.read_bytes(request, at_most=10)
        except errors.Refusal:
            body = b"refused"
    return answer({"second": body.decode()})


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    app = create_app()
    app.router.add_post("/note", take_note)
    app.router.add_post("/notes", take_notes)
    app.router.add_post("/again", read_again)
    async with TestClient(TestServer(app)) as it:
        yield it


async def _answer(client: Client, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    async with client.post(path, data=body, headers=_JSON) as response:
        return response.status, json.loads(await response.read())


def _memory(client: Client) -> BodyMemory:
    app = client.app
    assert app is not None
    return app[BODY_MEMORY]


def _held(client: Client) -> int:
    return _memory(client).held


async def test_each_route_has_a_limit_of_its_own_and_says_it(client: Client) -> None:
    long = json.dumps({"name": "x" * 17_000}).encode()
    status, told = await _answer(client, "/note", long)
    assert (status, told["detail"]) == (413, "At most 16384 bytes are accepted here.")
    assert (await _answer(client, "/notes", json.dumps({"names": ["x"] * 4000}).encode()))[0] == 200
    status, told = await _answer(client, "/notes", b" " * 600_000)
    assert (status, told["detail"]) == (413, "At most 524288 bytes are accepted here.")


async def test_a_body_that_says_that_it_is_too_long_is_refused_before_it_comes(client: Client) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    try:
        head = "POST /note HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 17000\r\n\r\n"
        writer.write(head.encode())
        async with asyncio.timeout(30):
            assert b" 413 " in await reader.readline()
    finally:
        writer.close()


async def test_a_chunked_body_is_refused_where_it_passes_the_limit(client: Client) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 * 1024 * 1024:
            sent += 1024
            yield b"x" * 1024

    assert (await _answer(client, "/note", endless()))[0] == 413
    assert sent < 16 * 1024 * 1024


async def test_a_body_that_comes_with_its_head_is_bounded_and_held_like_any_other(client: Client) -> None:
    assert await _sent_at_once(client, "/note", 'f\r\n{"name": "Ana"}\r\n') == {"held": 15}
    assert _held(client) == 0
    assert await _sent_at_once(client, "/again", "a\r\n0123456789\r\n") == {"second": "0123456789"}
    assert await _sent_at_once(client, "/again", "b\r\n0123456789x\r\n") == {"second": "refused"}


async def _sent_at_once(client: Client, path: str, chunk: str) -> Any:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    try:
        writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n".encode())
        async with asyncio.timeout(30):
            return json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
    finally:
        writer.close()


async def test_who_asks_again_for_a_refused_body_does_not_get_its_rest(client: Client) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        yield b"x" * 11
        yield b"the rest"

    assert await _answer(client, "/again", in_pieces()) == (200, {"second": "refused"})


async def test_all_bodies_together_have_a_limit_and_who_comes_too_late_is_asked_to_wait(client: Client) -> None:
    others = [HeldBody(f"somebody {n}") for n in range(MOST_BODY_BYTES // 16_000)]
    for other in others:  # they have come, and are being worked on
        _memory(client).take(other, 16_000)
    before = _held(client)
    room = MOST_BODY_BYTES - before
    assert (await _answer(client, "/note", b" " * (room - 2) + b"{}")) == (200, {"held": MOST_BODY_BYTES})
    async with client.post("/note", data=b" " * (room - 1) + b"{}", headers=_JSON) as response:
        told = json.loads(await response.read())
        assert (response.status, told["code"], response.headers["Retry-After"]) == (503, "too_busy", "2")
    for other in others:
        _memory(client).release(other)
    assert await until(lambda: _is(_held(client) == 0), deadline_s=45)


async def test_what_is_done_with_large_bodies_leaves_room_for_small_ones(client: Client) -> None:
    _memory(client).take(HeldBody("somebody"), MOST_BODY_BYTES * 7 // 8)
    assert (await _answer(client, "/notes", b" " * 17_000 + b"{}"))[0] == 503
    assert (await _answer(client, "/note", b" " * 16_000 + b"{}"))[0] == 200
    with pytest.raises(bodies.TooManyBodies):
        _memory(client).take(HeldBody("somebody else"), 17_000)


async def _is(so: bool) -> bool:  # noqa: FBT001  # what `until` asks for
    return so


class Half:
    """A body whose end does not come before `finish`, over a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def finish(self) -> int:
        self.writer.write(b"{}")
        return await self.status()

    async def status(self) -> int:
        """Of the answer."""
        async with asyncio.timeout(45):
            return int((await self._reader.readline()).split()[1])


Send = Callable[[str, int], Awaitable[Half]]


@pytest.fixture
async def send(client: Client) -> AsyncIterator[Send]:
    """Sends the first so many bytes of a body from a network."""
    halves: list[Half] = []

    async def begin(address: str, size: int) -> Half:
        half = Half(*await asyncio.open_connection(client.host, client.port))
        halves.append(half)
        head = f"POST /notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {size + 2}\r\n"
        half.writer.write(f"{head}{CLIENT_HEADER}: {address}\r\n\r\n".encode() + b" " * size)
        return half

    yield begin
    for half in halves:
        half.writer.close()


async def _holds(client: Client, size: int) -> bool:
    return await until(lambda: _is(_held(client) == size), deadline_s=45)


async def test_where_there_is_no_room_the_oldest_half_body_of_whoever_holds_most_gives_way(
    client: Client, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_memory(client), "_most", 32_000)
    neighbour = await send("203.0.113.8", 6_000)
    assert await _holds(client, 6_000)
    many = []
    for number in range(3):
        many.append(await send("203.0.113.7", 7_000))
        assert await _holds(client, 6_000 + 7_000 * (number + 1))
    assert (await _answer(client, "/note", b" " * 9_998 + b"{}")) == (200, {"held": 6_000 + 14_000 + 10_000})
    assert await many[0].status() == 503
    assert await _holds(client, 20_000)
    # Whoever holds most is served too, in place of what they began before.
    newest = await send("203.0.113.7", 13_000)
    assert await many[1].status() == 503
    assert await _holds(client, 6_000 + 7_000 + 13_000)
    assert [await half.finish() for half in (many[2], newest, neighbour)] == [200, 200, 200]
    assert await _holds(client, 0)
    assert not _memory(client)._of_one  # nothing is remembered of anybody


async def test_nobody_gives_way_to_whoever_would_hold_more(
    client: Client, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_memory(client), "_most", 32_000)
    neighbour = await send("203.0.113.8", 6_000)
    assert await _holds(client, 6_000)
    in_work = HeldBody("203.0.113.7")
    _memory(client).take(in_work, 16_000)
    assert await (await send("203.0.113.7", 12_000)).status() == 503
    assert await neighbour.finish() == 200
    _memory(client).release(in_work)
    assert await _holds(client, 0)


async def test_a_caller_who_leaves_holds_nothing(client: Client, send: Send) -> None:
    half = await send("203.0.113.7", 5000)
    assert await _holds(client, 5000)
    half.writer.close()
    assert await _holds(client, 0)
    assert not _memory(client)._of_one


async def test_a_long_body_is_read_in_a_thread_and_a_short_one_at_once(client: Client) -> None:
    _READERS.clear()
    await _answer(client, "/notes", b"{}")
    await _answer(client, "/notes", b" " * 70_000 + b"{}")
    assert _READERS[0] == threading.main_thread().name
    assert _READERS[1] != threading.main_thread().name


@pytest.mark.parametrize("bomb", ["unknown fields", "one unknown field many times", "fields in a field", "pins"])
async def test_of_too_many_fields_none_is_looked_at(client: Client, bomb: str) -> None:
    _READERS.clear()
    for size in (15_000, 500_000):
        status, told = await _answer(client, "/notes", JSON_BOMBS[bomb](size))
        assert (status, [error["code"] for error in told["errors"]]) == (422, ["too_many_errors"])
    assert _READERS == []


@pytest.mark.parametrize("bomb", ["items", "empty lists", "lists in lists", "objects in objects", "never closed"])
async def test_of_too_many_items_and_lists_none_is_made(client: Client, bomb: str) -> None:
    _READERS.clear()
    status, told = await _answer(client, "/notes", JSON_BOMBS[bomb](500_000))
    assert (status, [error["code"] for error in told["errors"]]) == (422, ["too_many_errors"])
    assert _READERS == []


async def test_what_stands_in_a_text_is_not_counted(client: Client) -> None:
    text = '{"a": [1, 2], \\"b\\": {}}, ' * 4
    status, told = await _answer(client, "/notes", json.dumps({"names": [text[:100]] * 4000}).encode())
    assert (status, told["count"]) == (200, 4000)


@pytest.mark.parametrize("bomb", ["lists in lists", "objects in objects", "never closed", "quotes", "no UTF-8"])
async def test_what_is_no_json_is_malformed(client: Client, bomb: str) -> None:
    for size in (1_500, 2_500):
        assert (await _answer(client, "/notes", JSON_BOMBS[bomb](size)))[1]["code"] == "malformed"
