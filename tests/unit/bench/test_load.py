import asyncio
import io
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiosmtplib import SMTP

from tests.bench import load
from tests.bench.load import Load, Plan, Request
from tests.bench.sink import _Conversation
from tests.bench.wire import Connection, request_bytes


class Portal:
    """Creates cases; refuses, stalls or breaks off where it is told to."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.stall_at = self.refuse_at = self.break_at = -1

    async def create(self, request: web.Request) -> web.Response:
        number = len(self.keys)
        self.keys.append(request.headers["Idempotency-Key"])
        assert await request.json() == {"title": "x"}
        if number == self.stall_at:
            time.sleep(0.4)  # noqa: ASYNC251  # nobody else is served either
        if number == self.break_at and request.transport is not None:
            request.transport.abort()
        status = 503 if number == self.refuse_at else 201
        return web.json_response({"number": f"{1_000_000_000 + number}"}, status=status, dumps=_compact)

    async def in_chunks(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"{}")
        return response


def _compact(told: dict[str, str]) -> str:
    return f'{{"number":"{told["number"]}"}}'


@pytest.fixture
async def portal() -> Portal:
    return Portal()


@pytest.fixture
async def server(portal: Portal) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_post("/cases", portal.create)
    app.router.add_get("/chunks", portal.in_chunks)
    started = TestServer(app)
    async with started:
        yield started


async def _loaded(server: TestServer, path: str = "/cases", *, rate: float | None = 200.0) -> Load:
    assert server.port is not None
    headers = {"Host": "localhost", "Content-Type": "application/json"}
    posts = path == "/cases"
    request = Request("POST" if posts else "GET", path, headers, body='{"title": "x"}' if posts else "")
    return await load.run(Plan(server.port, [request], seconds=0.5, rate=rate, seed="s", at_once=8))


async def test_every_answer_is_counted_and_every_post_is_its_own(portal: Portal, server: TestServer) -> None:
    done = await _loaded(server)
    assert done.all_answered
    assert 60 < done.due == len(done.latencies_s) == len(done.created) == len(set(portal.keys)) < 140
    assert 0 < done.cpu_s < 1


async def test_a_slow_server_shows_in_the_ninety_ninth_percentile(portal: Portal, server: TestServer) -> None:
    portal.stall_at = 20
    done = await _loaded(server)
    assert done.all_answered
    assert done.latency_ms(0.99) > 300
    # Some 80 were due while it stalled; asked one by one, a single one would have seen it.
    assert sum(latency > 0.05 for latency in done.latencies_s) > 15


async def test_refusals_and_lost_connections_are_no_answers(portal: Portal, server: TestServer) -> None:
    portal.refuse_at, portal.break_at = 5, 10
    done = await _loaded(server)
    assert done.refused == {"503": 1, "connection lost": 1}
    assert done.due == len(done.latencies_s) + 2
    assert f"{1_000_000_005}" not in done.created


async def test_an_answer_whose_end_cannot_be_told_is_refused(server: TestServer) -> None:
    done = await _loaded(server, "/chunks", rate=40)
    assert done.refused == {"0": done.due}
    assert not done.latencies_s


async def test_an_answer_is_read_whole_in_however_many_pieces_it_comes() -> None:
    async def in_pieces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in (b"HTTP/1.1 200 OK\r\nConte", b"nt-Length: 10\r\n\r", b"\n01234", b"56789"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.close()

    async with await asyncio.start_server(in_pieces, "127.0.0.1", 0) as server:
        connection = await Connection.to("127.0.0.1", server.sockets[0].getsockname()[1])
        reply = await connection.ask(request_bytes("GET", "/", {"Host": "x"}))
        assert (reply.status, reply.body) == (200, b"0123456789")
        connection.close()


async def test_the_sink_notes_each_mail_and_whose_it_is() -> None:
    log, loop = io.StringIO(), asyncio.get_running_loop()
    async with await loop.create_server(lambda: _Conversation(log), "127.0.0.1", 0) as server:
        began = time.monotonic()
        async with SMTP(hostname="127.0.0.1", port=server.sockets[0].getsockname()[1]) as smtp:
            for subject in ("[1000000002] x", "Your code"):
                await smtp.sendmail("a@b.example", ["c@d.example"], f"From: a\r\nSubject: {subject}\r\n\r\n.\r\n..\r\n")
            await smtp.noop()
    (at, number), (later, none) = (line.split() for line in log.getvalue().splitlines())
    assert (number, none) == ("1000000002", "-")
    assert began < float(at) <= float(later) < time.monotonic()
