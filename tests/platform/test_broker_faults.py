"""The bus when the broker dies or freezes.

To start a broker takes long: all tests look at the same kill -9 of the run's own, each for what it had at work.
"""

import asyncio
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from deploy.local.parts import RabbitMQ
from deploy.local.waiting import until
from shared.bus import BrokerUnavailable, Hint, publisher
from tests.contained import ContainedRabbitMQ
from tests.platform.bus_helpers import (
    HINTED,
    RecordingHandler,
    ThingHappened,
    a_thing,
    a_vhost,
    eventually,
    publish_until_confirmed,
    running,
    until_up,
)
from tests.platform.processes import processes_of

_QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}


@dataclass
class Kill:
    """One kill -9 of the broker, and what became of whatever was under way."""

    broker: RabbitMQ | ContainedRabbitMQ
    at_work: asyncio.Barrier = field(default_factory=lambda: asyncio.Barrier(4))
    back: asyncio.Barrier = field(default_factory=lambda: asyncio.Barrier(4))
    left: list[str] = field(default_factory=list)
    confirmed: int = 0
    handled: RecordingHandler = field(default_factory=RecordingHandler)
    hints: list[Hint] = field(default_factory=list)
    back_s: float = 0.0
    interrupted: RecordingHandler = field(default_factory=RecordingHandler)
    kept: bytes = b""

    async def happen(self) -> None:
        """Once all are at work; gone with all its processes, then back."""
        await self.at_work.wait()
        # RabbitMQ 3.10 itself forgets the leader of a quorum queue that was declared less than a second before kill -9.
        await asyncio.sleep(1.5)
        self.broker.kill()
        if isinstance(self.broker, RabbitMQ):
            await self.broker.stop()  # its port mapper, which a kill leaves
            home = Path(self.broker.env["HOME"])

            async def nothing_is_left() -> bool:
                self.left = processes_of(home)
                return not self.left

            await until(nothing_is_left, deadline_s=30.0)  # what was killed may take a moment to be gone
        await self.broker.restart()
        await self.back.wait()

    async def over_publishers(self) -> None:
        """Eight of them publish all the time, one process handles."""
        attempted = 0
        over = asyncio.Event()
        async with (
            a_vhost(self.broker) as url,
            running(url, self.handled.handle, hints_to=self.hints.append) as bus,
        ):

            async def publish_on_and_on() -> None:
                nonlocal attempted
                while not over.is_set():
                    attempted += 1
                    await publish_until_confirmed(bus, a_thing(attempted))
                    self.confirmed += 1

            publishers = [asyncio.create_task(publish_on_and_on()) for _ in range(8)]
            await eventually(lambda: self.confirmed > 200)
            await self.at_work.wait()
            await eventually(lambda: not bus.connected)
            await self.back.wait()
            began, before = time.monotonic(), self.confirmed
            await until_up(bus, deadline_s=10.0)
            await eventually(lambda: self.confirmed > before, deadline_s=10.0)
            self.back_s = time.monotonic() - began
            await eventually(lambda: self.confirmed > before + 200)
            over.set()
            await asyncio.gather(*publishers)
            await eventually(lambda: bus.hears_hints)
            bus.hint(HINTED, 1)
            await eventually(lambda: bool(self.hints))
            await eventually(lambda: len(self.numbers_handled) == self.confirmed)

    async def over_a_handler(self) -> None:
        """It has an event in hand, and would have it for ever."""
        began = asyncio.Event()

        async def hang_at_first(event: ThingHappened) -> None:
            await self.interrupted.handle(event)
            if len(self.interrupted.handled) == 1:
                began.set()
                await asyncio.Event().wait()

        async with a_vhost(self.broker) as url, running(url, hang_at_first) as bus:
            await bus.publish(a_thing(1))
            await began.wait()
            await self.at_work.wait()
            await self.back.wait()
            await eventually(lambda: self.interrupted.times(1) == 2)

    async def over_a_message(self) -> None:
        """It waits in a queue that nobody reads."""
        async with a_vhost(self.broker) as url:
            async with await aio_pika.connect(url) as connection, connection.channel() as channel:
                await channel.declare_queue("kept", durable=True, arguments=_QUORUM)
                message = aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                await channel.default_exchange.publish(message, "kept")
            await self.at_work.wait()
            await self.back.wait()
            async with await aio_pika.connect(url) as connection, connection.channel() as channel:
                queue = await channel.declare_queue("kept", durable=True, arguments=_QUORUM)
                self.kept = (await queue.get(no_ack=True)).body

    @property
    def numbers_handled(self) -> set[int]:
        return {event.number for event in self.handled.handled}


@pytest.fixture(scope="module")
async def kill(rabbitmq: RabbitMQ | ContainedRabbitMQ) -> Kill:
    """It has happened."""
    it = Kill(rabbitmq)
    try:
        async with asyncio.TaskGroup() as tasks:
            for each in (it.happen, it.over_publishers, it.over_a_handler, it.over_a_message):
                tasks.create_task(each())
    except BaseException:
        # Other tests need the broker, whatever went wrong in these.
        await rabbitmq.restart()
        raise
    return it


async def test_a_killed_broker_loses_nothing_and_everybody_is_back_in_time(
    kill: Kill, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kill.numbers_handled == set(range(1, kill.confirmed + 1))
    assert [hint.id for hint in kill.hints] == ["1"]
    doubled = len(kill.handled.handled) - kill.confirmed
    with capsys.disabled():
        sys.stdout.write(
            f" [kill -9: confirmed {kill.confirmed}, lost 0, doubled {doubled}, back after {kill.back_s:.1f} s] "
        )
    assert kill.back_s < 10


async def test_what_is_being_handled_when_the_broker_dies_comes_again(kill: Kill) -> None:
    assert kill.interrupted.times(1) == 2


async def test_a_killed_broker_comes_back_with_its_messages_and_leaves_no_process(kill: Kill) -> None:
    assert kill.kept == b"kept"
    assert kill.left == []


async def test_a_frozen_broker_fails_publishing_in_time_and_thaws(
    rabbitmq: RabbitMQ | ContainedRabbitMQ, fresh_vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle) as bus:
        await bus.publish(a_thing(1))
        assert publisher._PUBLISH_DEADLINE_S == 5  # as `publish` promises; here nobody waits so long
        monkeypatch.setattr(publisher, "_PUBLISH_DEADLINE_S", 1.0)
        rabbitmq.freeze()
        try:
            began = time.monotonic()
            outcomes = await asyncio.gather(*(bus.publish(a_thing(2)) for _ in range(30)), return_exceptions=True)
            assert time.monotonic() - began < 15  # 1 s each, all at once
            assert all(isinstance(outcome, BrokerUnavailable) for outcome in outcomes)
            with pytest.raises(BrokerUnavailable):
                await bus.publish(a_thing(3))
        finally:
            rabbitmq.thaw()
            monkeypatch.undo()
        last = a_thing(4)
        await asyncio.wait_for(publish_until_confirmed(bus, last), timeout=45)
        await eventually(lambda: handler.times(4) >= 1)
