"""The relay: every pending event reaches the bus and the audit log, whoever dies in between."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import aiohttp
import pytest
from uuid_utils.compat import uuid7

from deploy.local.parts import RabbitMQ
from shared import relay
from shared.bus import Bus
from shared.documents import Documents
from shared.events.base import Event
from shared.mongo import Database, Driver
from shared.relay import Relay, _Waiting
from tests.contained import ContainedRabbitMQ
from tests.platform.bus_helpers import (
    QUEUE,
    TOPOLOGY,
    RecordingHandler,
    ThingHappened,
    a_database,
    a_vhost,
    eventually,
    running,
    soon,
    taken_out,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A document that says something."""

    id: UUID
    version: int = 1
    events: tuple[Event, ...] = ()


THINGS = Documents("things", Thing)


@pytest.fixture
async def db(mongo_url: str, driver: Driver) -> AsyncIterator[Database]:
    async with a_database(mongo_url, driver) as database:
        await relay.create_indexes(database, ["things"])
        yield database


@asynccontextmanager
async def relaying(db: Database, bus: Bus, *, stop_within_s: float = 3.0) -> AsyncIterator[Relay]:
    carrier = Relay(db, bus, ["things"])
    db.on_pending = carrier.enqueue
    await carrier.start()
    try:
        yield carrier
    finally:
        await carrier.stop(within_s=stop_within_s)


async def say(db: Database, number: int) -> Thing:
    event = ThingHappened(number=number, at=datetime.now(UTC))
    return await THINGS.insert(db, Thing(id=uuid7(), events=(event,)))


async def make_overdue(db: Database) -> None:
    """As if the writer had died before it could publish."""
    past = datetime.now(UTC) - timedelta(minutes=1)
    await db["things"].update_many({"relay_after": {"$exists": True}}, {"$set": {"relay_after": past}})


async def nothing_pending(db: Database) -> bool:
    wanted = {"$or": [{"pending": {"$ne": []}}, {"relay_after": {"$exists": True}}]}
    return await db["things"].count_documents(wanted) == 0


async def test_an_event_is_published_at_once_and_written_into_the_audit_log(db: Database, fresh_vhost_url: str) -> None:
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle) as bus, relaying(db, bus):
        thing = await say(db, 1)
        await soon(lambda: nothing_pending(db))
        (entry,) = await db["audit"].find().to_list(None)
        await soon(lambda: _heard(handler, 1))
    assert entry["type"] == ThingHappened.type
    assert entry["body"]["number"] == 1
    assert (entry["company_id"], entry["actor_name"]) == (None, "")
    document = await db["things"].find_one({"_id": thing.id})
    assert document is not None
    assert document["version"] == 1


async def _heard(handler: RecordingHandler, count: int) -> bool:
    return len(handler.handled) == count


async def test_what_a_dead_writer_left_is_swept_once_by_whichever_replica(db: Database, fresh_vhost_url: str) -> None:
    await asyncio.gather(*(say(db, number) for number in range(200)))
    await make_overdue(db)
    handler = RecordingHandler()
    async with (
        running(fresh_vhost_url, handler.handle) as one,
        running(fresh_vhost_url, topology=TOPOLOGY) as two,
        relaying(db, one),
        relaying(connect_again(db), two),
    ):
        await soon(lambda: nothing_pending(db))
        await soon(lambda: _heard(handler, 200))
    assert {event.number for event in handler.handled} == set(range(200))
    assert await db["audit"].count_documents({}) == 200


def connect_again(db: Database) -> Database:
    """Another replica's view of the same database; `db` keeps its own listener."""
    replica = Database.__new__(Database)
    replica.__dict__.update(db.__dict__)
    replica.on_pending = None
    return replica


async def test_with_the_broker_away_events_wait_and_go_out_when_it_is_back(db: Database, fresh_vhost_url: str) -> None:
    away = Bus("amqp://127.0.0.1:1/", app_id="tests", topology=TOPOLOGY)
    await away.start()
    async with relaying(db, away) as carrier:
        await say(db, 1)
        await make_overdue(db)
        await asyncio.sleep(0)
        oldest = await carrier.oldest_pending()
    await away.stop()
    assert oldest is not None
    assert not await nothing_pending(db)
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle) as bus, relaying(db, bus):
        await soon(lambda: nothing_pending(db))
        await soon(lambda: _heard(handler, 1))


