"""What a transaction says is said once it is committed, and only then."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from pymongo.errors import PyMongoError

from shared.mongo import Database, Document, Driver, Session, drop_index
from tests.platform.bus_helpers import a_database

EVENT: Document = {"id": uuid4(), "type": "tests.thing.happened.v1"}
CHANGE: Document = {"id": uuid4(), "type": "identity.user.changed.v1"}


@pytest.fixture
async def db(mongo_url: str, driver: Driver) -> AsyncIterator[Database]:
    async with a_database(mongo_url, driver) as database:
        yield database


def listened_to(db: Database) -> list[tuple[str, Any, list[Document]]]:
    heard: list[tuple[str, Any, list[Document]]] = []
    db.on_pending = lambda collection, document_id, pending: heard.append((collection, document_id, pending))
    return heard


async def test_a_transactions_events_are_announced_after_the_commit(db: Database) -> None:
    heard = listened_to(db)

    async def write(session: Session) -> str:
        await db["things"].insert_one({"_id": 1}, session=session)
        db.notify_pending("things", 1, [EVENT], session)
        assert heard == []
        return "done"

    assert await db.atomically(write) == "done"
    assert heard == [("things", 1, [EVENT])]


async def test_a_transaction_that_ran_twice_announces_once(db: Database) -> None:
    heard, attempts = listened_to(db), []

    async def write(session: Session) -> None:
        attempts.append(session)
        await db["things"].insert_one({"_id": 1}, session=session)
        db.notify_pending("things", 1, [EVENT], session)
        if len(attempts) == 1:
            raise PyMongoError("once more", ["TransientTransactionError"])

    await db.atomically(write)
    assert (len(attempts), len(heard)) == (2, 1)


async def test_an_aborted_transaction_announces_nothing(db: Database) -> None:
    heard = listened_to(db)

    async def write(session: Session) -> None:
        await db["things"].insert_one({"_id": 1}, session=session)
        db.notify_pending("things", 1, [EVENT], session)
        raise LookupError

    with pytest.raises(LookupError):
        await db.atomically(write)
    assert heard == []
    assert await db["things"].count_documents({}) == 0


async def test_hints_of_a_transaction_are_given_after_the_commit_and_none_when_it_is_aborted(db: Database) -> None:
    hints: list[tuple[str, object]] = []
    db.on_hint = lambda kind, changed_id, _about: hints.append((kind, changed_id))

    async def write(session: Session) -> None:
        db.notify_pending("things", 1, [EVENT, CHANGE], session)
        db.hint("tests.other.changed", 2, session)
        assert hints == []

    async def fail(session: Session) -> None:
        await write(session)
        raise LookupError

    with pytest.raises(LookupError):
        await db.atomically(fail)
    assert hints == []
    await db.atomically(write)
    assert hints == [("identity.user.changed", 1), ("tests.other.changed", 2)]


async def test_what_no_replica_listens_to_gives_no_hint(db: Database) -> None:
    hints: list[str] = []
    db.on_hint = lambda kind, _changed_id, _about: hints.append(kind)
    types = ("cases.case.changed.v1", "identity.user.changed.v1", "identity.user.invited.v1")
    db.notify_pending("things", 1, [{"id": uuid4(), "type": each} for each in types])
    assert hints == ["identity.user.changed"]


@pytest.mark.parametrize("name", ["of_older_1", "things_are_there_1"])
async def test_whoever_starts_waits_for_no_transaction_to_drop_an_index_that_is_gone(db: Database, name: str) -> None:
    await db["things"].create_index("things_are_there")

    async def left_open(session: Session) -> None:
        await db["things"].insert_one({"_id": 1}, session=session)
        async with asyncio.timeout(30):
            await drop_index(db["things"], "of_older_1")

    await db.atomically(left_open)
    await drop_index(db["things"], name)
    assert name not in await db["things"].index_information()
