"""Sending states again: everything, a page at a time, at the pace of the listeners, with no trace at the sender."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from shared import republish
from shared.bus import Bus
from shared.documents import Documents
from shared.events.base import Event, State
from shared.mongo import Database
from shared.settings import ToolSettings, read
from shared.topology import Topology, WorkQueue
from tests.builders import MONGO_DRIVER, UNREACHABLE_BROKER
from tests.platform.bus_helpers import a_database, a_raw_channel, eventually, running, soon


class ThingChanged(State):
    """What others copy of a thing."""

    type: ClassVar[str] = "tests.thing.changed.v1"
    thing_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """Something with a state; a private one is nobody's business."""

    id: UUID
    version: int = 1
    private: bool = False
    deleted: bool = False
    events: tuple[Event, ...] = ()

    def changed_event(self, *, version: int, now: datetime) -> ThingChanged | None:
        if self.private:
            return None
        return ThingChanged(at=now, version=version, deleted=self.deleted, thing_id=self.id)


THINGS = Documents("things", Thing)
QUEUE = WorkQueue("tests.copies.v1", listens=(ThingChanged.type,))
TOPOLOGY = Topology(queues=(QUEUE,), retry_delays_s=(0.1,))


@pytest.fixture
async def db(mongo_url: str) -> AsyncIterator[Database]:
    async with a_database(mongo_url, MONGO_DRIVER) as database:
        yield database


async def _things(db: Database, count: int, *, private: bool = False, deleted: bool = False) -> list[Thing]:
    return [await THINGS.insert(db, Thing(id=uuid7(), private=private, deleted=deleted)) for _ in range(count)]


async def _heard_of(url: str, count: int) -> list[ThingChanged]:
    """Takes so many states out of the queue."""
    async with a_raw_channel(url) as channel:
        queue = await channel.declare_queue(QUEUE.name, passive=True)

        async def there() -> bool:
            return (await queue.declare()).message_count == count

        await soon(there)
        messages = [await queue.get(no_ack=True) for _ in range(count)]
        assert (await queue.declare()).message_count == 0
    return [ThingChanged.model_validate_json(message.body) for message in messages]


async def test_every_state_is_sent_once_tombstones_too_and_nothing_private(
    db: Database, fresh_vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(republish, "PAGE", 3)
    things, [gone] = await _things(db, 7), await _things(db, 1, deleted=True)
    await _things(db, 2, private=True)
    told: list[str] = []
    async with running(fresh_vhost_url, topology=TOPOLOGY) as bus:
        assert await republish.republish(db, bus, "things", THINGS, tell=told.append) == 8
    heard = await _heard_of(fresh_vhost_url, 8)
    assert {state.thing_id for state in heard} == {thing.id for thing in (*things, gone)}
    assert [state.thing_id for state in heard if state.deleted] == [gone.id]
    assert told[-1] == "things: 8 sent."


async def test_the_documents_and_the_audit_log_stay_as_they_were(db: Database, fresh_vhost_url: str) -> None:
    await _things(db, 3)
    before = await db["things"].find().to_list(None)
    async with running(fresh_vhost_url, topology=TOPOLOGY) as bus:
        await republish.republish(db, bus, "things", THINGS, tell=lambda _: None)
    assert await db["things"].find().to_list(None) == before
    assert await db["audit"].count_documents({}) == 0


async def test_it_waits_while_its_listeners_are_behind(
    db: Database, fresh_vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(republish, "PAGE", 5)
    monkeypatch.setattr(republish, "WAITING_AT_MOST", 5)
    monkeypatch.setattr(republish, "_TELL_EVERY_S", 0.0)
    await _things(db, 20)
    told: list[str] = []
    async with running(fresh_vhost_url, topology=TOPOLOGY) as bus:
        sending = asyncio.create_task(republish.republish(db, bus, "things", THINGS, tell=told.append))
        await eventually(lambda: f"Waiting for {QUEUE.name} (5 messages)." in told)
        assert not sending.done()
        assert sum(await _take_all(fresh_vhost_url, sending)) == 20


async def _take_all(url: str, sending: asyncio.Task[int]) -> list[int]:
    """What a slow listener takes at a time, until everything is sent."""
    taken: list[int] = []
    async with a_raw_channel(url) as channel:
        queue = await channel.declare_queue(QUEUE.name, passive=True)
        while not sending.done() or sum(taken) < sending.result():
            waiting = (await queue.declare()).message_count or 0
            assert waiting < 5 + 5  # what it lets wait, and the page that it then sends
            for _ in range(waiting):
                await queue.get(no_ack=True)
            taken.append(waiting)
            await asyncio.sleep(0.02)
    return taken


async def test_it_goes_on_when_the_broker_comes_late(db: Database, fresh_vhost_url: str) -> None:
    await _things(db, 2)
    bus = Bus(fresh_vhost_url, app_id="tests", topology=TOPOLOGY)
    sending = asyncio.create_task(republish.republish(db, bus, "things", THINGS, tell=lambda _: None))
    await asyncio.sleep(0)
    await bus.start()
    try:
        assert await sending == 2
    finally:
        await bus.stop()
    assert len(await _heard_of(fresh_vhost_url, 2)) == 2


async def test_the_command_says_that_it_stopped_and_may_be_repeated_where_no_broker_can_be_reached(
    db: Database, mongo_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(republish, "_GIVE_UP_S", 0.0)
    await _things(db, 1)
    settings = read(ToolSettings, {"MONGO_URL": mongo_url, "RABBITMQ_URL": UNREACHABLE_BROKER})
    code = await asyncio.to_thread(republish.run, db.name, settings, {"things": THINGS}, [])
    printed = capsys.readouterr()
    assert code == 1
    assert "things: about 1 to send" in printed.out
    assert "Run it again: sending twice does no harm." in printed.err
