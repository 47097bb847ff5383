"""The proxy of the fault runs does to a connection what it is told to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import aiosmtplib
import pytest

from deploy.local.child import free_port
from tests.faults.proxy import Link, ProxyProcess
from tests.scripted_smtp import ScriptedSmtp


@asynccontextmanager
async def an_echo(greeting: bytes) -> AsyncIterator[int]:
    """A server that greets, then says what it hears; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while chunk := await reader.read(1000):
            writer.write(chunk)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """Before two servers, `a` and `b`."""
    async with an_echo(b"a") as first, an_echo(b"b") as second, Link(free_port(), [first, second]).listening() as link:
        yield link


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection, and what the server greeted with."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield await reader.readexactly(1), reader, writer
    finally:
        writer.close()


async def greetings(link: Link, count: int) -> list[bytes]:
    found = []
    for _ in range(count):
        async with connected(link.port) as (greeting, _reader, _writer):
            found.append(greeting)
    return found


async def test_connections_take_turns_and_pass_over_a_server_that_refuses(link: Link) -> None:
    assert await greetings(link, 4) == [b"a", b"b", b"a", b"b"]
    link.upstreams = [free_port(), link.upstreams[1]]
    assert await greetings(link, 2) == [b"b", b"b"]


async def test_bytes_pass_both_ways_and_so_does_the_end_of_one_of_them(link: Link) -> None:
    async with connected(link.port) as (_, reader, writer):
        writer.write(b"hello" * 100_000)
        writer.write_eof()
        assert await reader.read() == b"hello" * 100_000


async def test_a_cut_resets_the_connections_that_are_there_and_no_other(link: Link) -> None:
    async with connected(link.port) as (_, reader, _writer):
        link.cut()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
    async with connected(link.port) as (_, reader, writer):
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"


async def test_in_a_blackhole_nothing_arrives_until_all_passes_again(link: Link) -> None:
    async with connected(link.port) as (_, reader, writer):
        link.blackhole()
        writer.write(b"late")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), timeout=0.1)
        link.let_pass()
        assert await reader.readexactly(4) == b"late"


async def test_a_delay_counts_each_way(link: Link) -> None:
    async with connected(link.port) as (_, reader, writer):
        link.delay(100)
        began = monotonic()
        writer.write(b"x")
        await reader.readexactly(1)
        assert 0.2 <= monotonic() - began < 10


async def test_the_server_has_the_mail_whose_answer_is_cut(smtp_server: ScriptedSmtp) -> None:
    async with Link(free_port(), [smtp_server.port]).listening() as link:
        link.cut_after_final_dot(1)
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=link.port, timeout=30)
        await client.connect()
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await client.sendmail("ana@example.com", ["luc@example.com"], b"Subject: 1\r\n\r\nHello.\r\n")
        await smtp_server.wait_for("luc@example.com", count=1)
        await client.connect()
        await client.sendmail("ana@example.com", ["luc@example.com"], b"Subject: 2\r\n\r\nHello.\r\n")
        await client.quit()
    assert [mail.subject for mail in smtp_server.to("luc@example.com")] == ["1", "2"]
    assert (link.cuts, link.dots_to_cut) == (1, 0)


async def test_a_proxy_in_its_own_process_takes_orders() -> None:
    port = free_port()
    async with (
        an_echo(b"a") as upstream,
        ProxyProcess({"echo": (port, [upstream])}) as proxy,
        connected(port) as (_, reader, _writer),
    ):
        assert (await proxy.tell("echo", "count"))["connections"] == 1
        assert (await proxy.tell("echo", "cut"))["cuts"] == 0
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
