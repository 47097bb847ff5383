"""Both drivers of the database do the same for those who speak to it: the stores, the relay, the lists."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, cast, get_args
from uuid import UUID, uuid4

import bson
import pytest
from pymongo import ASCENDING, MongoClient, lock, timeout
from pymongo.errors import BulkWriteError, PyMongoError

from deploy.local.parts import Mongod
from shared import mongo
from shared.mongo import (
    Database,
    DatabaseError,
    Document,
    Driver,
    DuplicateKey,
    Session,
    connect,
    is_duplicate,
    is_unavailable,
)
from shared.paging import Order, find_page
from shared.schemas.base import ListQuery
from tests.platform.bus_helpers import a_database, soon

# The longest that any call to the database may take, and as much again for a machine that is busy.
AWAY_WITHIN_S = 16
# MongoDB runs it for each document that it looks at.
SLOWLY: Document = {
    "$expr": {"$function": {"body": "function() { sleep(1000); return true }", "args": [], "lang": "js"}}
}


@pytest.fixture
async def db(mongo_url: str, driver: Driver) -> AsyncIterator[Database]:
    async with a_database(mongo_url, driver) as database:
        yield database


# What goes in and comes out


async def test_values_come_back_as_the_stores_expect_them(db: Database) -> None:
    keys, now = frozenset({uuid4(), uuid4()}), datetime(2026, 2, 28, 12, 30, tzinfo=UTC)
    await db["values"].insert_one({"_id": uuid4(), "day": date(2026, 2, 28), "keys": keys, "at": now})
    [found] = await db["values"].find().to_list(None)
    assert isinstance(found["_id"], UUID)
    assert (found["day"], found["keys"], found["at"]) == ("2026-02-28", sorted(keys, key=str), now)
    assert found["at"].utcoffset() is not None


async def test_cursors_are_read_at_once_in_part_and_one_by_one(db: Database) -> None:
    await db["rows"].insert_many([{"_id": n, "even": n % 2 == 0} for n in range(1200)])
    found = db["rows"].find({"even": True}, {"even": 0}).sort("_id", ASCENDING)
    assert await found.limit(3).to_list() == [{"_id": 0}, {"_id": 2}, {"_id": 4}]
    assert len(await db["rows"].find().to_list(100)) == 100
    every = db["rows"].find().sort("_id", ASCENDING).allow_disk_use(allow_disk_use=True).batch_size(500)
    assert [row["_id"] async for row in every] == list(range(1200))
    groups = await db["rows"].aggregate([{"$group": {"_id": "$even", "count": {"$sum": 1}}}])
    assert {group["_id"]: group["count"] for group in await groups.to_list(None)} == {True: 600, False: 600}


async def test_what_is_read_at_one_moment_is_not_what_was_written_meanwhile(db: Database) -> None:
    await db["rows"].insert_many([{"_id": n, "rank": n} for n in range(1200)])
    read: list[int] = []
    async with db.at_one_moment() as session:
        found = db["rows"].find_raw_batches({}, {"_id": 0}, session=session).sort("rank", ASCENDING)
        async for batch in found.allow_disk_use(allow_disk_use=True).batch_size(500):
            read += [document["rank"] for document in bson.decode_all(cast("bytes", batch))]
            await db["rows"].update_many({"_id": {"$gte": 1000}}, {"$inc": {"rank": -5000}})
            await db["rows"].delete_many({"_id": 700})
            await db["rows"].insert_one({"rank": 5000})
        assert await db["rows"].count_documents({}, session=session) == 1200
    assert read == list(range(1200))


async def test_a_list_is_walked_page_by_page_without_a_gap_or_a_double(db: Database) -> None:
    await db["rows"].insert_many([{"_id": n, "rank": n % 4 or None} for n in range(30)])
    ids, cursor = [], None
    for _ in range(5):
        page = await find_page(db["rows"], {}, ListQuery(limit=7, cursor=cursor), order=Order("rank"))
        ids += [row["_id"] for row in page.documents]
        cursor = page.next_cursor
        assert (page.total, page.total_is_lower_bound) == (30, False)
    assert ids == sorted(range(30), key=lambda n: (n % 4, n))
    assert cursor is None


async def test_writes_say_what_they_did(db: Database) -> None:
    rows = db["rows"]
    inserted = await rows.update_one({"_id": 1}, {"$set": {"n": 1}}, upsert=True)
    unchanged = await rows.update_one({"_id": 1}, {"$set": {"n": 1}})
    changed = await rows.update_many({}, [{"$set": {"n": {"$add": ["$n", 1]}}}])
    removed = await rows.delete_many({"n": 2})
    assert (inserted.upserted_id, inserted.matched_count) == (1, 0)
    assert (unchanged.upserted_id, unchanged.matched_count, unchanged.modified_count) == (None, 1, 0)
    assert (changed.modified_count, removed.deleted_count) == (1, 1)
    await rows.insert_one({"_id": 1})
    with pytest.raises(BulkWriteError) as refused:
        await rows.insert_many([{"_id": n} for n in range(3)], ordered=False)
    assert [problem["code"] for problem in refused.value.details["writeErrors"]] == [11000]
    assert await rows.count_documents({}) == 3


async def test_a_unique_index_that_refuses_is_known_by_its_fields(db: Database) -> None:
    await db["rows"].create_index([("company", ASCENDING), ("email", ASCENDING)], unique=True)
    await db["rows"].insert_one({"company": 1, "email": "a"})
    with pytest.raises(DuplicateKey) as refused:
        await db["rows"].insert_one({"company": 1, "email": "a"})
    assert is_duplicate(refused.value, "company", "email")
    assert not is_duplicate(refused.value, "email")
    assert not is_unavailable(refused.value)


# Transactions


async def test_transactions_that_meet_are_tried_again_until_all_are_done(db: Database) -> None:
    await db["sums"].insert_many([{"_id": n, "sum": 0} for n in (1, 2)])

    async def add(session: Session) -> None:
        found = await db["sums"].find_one({"_id": 1}, session=session)
        assert found is not None
        await db["sums"].update_one({"_id": 1}, {"$set": {"sum": found["sum"] + 1}}, session=session)
        await db["sums"].update_one({"_id": 2}, {"$inc": {"sum": 1}}, session=session)

    await asyncio.gather(*(db.atomically(add) for _ in range(8)))
    assert [row["sum"] for row in await db["sums"].find().to_list(None)] == [8, 8]


async def test_a_conflict_that_the_commit_meets_is_tried_again(db: Database) -> None:
    attempts = []

    async def write(session: Session) -> None:
        await db["rows"].insert_one({"_id": 1}, session=session)
        attempts.append(session)
        if len(attempts) == 1:
            commit = session.commit_transaction

            async def meet_a_conflict() -> None:
                session.commit_transaction = commit  # type: ignore[method-assign]  # only the first commit fails
                await session.abort_transaction()
                raise PyMongoError("somebody was faster", ["TransientTransactionError"])

            session.commit_transaction = meet_a_conflict  # type: ignore[method-assign]  # as the server would

    await db.atomically(write)
    assert (len(attempts), await db["rows"].count_documents({})) == (2, 1)


async def test_a_transaction_that_is_cancelled_leaves_nothing_behind_that_holds_others_up(db: Database) -> None:
    await db["rows"].insert_many([{"_id": 1, "n": 0}, {"_id": 2, "n": 0}])
    started = asyncio.Event()

    async def write(session: Session) -> None:
        started.set()
        # Cancelled in its first write: the transaction is not known to the server yet, or just now.
        await db["rows"].update_one({"_id": 1, **SLOWLY}, {"$inc": {"n": 1}}, session=session)
        await db["rows"].update_one({"_id": 2}, {"$inc": {"n": 1}}, session=session)

    writing = asyncio.create_task(db.atomically(write))
    await started.wait()
    await asyncio.sleep(0.3)  # until the server works on it
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(writing, AWAY_WITHIN_S)
    before = {row["n"] for row in await db["rows"].find().to_list(None)}
    await asyncio.wait_for(db["rows"].update_many({}, {"$inc": {"n": 10}}), 30)
    after = [row["n"] for row in await db["rows"].find().to_list(None)]
    assert before in ({0}, {1})
    assert after == [next(iter(before)) + 10] * 2


async def test_a_cancelled_transaction_of_motor_waits_for_the_thread_that_writes(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    select, asking, answered = MongoClient._select_server, threading.Event(), threading.Event()

    def select_slowly(*args: Any, **options: Any) -> Any:
        asking.set()
        time.sleep(0.5)
        answered.set()
        return select(*args, **options)

    async with a_database(mongo_url, "motor") as db:

        async def write(session: Session) -> None:
            await db["rows"].insert_one({"_id": 1}, session=session)
            await db["rows"].insert_one({"_id": 2}, session=session)

        await db["rows"].insert_one({"_id": 0})
        monkeypatch.setattr(MongoClient, "_select_server", select_slowly)
        writing = asyncio.create_task(db.atomically(write))
        assert await asyncio.to_thread(asking.wait, 30)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert answered.is_set()
        monkeypatch.undo()
        assert await db["rows"].count_documents({}) in (1, 3)


# A database that is slow, frozen or gone


async def test_a_call_that_is_cancelled_ends_at_once_and_harms_no_other(db: Database) -> None:
    await db["rows"].insert_many([{"_id": n} for n in range(7)])
    calls = [asyncio.create_task(_rows(db)) for _ in range(5)]

    async def all_are_at_work() -> bool:
        told = await db._client.admin.command("currentOp", ns=f"{db.name}.rows")
        return len(told["inprog"]) == len(calls)

    await soon(all_are_at_work)
    since = time.monotonic()
    for call in calls:
        call.cancel()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in ended)
    assert time.monotonic() - since < 6  # they would have taken seven
    assert await asyncio.gather(*(db["rows"].count_documents({}) for _ in range(20))) == [7] * 20


async def _rows(db: Database) -> list[Document]:
    return await db["rows"].find(SLOWLY).to_list(None)


async def test_a_database_that_is_gone_or_frozen_is_said_to_be_away_in_time(
    own_mongod: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_usual = partial(timeout, mongo._DEADLINE_S)
    assert 2 * mongo._DEADLINE_S == AWAY_WITHIN_S  # here nobody waits so long
    monkeypatch.setattr(mongo, "_DEADLINE_S", 3)
    async with AsyncExitStack() as leaving:
        both = [connect(own_mongod.url, f"away_{driver}", driver) for driver in get_args(Driver)]
        for db in both:
            leaving.push_async_callback(db.close)
            with as_usual():
                await db["rows"].insert_one({"_id": 0})
        own_mongod.kill()
        await _all_are_away(both)
        await own_mongod.restart()
        with as_usual():
            assert [await db["rows"].count_documents({}) for db in both] == [1, 1]
        own_mongod.freeze()
        try:
            await _all_are_away(both)
        finally:
            own_mongod.thaw()
        for db in both:
            with as_usual():
                await db["rows"].update_one({"_id": 0}, {"$inc": {"n": 1}})


async def _all_are_away(databases: list[Database]) -> None:
    calls = [_is_unavailable_in_time(call) for db in databases for call in _calls(db)]
    assert await asyncio.gather(*calls) == [True] * len(calls)


def _calls(db: Database) -> list[Callable[[], Awaitable[object]]]:
    async def write(session: Session) -> None:
        await db["rows"].insert_one({"_id": uuid4()}, session=session)

    return [
        db.ping,
        lambda: db["rows"].find_one({"_id": 0}),
        lambda: db["rows"].insert_one({"_id": uuid4()}),
        lambda: db.atomically(write),
    ]


async def _is_unavailable_in_time(call: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(2 * mongo._DEADLINE_S):
            await call()
    except DatabaseError as error:
        return is_unavailable(error)
    return False


async def test_who_is_cancelled_while_waiting_for_a_server_leaves_the_lock_to_whoever_holds_it() -> None:
    condition = lock._async_create_condition(lock._async_create_lock())

    async def wait() -> None:
        async with condition:
            await lock._async_cond_wait(condition, 0.05)

    waiter = asyncio.create_task(wait())
    await asyncio.sleep(0.01)
    async with condition:
        await asyncio.sleep(0.1)  # the waiter's time is over, and it wants its lock back
        waiter.cancel()
        await asyncio.sleep(0.01)
        assert not waiter.done()  # going without its lock it would release ours
    await asyncio.wait([waiter], timeout=30)
    assert waiter.cancelled()
    assert not condition.locked()
