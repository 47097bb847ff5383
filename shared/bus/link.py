"""Connections and channels that are opened, watched and closed within deadlines, and what is declared over them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.connection import make_url

from shared.bus.errors import BrokerUnavailable
from shared.topology import DEAD, EVENTS, LIVE, Topology

_HEARTBEAT_S = 20
_CONNECT_DEADLINE_S = 10.0
_DECLARE_DEADLINE_S = 30.0
OPEN_DEADLINE_S = 10.0
CLOSE_DEADLINE_S = 5.0


@asynccontextmanager
async def connection_to(url: str, name: str) -> AsyncIterator[AbstractConnection]:
    # Not `aio_pika.connect`: when that fails, the half-made connection is closed by nobody.
    connection = aio_pika.Connection(make_url(url, heartbeat=_HEARTBEAT_S), client_properties={"connection_name": name})
    try:
        async with asyncio.timeout(_CONNECT_DEADLINE_S):
            await connection.connect()
        yield connection
    finally:
        await _close_in_time(connection.close())


@asynccontextmanager
async def channel_of(connection: AbstractConnection, *, confirms: bool) -> AsyncIterator[AbstractChannel]:
    channel = connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
    with no_foreign_cancellation():
        async with asyncio.timeout(OPEN_DEADLINE_S):
            await channel.initialize()
    try:
        yield channel
    finally:
        await _close_in_time(channel.close())


async def _close_in_time(closing: Awaitable[None]) -> None:
    with suppress(Exception), no_foreign_cancellation():
        async with asyncio.timeout(CLOSE_DEADLINE_S):
            await closing


async def while_up(connection: AbstractConnection, *work: Coroutine[None, None, None]) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_until_lost(connection))
        for each in work:
            tasks.create_task(_with_no_foreign_cancellation(each))


async def _until_lost(connection: AbstractConnection) -> None:
    lost = asyncio.Event()
    connection.close_callbacks.add(lambda *_: lost.set())
    if connection.connected.is_set():
        await lost.wait()
    raise BrokerUnavailable("The connection was lost.")


@contextmanager
def no_foreign_cancellation() -> Iterator[None]:
    """The library cancels whoever waits on a channel that closes; taken for our own, that would end a loop unseen."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BrokerUnavailable("Cancelled from within.") from error


async def _with_no_foreign_cancellation(work: Coroutine[None, None, None]) -> None:
    with no_foreign_cancellation():
        await work


async def declare(connection: AbstractConnection, topology: Topology) -> None:
    async with asyncio.timeout(_DECLARE_DEADLINE_S), channel_of(connection, confirms=False) as channel:
        for exchange in (EVENTS, DEAD, LIVE):
            await channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, durable=True)
        queues = {
            queue.name: await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
            for queue in topology.declared()
        }
        for binding in topology.bound():
            await queues[binding.queue].bind(binding.exchange, binding.key)
        for binding in topology.unbound():
            await (await channel.get_queue(binding.queue, ensure=False)).unbind(binding.exchange, binding.key)
