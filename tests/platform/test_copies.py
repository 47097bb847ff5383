"""Copies of other services' documents: the newest state stays, in whatever order and number the events come."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID, uuid4

import pytest
from pymongo.errors import BulkWriteError
from uuid_utils.compat import uuid7

import shared.copies
from shared.copies import Copy, put_copies
from shared.mongo import Collection, Database, Driver, DuplicateKey
from tests.platform.bus_helpers import a_database


@pytest.fixture
async def db(mongo_url: str, driver: Driver) -> AsyncIterator[Database]:
    async with a_database(mongo_url, driver) as database:
        yield database


def a_copy(copy_id: UUID, version: int, label: str = "") -> Copy:
    return Copy(copy_id, version, {"label": label or str(version)})


async def labels(db: Database, *ids: UUID) -> list[tuple[int, str]]:
    found = {copy["_id"]: (copy["version"], copy["label"]) async for copy in db["copies"].find()}
    return [found[copy_id] for copy_id in ids]


async def test_copies_keep_the_newest_state_in_whatever_order_it_comes(db: Database) -> None:
    copy_id = uuid7()
    await asyncio.gather(*(put_copies(db, "copies", [a_copy(copy_id, v)]) for v in (3, 1, 5, 2, 4, 5, 1)))
    assert await labels(db, copy_id) == [(5, "5")]
    await put_copies(db, "copies", [a_copy(copy_id, 5, "5 again")])
    await put_copies(db, "copies", [a_copy(copy_id, 4, "4 late")])
    assert await labels(db, copy_id) == [(5, "5 again")]


async def test_a_first_state_that_comes_again_is_applied_again(db: Database) -> None:
    copy_id = uuid7()
    await put_copies(db, "copies", [a_copy(copy_id, 1)])
    await put_copies(db, "copies", [a_copy(copy_id, 1, "1 again")])
    assert await labels(db, copy_id) == [(1, "1 again")]


async def test_of_one_document_twice_in_one_write_the_newer_state_stays(db: Database) -> None:
    one, other = uuid7(), uuid7()
    await put_copies(db, "copies", [a_copy(one, 2), a_copy(other, 1), a_copy(one, 1), a_copy(other, 3)])
    assert await labels(db, one, other) == [(2, "2"), (3, "3")]


async def test_an_old_state_among_new_ones_holds_none_of_them_back(db: Database) -> None:
    old, newer, new = uuid7(), uuid7(), uuid7()
    await put_copies(db, "copies", [a_copy(old, 7), a_copy(newer, 7)])
    await put_copies(db, "copies", [a_copy(old, 6), a_copy(newer, 8), a_copy(new, 1)])
    assert await labels(db, old, newer, new) == [(7, "7"), (8, "8"), (1, "1")]


async def test_many_copies_written_at_once_all_end_at_the_newest(db: Database) -> None:
    ids = [uuid7() for _ in range(500)]
    writes = [[a_copy(copy_id, version) for copy_id in ids] for version in range(1, 9)]
    await asyncio.gather(*(put_copies(db, "copies", copies) for copies in writes))
    assert await labels(db, *ids) == [(8, "8")] * len(ids)


async def test_a_copy_that_another_replica_inserted_meanwhile_is_written_over_when_it_is_older(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_id, write = uuid7(), shared.copies._write
    await put_copies(db, "copies", [a_copy(copy_id, 9)])

    async def write_while_another_inserts(
        collection: Collection, copies: Sequence[Copy], *, upsert: bool
    ) -> list[Copy]:
        refused = await write(collection, copies, upsert=upsert)
        if upsert:
            await collection.replace_one({"_id": copy_id}, {"version": 1, "label": "1"})
        return refused

    monkeypatch.setattr("shared.copies._write", write_while_another_inserts)
    await put_copies(db, "copies", [a_copy(copy_id, 2)])
    assert await labels(db, copy_id) == [(2, "2")]


@pytest.mark.parametrize("is_there_already", [False, True])
async def test_a_copy_that_another_unique_index_refuses_is_not_taken_for_an_old_one(
    db: Database, *, is_there_already: bool
) -> None:
    await db["copies"].create_index("label", unique=True)
    copy_id, other_id = uuid4(), uuid4()
    await put_copies(db, "copies", [a_copy(uuid4(), 1, "taken")])
    if is_there_already:
        await put_copies(db, "copies", [a_copy(copy_id, 1, "free")])
    with pytest.raises(DuplicateKey):
        await put_copies(db, "copies", [a_copy(copy_id, 2, "taken"), a_copy(other_id, 1, "beside it")])
    assert await labels(db, other_id) == [(1, "beside it")]


async def test_any_other_refusal_is_raised(db: Database) -> None:
    await db._database.create_collection("copies", validator={"label": {"$ne": "forbidden"}})
    with pytest.raises(BulkWriteError):
        await put_copies(db, "copies", [a_copy(uuid4(), 1, "forbidden")])