async def test_a_broker_that_lost_its_data_loses_nothing_that_was_written(
    db: Database, rabbitmq: RabbitMQ | ContainedRabbitMQ
) -> None:
    handler = RecordingHandler()
    async with a_vhost(rabbitmq) as url, running(url, handler.handle) as bus, relaying(db, bus):
        await say(db, 1)
        await soon(lambda: nothing_pending(db))
        await soon(lambda: _heard(handler, 1))
        # With the virtual host go its exchanges, its queues and what they held, as with a broker's folder.
        async with aiohttp.ClientSession(raise_for_status=True) as http:
            address = f"{rabbitmq.management_url}/api/vhosts/{url.rpartition('/')[2]}"
            await http.delete(address)
            await eventually(lambda: not bus.connected)
            for number in (2, 3):
                await say(db, number)
            await http.put(address, json={})
        await make_overdue(db)
        await soon(lambda: nothing_pending(db))
        await soon(lambda: _heard(handler, 3))
    assert {event.number for event in handler.handled} == {1, 2, 3}


async def test_what_waits_longest_is_found_by_its_index(db: Database) -> None:
    await say(db, 1)
    await make_overdue(db)
    await db._database.command("profile", 2)
    assert await Relay(db, Bus("amqp://127.0.0.1:1/", app_id="tests"), ["things"]).oldest_pending() is not None
    await db._database.command("profile", 0)
    [asked] = await db["system.profile"].find({"command.find": "things"}).to_list(None)
    assert asked["planSummary"] == "IXSCAN { relay_after: 1 }"


async def test_an_event_that_no_queue_wants_stays_pending(db: Database, fresh_vhost_url: str) -> None:
    async with running(fresh_vhost_url) as bus, relaying(db, bus, stop_within_s=0.1):  # else it would try on till then
        await THINGS.insert(db, Thing(id=uuid7(), events=(UnwantedHappened(at=datetime.now(UTC)),)))
        await say(db, 1)
        wanted = {"pending.type": ThingHappened.type}

        async def the_other_is_gone() -> bool:
            return await db["things"].count_documents(wanted) == 0

        await soon(the_other_is_gone)
        assert await db["things"].count_documents({"pending.type": UnwantedHappened.type}) == 1


class UnwantedHappened(Event):
    """No queue is bound for it."""

    type = "tests.unwanted.happened.v1"


async def test_an_event_already_in_the_audit_log_is_published_all_the_same(db: Database, fresh_vhost_url: str) -> None:
    await say(db, 1)
    (document,) = await db["things"].find().to_list(None)
    await db["audit"].insert_one({"_id": document["pending"][0]["id"]})
    await make_overdue(db)
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle) as bus, relaying(db, bus):
        await soon(lambda: nothing_pending(db))
        await soon(lambda: _heard(handler, 1))


async def say_at_once(db: Database, count: int) -> None:
    await asyncio.gather(*(say(db, number) for number in range(count)))


async def test_what_is_written_at_the_same_time_is_published_in_few_messages_and_what_comes_alone_at_once(
    db: Database, fresh_vhost_url: str
) -> None:
    async with running(fresh_vhost_url) as bus, relaying(db, bus):
        await say(db, 1)
        [alone] = await taken_out(fresh_vhost_url, QUEUE.name, 1)
        await say_at_once(db, 200)
        await soon(lambda: nothing_pending(db))
    handler = RecordingHandler()
    async with running(fresh_vhost_url) as bus:
        messages = (await bus.count_waiting({ThingHappened.type}))[QUEUE.name]
    async with running(fresh_vhost_url, handler.handle):
        await soon(lambda: _heard(handler, 200))
    assert alone.type == ThingHappened.type
    assert messages < 50
    assert {event.number for event in handler.handled} == set(range(200))
    assert await db["audit"].count_documents({}) == 201


async def test_a_document_whose_events_cannot_be_published_holds_none_up_that_came_with_it(
    db: Database, fresh_vhost_url: str
) -> None:
    unroutable = UnwantedHappened(at=datetime.now(UTC))
    mixed = (ThingHappened(number=500, at=datetime.now(UTC)), UnwantedHappened(at=datetime.now(UTC)))
    async with running(fresh_vhost_url) as bus, relaying(db, bus, stop_within_s=0.1):
        await asyncio.gather(
            THINGS.insert(db, Thing(id=uuid7(), events=(unroutable,))),
            THINGS.insert(db, Thing(id=uuid7(), events=mixed)),
            say_at_once(db, 20),
        )

        async def only_these_are_left() -> bool:
            left = await db["things"].find({"pending": {"$ne": []}}).to_list(None)
            return [[item["type"] for item in document["pending"]] for document in left] == [
                [UnwantedHappened.type]
            ] * 2

        await soon(only_these_are_left)


