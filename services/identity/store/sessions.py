"""Queries and indexes of sessions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from uuid import UUID

from pymongo import ASCENDING, DESCENDING

from services.identity.domain.companies import Company
from services.identity.domain.sessions import (
    IDLE_FOR,
    LASTS_FOR,
    MOST_SESSIONS,
    SEEN_EVERY,
    AlreadySignedIn,
    Session,
)
from services.identity.domain.users import User
from services.identity.store.accounts import COMPANIES, USERS
from shared import mongo
from shared.batches import DatabaseBatches
from shared.mongo import Database, Document, DuplicateKey

SESSIONS = "sessions"
# Told with the id of the user whose session goes on otherwise, or no more.
_CHANGED = "identity.session.changed"


async def create_indexes(db: Database) -> None:
    """What sign-ins search by; what the database forgets by itself."""
    await db[SESSIONS].create_index([("login_id", ASCENDING), ("last_seen_at", DESCENDING)])
    await db[SESSIONS].create_index("intent", unique=True, partialFilterExpression={"intent": {"$exists": True}})
    await db[SESSIONS].create_index("created_at", name="forget", expireAfterSeconds=int(LASTS_FOR.total_seconds()))


async def insert_session(db: Database, session: Session, *, key: UUID | None) -> None:
    """A new session; AlreadySignedIn when the same request made one before."""
    values = asdict(session)
    document = {"_id": values.pop("key"), **values, "ended_at": None}
    if key is not None:
        document["intent"] = key
    try:
        await db[SESSIONS].insert_one(document)
    except DuplicateKey as error:
        raise AlreadySignedIn from error


async def find_session(db: Database, key: str) -> Session | None:
    """The session of whoever holds its token, unless it was ended."""
    document = await db[SESSIONS].find_one({"_id": key, "ended_at": None})
    return None if document is None else _session(document)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A session with what its login may act as, oldest first, and the companies of that by their ids."""

    session: Session
    users: Sequence[User]
    companies: Mapping[UUID, Company]


async def resolve_session(db: Database, key: str) -> Resolved | None:
    """The session of whoever holds its token, unless it was ended. Those who ask at once have a common read."""
    return await _RESOLVED.do(db, key)


async def _resolve_together(db: Database, keys: Sequence[str]) -> list[Resolved | None]:
    # Without pipelines: the database would plan those anew for each session.
    users = {"from": USERS.collection, "localField": "login_id", "foreignField": "login_id", "as": "users"}
    companies = {
        "from": COMPANIES.collection,
        "localField": "users.company_id",
        "foreignField": "_id",
        "as": "companies",
    }
    found = await db[SESSIONS].aggregate(
        [
            {"$match": {"_id": {"$in": list(set(keys))}, "ended_at": None}},
            {"$lookup": users},
            {"$lookup": companies},
            {"$unset": ["users.pending", "companies.pending"]},
        ]
    )
    resolved = {document["_id"]: _resolved(document) async for document in found}
    return [resolved.get(key) for key in keys]


def _resolved(document: Document) -> Resolved:
    companies = [COMPANIES.load(each) for each in document["companies"]]
    users = [USERS.load(each) for each in document["users"] if each["active"]]
    return Resolved(
        _session(document),
        sorted(users, key=lambda user: (user.created_at, user.id)),
        {company.id: company for company in companies},
    )


_RESOLVED = DatabaseBatches(_resolve_together)


async def find_last_session(db: Database, login_id: UUID) -> Session | None:
    """The login's most recent session, or None."""
    document = await db[SESSIONS].find_one({"login_id": login_id}, sort=[("last_seen_at", DESCENDING)])
    return None if document is None else _session(document)


async def move_session(
    db: Database, key: str, user: User, now: datetime, *, session: mongo.Session | None = None
) -> None:
    """The session goes on as another user of the same login."""
    wanted = {"_id": key, "login_id": user.login_id, "ended_at": None}
    before = await db[SESSIONS].find_one_and_update(
        wanted, {"$set": {"user_id": user.id, "last_seen_at": now}}, projection={"user_id": 1}, session=session
    )
    if before is not None:
        db.hint(_CHANGED, before["user_id"], session)


async def note_seen(db: Database, session: Session, address: str, now: datetime) -> None:
    """Writes down that a session is in use, and from where; once a minute, however many replicas want to."""
    await db[SESSIONS].update_one(
        {"_id": session.key, "last_seen_at": {"$lte": now - SEEN_EVERY}},
        {"$set": {"last_seen_at": now, "address": address}},
    )


async def end_session(db: Database, key: str, now: datetime) -> Session | None:
    """Ends a session, and answers it; None where there is none that has not ended."""
    document = await db[SESSIONS].find_one_and_update({"_id": key, "ended_at": None}, {"$set": {"ended_at": now}})
    if document is None:
        return None
    db.hint(_CHANGED, document["user_id"])
    return _session(document)


async def end_sessions_beside(db: Database, session: Session, *, replaced: str) -> int:
    """Ends the login's session `replaced`, and those that were idle longest, so that not more than 20 are alive.

    Answers how many it ended.
    """
    own = {"login_id": session.login_id, "ended_at": None}
    ended = {"$set": {"ended_at": session.created_at}}
    count = 0
    if replaced:
        count += (await db[SESSIONS].update_one(own | {"_id": replaced}, ended)).modified_count
    alive = own | {"_id": {"$ne": session.key}, "last_seen_at": {"$gt": session.created_at - IDLE_FOR}}
    newest_first = db[SESSIONS].find(alive, {"_id": 1}).sort([("last_seen_at", DESCENDING), ("_id", ASCENDING)])
    too_many = [document["_id"] async for document in newest_first.skip(MOST_SESSIONS - 1)]
    if too_many:
        count += (await db[SESSIONS].update_many({"_id": {"$in": too_many}}, ended)).modified_count
    return count


async def end_sessions(db: Database, login_id: UUID, now: datetime, *, session: mongo.Session) -> None:
    """Ends whatever a login has open."""
    wanted = {"login_id": login_id, "ended_at": None}
    await db[SESSIONS].update_many(wanted, {"$set": {"ended_at": now}}, session=session)


def _session(document: Document) -> Session:
    values = {field.name: document[field.name] for field in fields(Session) if field.name in document}
    return Session(key=document["_id"], **values)
