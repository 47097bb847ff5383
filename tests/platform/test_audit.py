"""The audit log: who did what in which company, as it was then, and for how long it is kept."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from shared import audit
from shared.errors import Forbidden
from shared.logging import Origin, origin
from shared.mongo import Database, Document, Driver, Session
from tests.platform.bus_helpers import a_database

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ANA = Origin("request-1", str(uuid4()), "192.0.2.7", "Ana Duarte")


@pytest.fixture
async def db(mongo_url: str, driver: Driver) -> AsyncIterator[Database]:
    async with a_database(mongo_url, driver) as database:
        await audit.create_indexes(database, kept_days=400)
        yield database


@contextmanager
def coming_from(come_from: Origin) -> Iterator[None]:
    token = origin.set(come_from)
    try:
        yield
    finally:
        origin.reset(token)


async def entries(db: Database) -> list[Document]:
    found: list[Document] = await db[audit.AUDIT].find().sort("_id").to_list(None)
    return found


async def fail(db: Database, company_id: UUID | None, *, at: datetime = NOW, of: str = "ana") -> None:
    await audit.count(db, "identity.session.refused", of=of, company_id=company_id, at=at, body={"email": of})


async def test_an_entry_says_what_where_who_and_from_which_address(db: Database) -> None:
    company_id = uuid4()
    with coming_from(ANA):
        await audit.record(db, "identity.session.started", company_id=company_id, at=NOW, body={"browser": "Firefox"})
    [entry] = await entries(db)
    del entry["_id"]
    assert entry == {
        "type": "identity.session.started",
        "at": NOW,
        "company_id": company_id,
        "actor": ANA.actor,
        "actor_name": "Ana Duarte",
        "address": "192.0.2.7",
        "request_id": "request-1",
        "body": {"browser": "Firefox"},
    }


async def test_an_entry_is_written_only_if_its_transaction_is(db: Database) -> None:
    async def write_and_fail(session: Session) -> None:
        await audit.record(db, "identity.invitation.revoked", company_id=uuid4(), at=NOW, body={}, session=session)
        raise Forbidden

    with pytest.raises(Forbidden):
        await db.atomically(write_and_fail)
    assert await entries(db) == []


async def test_what_strangers_cause_at_will_is_one_entry_a_day(db: Database) -> None:
    company_id = uuid4()
    for number in range(8):
        with coming_from(Origin(f"request-{number}", "", f"192.0.2.{number}")):
            await fail(db, company_id, at=NOW + timedelta(minutes=number))
    [entry] = await entries(db)
    assert (entry["at"], entry["last_at"], entry["times"]) == (NOW, NOW + timedelta(minutes=7), 8)
    assert (entry["address"], entry["addresses"]) == ("192.0.2.7", [f"192.0.2.{number}" for number in range(3, 8)])
    assert (entry["company_id"], entry["body"], entry["request_id"]) == (company_id, {"email": "ana"}, "request-0")


async def test_another_day_company_or_subject_has_an_entry_of_its_own(db: Database) -> None:
    one, other = uuid4(), uuid4()
    await fail(db, one)
    await fail(db, other)
    await fail(db, None)
    await fail(db, one, of="luc")
    await fail(db, one, at=NOW + timedelta(days=1))
    assert [entry["times"] for entry in await entries(db)] == [1] * 5


async def test_company_ids_that_were_written_as_text_become_ids(db: Database) -> None:
    company_id = uuid4()
    await db[audit.AUDIT].insert_many([{"company_id": str(company_id), "at": NOW} for _ in range(2)])
    await db[audit.AUDIT].insert_one({"company_id": None, "at": NOW})
    await audit.create_indexes(db, kept_days=400)
    assert [entry["company_id"] for entry in await entries(db)] == [company_id, company_id, None]


async def test_the_database_forgets_entries_after_so_many_days_as_the_settings_say_now(db: Database) -> None:
    kept = []
    for days in (400, 30):
        await audit.create_indexes(db, kept_days=days)
        kept.append((await db[audit.AUDIT].index_information())["forget"]["expireAfterSeconds"])
    assert kept == [400 * 86_400, 30 * 86_400]
