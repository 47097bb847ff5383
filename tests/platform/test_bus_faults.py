"""The bus when processes come and go, or somebody deletes queues; when the broker fails: `test_broker_faults`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from uuid import UUID

import pytest
from aio_pika.abc import AbstractConnection
from pymongo.errors import AutoReconnect

from shared.bus import BrokerUnavailable, Bus, Unroutable
from shared.events.identity import InvitationIssued, SiteChanged
from shared.topology import CASES, EVENTS, NOTIFICATIONS, Topology, WorkQueue
from tests.platform.bus_helpers import (
    ATTEMPTS,
    NEWER,
    QUEUE,
    TOPOLOGY,
    RecordingHandler,
    ThingHappened,
    a_raw_channel,
    a_sample,
    a_thing,
    dead_letters,
    eventually,
    has_consumers,
    running,
    soon,
    until_up,
)

# Starting and stopping


async def test_an_event_published_before_its_consumer_ever_started_arrives(fresh_vhost_url: str) -> None:
    async with running(fresh_vhost_url) as publisher:
        await publisher.publish(a_thing(5))
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle):
        await eventually(lambda: handler.times(5) == 1)


async def test_processes_that_start_at_once_declare_together(fresh_vhost_url: str) -> None:
    buses = [Bus(fresh_vhost_url, app_id=f"tests-{number}", topology=TOPOLOGY) for number in range(5)]
    try:
        await asyncio.gather(*(bus.start() for bus in buses))
        for bus in buses:
            await until_up(bus)
        await asyncio.gather(*(bus.publish(a_thing()) for bus in buses))
    finally:
        await asyncio.gather(*(bus.stop() for bus in buses))


async def test_stopping_ends_also_where_connecting_swallows_the_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def swallows(_url: str, _name: str) -> AsyncIterator[AbstractConnection]:
        """As the library does when the broker goes at that moment."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            raise BrokerUnavailable("The connection was lost.") from error
        yield cast("AbstractConnection", None)

    monkeypatch.setattr("shared.bus.bus.connection_to", swallows)
    bus = Bus("amqp://nobody.invalid/", app_id="tests", topology=TOPOLOGY)
    await bus.start()
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await bus.stop()


async def test_stopping_lets_a_running_handler_finish(fresh_vhost_url: str) -> None:
    began, finish = asyncio.Event(), asyncio.Event()
    done: list[UUID] = []

    async def work(event: ThingHappened) -> None:
        began.set()
        await finish.wait()
        done.append(event.id)

    async with running(fresh_vhost_url, work) as bus:
        await bus.publish(a_thing())
        await began.wait()
        stopping = asyncio.create_task(bus.stop())
        await eventually(lambda: bus.status()["consumers"] == {QUEUE.name: False})
        finish.set()
        await stopping
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle) as bus:
        await bus.publish(a_thing(2))
        await eventually(lambda: handler.times(2) == 1)
    assert len(done) == 1
    assert handler.times(1) == 0


async def test_what_does_not_finish_in_time_is_redelivered_elsewhere(
    fresh_vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.consumer._STOP_GRACE_S", 0.2)
    began = asyncio.Event()

    async def hang(_event: ThingHappened) -> None:
        began.set()
        await asyncio.Event().wait()

    async with running(fresh_vhost_url, hang) as bus:
        await bus.publish(a_thing(9))
        await began.wait()
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle):
        await eventually(lambda: handler.times(9) == 1)


# Damage


async def test_a_deleted_queue_comes_back_with_its_consumer(fresh_vhost_url: str) -> None:
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle) as bus:
        async with a_raw_channel(fresh_vhost_url) as channel:
            await channel.queue_delete(QUEUE.name)

        await soon(lambda: has_consumers(fresh_vhost_url, 1))
        await bus.publish(a_thing(2))
        await eventually(lambda: handler.times(2) == 1)