async def test_a_document_whose_events_cannot_be_audited_holds_none_up_that_came_with_it(
    db: Database, fresh_vhost_url: str
) -> None:
    await say_at_once(db, 20)
    await db["things"].update_one({"pending.body.number": 7}, {"$set": {"pending.0.body.company_id": "no id"}})
    await make_overdue(db)
    handler = RecordingHandler()

    async def only_one_waits() -> bool:
        return await db["things"].count_documents({"pending": {"$ne": []}}) == 1

    async with running(fresh_vhost_url, handler.handle) as bus, relaying(db, bus, stop_within_s=0.1):
        await soon(lambda: _heard(handler, 19))
        await soon(only_one_waits)  # an event is noted as published only after it is
        assert handler.times(7) == 0


async def test_who_dies_between_publishing_and_noting_it_publishes_the_same_events_again(
    db: Database, fresh_vhost_url: str
) -> None:
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle) as bus:
        async with relaying(db, bus, stop_within_s=0.1) as dying:
            dying._mark_published = _never  # type: ignore[method-assign, assignment]
            await say_at_once(db, 20)
            await soon(lambda: _heard(handler, 20))
        assert not await nothing_pending(db)
        await make_overdue(db)
        async with relaying(db, bus):
            await soon(lambda: nothing_pending(db))
            await soon(lambda: _heard(handler, 40))
    assert len({event.id for event in handler.handled}) == 20
    assert await db["audit"].count_documents({}) == 20


async def _never(*_: object) -> None:
    await asyncio.Event().wait()


async def test_an_event_that_comes_while_others_of_its_document_are_published_stays_there(
    db: Database, fresh_vhost_url: str
) -> None:
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle) as bus, relaying(db, bus) as carrier:
        may_go_on = hold_notes(carrier)
        thing = await say(db, 1)
        await soon(lambda: _heard(handler, 1))
        db.on_pending = None  # another replica writes
        await THINGS.save(db, replace(thing, events=(ThingHappened(number=2, at=datetime.now(UTC)),)))
        may_go_on.set()

        async def only_the_new_one_is_left() -> bool:
            document = await db["things"].find_one({"_id": thing.id, "relay_after": {"$exists": True}})
            return document is not None and [item["body"]["number"] for item in document["pending"]] == [2]

        await soon(only_the_new_one_is_left)
        await make_overdue(db)
        await soon(lambda: nothing_pending(db))
        await soon(lambda: _heard(handler, 2))
    assert [event.number for event in handler.handled] == [1, 2]


async def test_the_sweeper_publishes_no_event_that_its_own_replica_has_in_hand(
    db: Database, fresh_vhost_url: str
) -> None:
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle) as bus, relaying(db, bus) as carrier:
        may_go_on = hold_notes(carrier)
        thing = await say(db, 1)
        await soon(lambda: _heard(handler, 1))
        await make_overdue(db)
        await soon(lambda: _is_claimed(db, thing))
        may_go_on.set()
        await soon(lambda: nothing_pending(db))
    assert handler.times(1) == 1


def hold_notes(carrier: Relay) -> asyncio.Event:
    """From now on nothing is noted as published until this is set."""
    mark_published, may_go_on = carrier._mark_published, asyncio.Event()

    async def wait_and_mark(documents: Sequence[_Waiting], event_ids: Sequence[object]) -> None:
        await may_go_on.wait()
        await mark_published(documents, event_ids)

    carrier._mark_published = wait_and_mark  # type: ignore[method-assign]
    return may_go_on


async def _is_claimed(db: Database, thing: Thing) -> bool:
    return await db["things"].count_documents({"_id": thing.id, "claim": {"$exists": True}}) == 1


async def test_many_more_than_are_taken_at_a_time_are_swept(
    db: Database, fresh_vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.relay._SWEEP_AT_MOST", 20)
    await say_at_once(db, 100)
    await make_overdue(db)
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle) as bus, relaying(db, bus):
        await soon(lambda: nothing_pending(db))
        await soon(lambda: _heard(handler, 100))
    assert all(handler.times(number) == 1 for number in range(100))
    assert await db["things"].count_documents({"claim": {"$exists": True}}) == 0


async def test_with_many_in_hand_events_stay_in_their_documents_for_the_sweeper(
    db: Database, fresh_vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.relay._IN_HAND_AT_MOST", 0)
    async with running(fresh_vhost_url) as bus, relaying(db, bus) as carrier:
        await say_at_once(db, 5)
        assert not carrier._publishing
        await make_overdue(db)
        await soon(lambda: nothing_pending(db))
