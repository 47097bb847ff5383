"""A test event, its queue, a handler that records, and ways to wait for what happens on the bus."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import aio_pika
import aiohttp
from aio_pika.abc import AbstractIncomingMessage

from deploy.local.parts import RabbitMQ
from deploy.local.waiting import until
from shared.bus import BrokerUnavailable, Bus, Envelope, Handler, Hint, Many, Subscriptions
from shared.events.base import Event
from shared.logging import Origin, origin
from shared.mongo import Database, Driver, connect
from shared.topology import EVENTS, Topology, WorkQueue
from tests.contained import ContainedRabbitMQ


class ThingHappened(Event):
    """The event of these tests."""

    type: ClassVar[str] = "tests.thing.happened.v1"
    number: int


HINTED = "tests.thing.changed"
NEWER = "tests.thing.happened.v2"
QUEUE = WorkQueue("tests.things.v1", listens=(ThingHappened.type, NEWER))
TOPOLOGY = Topology(queues=(QUEUE,), retry_delays_s=(0.1, 0.2))
ATTEMPTS = 3


@dataclass
class RecordingHandler:
    """Remembers the events that it was given, and from where each came."""

    handled: list[ThingHappened] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)

    async def handle(self, event: ThingHappened) -> None:
        self.handled.append(event)
        self.origins.append(origin.get())

    def times(self, number: int) -> int:
        return sum(event.number == number for event in self.handled)


@asynccontextmanager
async def a_database(mongo_url: str, driver: Driver) -> AsyncIterator[Database]:
    """An empty database, dropped afterwards."""
    database = connect(mongo_url, f"test_{uuid4().hex}", driver)
    yield database
    await database.drop()
    await database.close()


@asynccontextmanager
async def a_vhost(broker: RabbitMQ | ContainedRabbitMQ) -> AsyncIterator[str]:
    """The URL of an empty virtual host, dropped afterwards."""
    name = f"test-{uuid4().hex}"
    address = f"{broker.management_url}/api/vhosts/{name}"
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        await http.put(address, json={})
    try:
        yield f"{broker.url}{name}"
    finally:
        async with aiohttp.ClientSession(raise_for_status=True) as http:
            await http.delete(address)


@asynccontextmanager
async def running(
    url: str,
    handler: Handler | Many | None = None,
    *,
    topology: Topology = TOPOLOGY,
    deadline_s: float = 30.0,
    hints_to: Callable[[Hint], None] | None = None,
) -> AsyncIterator[Bus]:
    """A process's bus, connected; with a handler it consumes, with `hints_to` it listens to hints too."""
    bus = Bus(url, app_id="tests", topology=topology, handler_deadline_s=deadline_s)
    if handler:
        subscriptions: Subscriptions = {ThingHappened: handler}
        bus.consume(topology.queues[0], subscriptions)
    if hints_to:
        bus.listen((HINTED,), hints_to)
    await bus.start()
    try:
        await until_up(bus)
        yield bus
    finally:
        await bus.stop()


async def until_up(bus: Bus, *, deadline_s: float = 30.0) -> None:
    """Connected, and every consumer attached."""

    def is_up() -> bool:
        consumers = bus.status()["consumers"]
        assert isinstance(consumers, dict)
        return bus.connected and all(consumers.values()) and bus.hears_hints

    await eventually(is_up, deadline_s=deadline_s)


def a_thing(number: int = 1, *, type_: str = ThingHappened.type, body: bytes | None = None) -> Envelope:
    """An event on its way; with `body`, one that is not what it says."""
    event = ThingHappened(number=number, at=datetime.now(UTC))
    return Envelope(
        id=event.id, type=type_, body=event.model_dump_json().encode() if body is None else body, at=event.at
    )


def a_sample(event: type[Event]) -> Envelope:
    """A real event on its way, as it was once published."""
    body = (Path(__file__).parents[1] / "published" / f"{event.type}.sample.json").read_bytes()
    said = event.model_validate_json(body)
    return Envelope(id=said.id, type=event.type, body=body, at=said.at)


async def eventually(condition: Callable[[], bool], *, deadline_s: float = 45.0) -> None:
    """Waits for it; fails when the deadline passes first."""

    async def holds() -> bool:
        return condition()

    await soon(holds, deadline_s=deadline_s)


async def soon(condition: Callable[[], Awaitable[bool]], *, deadline_s: float = 45.0) -> None:
    """Waits for it; fails when the deadline passes first."""
    assert await until(condition, deadline_s=deadline_s, pause_s=0.02), "it did not come true in time"


async def publish_until_confirmed(bus: Bus, envelope: Envelope) -> None:
    """As the relay does."""
    while True:
        try:
            await bus.publish(envelope)
        except BrokerUnavailable:
            await asyncio.sleep(0.05)
        else:
            return


@asynccontextmanager
async def a_raw_channel(url: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        yield channel


async def dead_letters(url: str, count: int, *, deadline_s: float = 45.0) -> list[AbstractIncomingMessage]:
    """Waits until so many are dead, and takes them out."""
    return await taken_out(url, QUEUE.dead_queue, count, deadline_s=deadline_s)


async def taken_out(url: str, queue: str, count: int, *, deadline_s: float = 45.0) -> list[AbstractIncomingMessage]:
    """Waits until so many messages are in a queue that nobody consumes, and takes them out."""
    async with a_raw_channel(url) as channel:
        found = await channel.declare_queue(queue, passive=True)

        async def there() -> bool:
            return (await found.declare()).message_count == count

        await soon(there, deadline_s=deadline_s)
        return [await found.get(no_ack=True) for _ in range(count)]


async def put_by_hand(url: str, message: aio_pika.Message, *, key: str = ThingHappened.type) -> None:
    async with a_raw_channel(url) as channel:
        exchange = await channel.get_exchange(EVENTS, ensure=False)
        await exchange.publish(message, key)


async def has_consumers(url: str, count: int, *, queue: str = QUEUE.name) -> bool:
    """Whether the broker knows of so many on the work queue; not while there is no queue."""
    async with a_raw_channel(url) as channel:
        try:
            found = await channel.declare_queue(queue, passive=True)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return False
        return found.declaration_result.consumer_count == count