async def test_a_deleted_queue_of_the_table_comes_back_and_disturbs_no_other(fresh_vhost_url: str) -> None:
    mails: list[UUID] = []
    copies: list[UUID] = []
    began, finish = asyncio.Event(), asyncio.Event()

    async def queue_mail(event: InvitationIssued) -> None:
        mails.append(event.id)

    async def copy_slowly(event: SiteChanged) -> None:
        copies.append(event.id)
        began.set()
        await finish.wait()

    bus = Bus(fresh_vhost_url, app_id="tests")
    bus.consume(NOTIFICATIONS, {InvitationIssued: queue_mail})
    bus.consume(CASES, {SiteChanged: copy_slowly})
    await bus.start()
    try:
        await until_up(bus)
        await bus.publish(a_sample(SiteChanged))
        await began.wait()
        async with a_raw_channel(fresh_vhost_url) as channel:
            await channel.queue_delete(NOTIFICATIONS.name)
        await soon(lambda: has_consumers(fresh_vhost_url, 1, queue=NOTIFICATIONS.name))
        await bus.publish(a_sample(InvitationIssued))
        await eventually(lambda: len(mails) == 1)
        finish.set()
    finally:
        await bus.stop()
    # On the same connection: a new one would have cancelled the other queue's handler, and it would have come again.
    assert len(copies) == 1


async def test_a_deleted_binding_is_loud_and_mended(fresh_vhost_url: str) -> None:
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle) as bus:
        async with a_raw_channel(fresh_vhost_url) as channel:
            await (await channel.get_queue(QUEUE.name)).unbind(EVENTS, ThingHappened.type)
        with pytest.raises(Unroutable):
            await bus.publish(a_thing(1))

        async def mended() -> bool:
            try:
                await bus.publish(a_thing(2))
            except Unroutable:
                return False
            return True

        await soon(mended)
        await eventually(lambda: handler.times(2) == 1)


async def test_a_failed_event_is_held_while_its_retry_queue_is_gone(fresh_vhost_url: str) -> None:
    attempts: list[UUID] = []

    async def fail(event: ThingHappened) -> None:
        attempts.append(event.id)
        raise LookupError

    async with running(fresh_vhost_url, fail) as bus:
        async with a_raw_channel(fresh_vhost_url) as channel:
            await channel.queue_delete(QUEUE.retry_queue(TOPOLOGY.retry_delays_s[0]))
        await bus.publish(a_thing())
        await dead_letters(fresh_vhost_url, 1)
    assert len(attempts) == ATTEMPTS


async def test_nothing_dies_of_a_database_that_is_away_and_no_try_in_that_time_counts(fresh_vhost_url: str) -> None:
    away = 2 * ATTEMPTS
    attempts: list[UUID] = []

    async def fail(event: ThingHappened) -> None:
        attempts.append(event.id)
        raise AutoReconnect if len(attempts) <= away else LookupError

    async with running(fresh_vhost_url, fail) as bus:
        await bus.publish(a_thing())
        [letter] = await dead_letters(fresh_vhost_url, 1)
    assert len(attempts) == away + ATTEMPTS
    assert (letter.headers["attempt"], letter.headers["reason"]) == (ATTEMPTS, "LookupError: ")


async def test_a_retired_binding_is_unbound_at_start(fresh_vhost_url: str) -> None:
    async with running(fresh_vhost_url) as bus:
        await bus.publish(a_thing())
    newer = WorkQueue(QUEUE.name, listens=(NEWER,))
    retired = Topology((newer,), TOPOLOGY.retry_delays_s, retired=((QUEUE.name, ThingHappened.type), ("gone", "x")))
    async with running(fresh_vhost_url, topology=retired) as bus:
        with pytest.raises(Unroutable):
            await bus.publish(a_thing())
        await bus.publish(a_thing(type_=NEWER))


async def test_a_changed_queue_is_refused_and_tried_again_without_a_storm(fresh_vhost_url: str) -> None:
    async with a_raw_channel(fresh_vhost_url) as channel:
        await channel.declare_queue(QUEUE.name, durable=True)
    bus = Bus(fresh_vhost_url, app_id="tests", topology=TOPOLOGY)
    await bus.start()
    try:
        await asyncio.sleep(1)
        assert not bus.connected
        async with a_raw_channel(fresh_vhost_url) as channel:
            await channel.queue_delete(QUEUE.name)
        await until_up(bus)
    finally:
        await bus.stop()
