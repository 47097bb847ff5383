"""Of many who look for work, each piece has one holder at a time, by the database's clock."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.claims import ago, ahead, claim_due, claim_many_due, has_date
from shared.mongo import Database, Document, Driver
from tests.platform.bus_helpers import a_database

LEASE = timedelta(minutes=1)


@pytest.fixture
async def db(mongo_url: str, driver: Driver) -> AsyncIterator[Database]:
    async with a_database(mongo_url, driver) as database:
        await database["work"].create_index("due_at", name="due", partialFilterExpression=has_date("due_at"))
        yield database


async def _add(db: Database, work_id: int, due_at: Document | str, **fields: object) -> None:
    await db["work"].update_one({"_id": work_id}, [{"$set": {"due_at": due_at, **fields}}], upsert=True)


async def _claim(db: Database) -> int | None:
    document = await claim_due(db["work"], "due_at", lease=LEASE)
    return None if document is None else int(document["_id"])


async def test_each_piece_of_work_is_claimed_once_however_many_look(db: Database) -> None:
    for work_id in range(20):
        await _add(db, work_id, ago(timedelta(seconds=1)))
    claimed = await asyncio.gather(*(_claim(db) for _ in range(40)))
    assert sorted(each for each in claimed if each is not None) == list(range(20))


async def _claim_many(db: Database, at_most: int) -> list[int]:
    claimed = await claim_many_due(db["work"], "due_at", lease=LEASE, at_most=at_most, projection={"_id": 1})
    return [document["_id"] for document in claimed]


async def test_of_many_claimed_at_once_each_has_one_holder_too(db: Database) -> None:
    for work_id in range(60):
        await _add(db, work_id, ago(timedelta(seconds=1)))
    claimed = await asyncio.gather(*(_claim_many(db, 25) for _ in range(4)), *(_claim(db) for _ in range(10)))
    while more := await _claim_many(db, 25):
        claimed.append(more)
    each = [one for some in claimed for one in (some if isinstance(some, list) else [some]) if one is not None]
    assert sorted(each) == list(range(60))


async def test_those_that_have_waited_longest_are_claimed_first_and_none_that_is_not_due(db: Database) -> None:
    for work_id, waited_s in enumerate((10, 30, -60, 20)):
        await _add(db, work_id, ago(timedelta(seconds=waited_s)))
    assert [sorted(await _claim_many(db, 2)) for _ in range(3)] == [[1, 3], [0], []]


async def test_what_has_waited_longest_is_claimed_first(db: Database) -> None:
    for work_id, waited_s in enumerate((10, 30, 20)):
        await _add(db, work_id, ago(timedelta(seconds=waited_s)))
    assert [await _claim(db) for _ in range(4)] == [1, 2, 0, None]


async def test_what_is_not_due_is_not_claimed(db: Database) -> None:
    await _add(db, 1, ahead(timedelta(seconds=60)))
    await db["work"].insert_one({"_id": 2})
    assert await _claim(db) is None


async def test_a_claim_whose_lease_has_ended_is_anybodys(db: Database) -> None:
    await _add(db, 1, "$$NOW")
    assert await claim_due(db["work"], "due_at", lease=timedelta(0)) is not None
    assert await _claim(db) == 1
    assert await _claim(db) is None


async def test_a_claim_writes_its_changes_and_answers_the_document_afterwards(db: Database) -> None:
    await _add(db, 1, "$$NOW", tries=2, is_hidden=True)
    await _add(db, 2, "$$NOW", tries=7)
    claimed = await claim_due(
        db["work"],
        "due_at",
        lease=LEASE,
        wanted={"_id": {"$ne": 2}},
        changes={"tries": {"$add": ["$tries", 1]}},
        projection={"tries": 1},
    )
    assert claimed == {"_id": 1, "tries": 3}


async def test_work_is_claimed_by_its_index(db: Database) -> None:
    await _add(db, 1, "$$NOW")
    await db._database.command("profile", 2)
    await _claim(db)
    await db._database.command("profile", 0)
    [asked] = await db["system.profile"].find({"command.findAndModify": "work"}).to_list(None)
    assert asked["planSummary"] == "IXSCAN { due_at: 1 }"
