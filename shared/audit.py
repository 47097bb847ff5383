"""The audit log of a service: an entry for every event, written by the relay, and for what makes no event.

An entry says what happened (`type`), when (`at`), in which company, who did it (`actor` is a user id, `actor_name` the
name at that time), from which network address, in which request, and what else is worth knowing (`body`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid5

from pymongo import ASCENDING
from pymongo.errors import BulkWriteError
from uuid_utils.compat import uuid7

from shared.logging import origin
from shared.mongo import DUPLICATE, Database, Document, Session, put_expiry

AUDIT = "audit"

_DAYS = UUID("0c2b8f2e-55a4-4d1a-9d0e-8f7a3f1f6b21")
_DAY_S = 86_400
_ADDRESSES_KEPT = 5  # of one counting entry: the newest


async def record(
    db: Database,
    what: str,
    *,
    company_id: UUID | None,
    at: datetime,
    body: Mapping[str, object],
    session: Session | None = None,
) -> None:
    """Writes one entry about something that makes no event; in the transaction of `session` where there is one."""
    entry = {"_id": uuid7(), **_entry(what, company_id=company_id, at=at, body=body)}
    await db[AUDIT].insert_one(entry, session=session)


async def count(
    db: Database, what: str, *, of: str, company_id: UUID | None, at: datetime, body: Mapping[str, object]
) -> None:
    """Counts something that strangers can cause at will: one entry of `of` in a company each day, however often.

    The entry keeps the first time (`at`), the last (`last_at`), how often (`times`) and the last few addresses.
    """
    first = _entry(what, company_id=company_id, at=at, body=body)
    address = first.pop("address")
    update = {
        "$setOnInsert": first,
        "$set": {"last_at": at, "address": address},
        "$inc": {"times": 1},
        "$push": {"addresses": {"$each": [address], "$slice": -_ADDRESSES_KEPT}},
    }
    entry_id = uuid5(_DAYS, f"{what}\n{company_id}\n{of}\n{at.date()}")
    await db[AUDIT].update_one({"_id": entry_id}, update, upsert=True)


async def record_events(db: Database, pending: Sequence[Document]) -> None:
    """Writes one entry for each event as it waits in its document; what is written already stays."""
    try:
        await db[AUDIT].insert_many([_entry_of_event(item) for item in pending], ordered=False)
    except BulkWriteError as error:
        failed = [problem for problem in error.details["writeErrors"] if problem["code"] != DUPLICATE]
        if failed or error.details["writeConcernErrors"]:
            raise


async def create_indexes(db: Database, *, kept_days: int) -> None:
    """What the log is searched by, and how long it is kept."""
    await db[AUDIT].create_index([("company_id", ASCENDING), ("at", ASCENDING)], name="company")
    await put_expiry(db[AUDIT], "at", after_s=kept_days * _DAY_S)
    await _type_company_ids(db)


async def _type_company_ids(db: Database) -> None:
    """Older versions wrote the ids of companies as text."""
    for text in await db[AUDIT].distinct("company_id", {"company_id": {"$type": "string"}}):
        await db[AUDIT].update_many({"company_id": text}, {"$set": {"company_id": UUID(text)}})


def _entry(what: str, *, company_id: UUID | None, at: datetime, body: Mapping[str, object]) -> Document:
    come_from = origin.get()
    return {
        "type": what,
        "at": at,
        "company_id": company_id,
        "actor": come_from.actor,
        "actor_name": come_from.actor_name,
        "address": come_from.address,
        "request_id": come_from.request_id,
        "body": dict(body),
    }


def _entry_of_event(item: Document) -> Document:
    company_id = item["body"].get("company_id")
    entry = {key: value for key, value in item.items() if key != "id"}
    return {"_id": item["id"], "company_id": None if company_id is None else UUID(company_id), **entry}
