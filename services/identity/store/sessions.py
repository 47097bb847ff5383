"""Queries and indexes of sessions, and the counters of failed sign-ins."""

from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

from pymongo import ASCENDING, DESCENDING, ReturnDocument

from services.identity.domain.sessions import (
    FAILURES_WITHIN,
    FIRST_WAIT,
    LASTS_FOR,
    LONGEST_WAIT,
    MOST_FAILURES,
    SEEN_EVERY,
    AlreadySignedIn,
    Session,
)
from services.identity.domain.users import User
from shared import mongo
from shared.mongo import Database, Document, DuplicateKey

SESSIONS = "sessions"
COUNTERS = "counters"


async def create_indexes(db: Database) -> None:
    """What sign-ins search by; what the database forgets by itself."""
    await db[SESSIONS].create_index([("login_id", ASCENDING), ("last_seen_at", DESCENDING)])
    await db[SESSIONS].create_index("intent", unique=True, partialFilterExpression={"intent": {"$exists": True}})
    await db[SESSIONS].create_index("created_at", name="forget", expireAfterSeconds=int(LASTS_FOR.total_seconds()))
    await db[COUNTERS].create_index("window_ends_at", name="forget", expireAfterSeconds=0)


async def insert_session(db: Database, session: Session, *, intent: UUID | None) -> None:
    """A new session; AlreadySignedIn when the same request made one before."""
    values = asdict(session)
    document = {"_id": values.pop("key"), **values, "ended_at": None}
    if intent is not None:
        document["intent"] = intent
    try:
        await db[SESSIONS].insert_one(document)
    except DuplicateKey as error:
        raise AlreadySignedIn from error


async def find_session(db: Database, key: str) -> Session | None:
    """The session of whoever holds its token, unless it was ended."""
    document = await db[SESSIONS].find_one({"_id": key, "ended_at": None})
    return None if document is None else _session(document)


async def find_last_session(db: Database, login_id: UUID) -> Session | None:
    """How somebody was here last."""
    document = await db[SESSIONS].find_one({"login_id": login_id}, sort=[("last_seen_at", DESCENDING)])
    return None if document is None else _session(document)


async def move_session(
    db: Database, key: str, user: User, now: datetime, *, session: mongo.Session | None = None
) -> None:
    """The session goes on as another user of the same login."""
    wanted = {"_id": key, "login_id": user.login_id, "ended_at": None}
    await db[SESSIONS].update_one(wanted, {"$set": {"user_id": user.id, "last_seen_at": now}}, session=session)


async def note_seen(db: Database, session: Session, now: datetime) -> None:
    """Writes down that a session is in use, once a minute however many replicas want to."""
    await db[SESSIONS].update_one(
        {"_id": session.key, "last_seen_at": {"$lte": now - SEEN_EVERY}}, {"$set": {"last_seen_at": now}}
    )


async def end_session(db: Database, key: str, now: datetime) -> None:
    """Ends a session; again changes nothing."""
    await db[SESSIONS].update_one({"_id": key, "ended_at": None}, {"$set": {"ended_at": now}})


async def end_sessions(db: Database, login_id: UUID, now: datetime, *, session: mongo.Session) -> None:
    """Ends whatever a login has open."""
    wanted = {"login_id": login_id, "ended_at": None}
    await db[SESSIONS].update_many(wanted, {"$set": {"ended_at": now}}, session=session)


def _session(document: Document) -> Session:
    fields = ("login_id", "user_id", "created_at", "last_seen_at")
    return Session(key=document["_id"], **{field: document[field] for field in fields})


# Counters of failed sign-ins


async def count_failure(db: Database, counter: str, now: datetime) -> datetime | None:
    """Counts one failure; the end of the wait when there is one already, and then nothing is counted.

    One atomic update decides: however many try at once, only ten get through before the first wait.
    """
    document = await db[COUNTERS].find_one_and_update(
        {"_id": counter}, _counting(now), upsert=True, return_document=ReturnDocument.AFTER
    )
    return document["blocked_until"] if document and document["refused"] else None


async def find_wait(db: Database, counter: str, now: datetime) -> datetime | None:
    """The end of the wait that a counter has come to, if it lies ahead."""
    document = await db[COUNTERS].find_one({"_id": counter, "blocked_until": {"$gt": now}})
    return None if document is None else document["blocked_until"]


async def forget_failures(db: Database, counter: str) -> None:
    """After a success."""
    await db[COUNTERS].delete_one({"_id": counter})


def _counting(now: datetime) -> list[Document]:
    fresh = {"$lte": [{"$ifNull": ["$window_ends_at", now]}, now]}
    waiting = {"$gt": [{"$ifNull": ["$blocked_until", now]}, now]}
    over = {"$subtract": ["$failures", MOST_FAILURES]}
    doubled = {"$multiply": [_ms(FIRST_WAIT), {"$pow": [2, over]}]}
    wait = {"$toLong": {"$min": [_ms(LONGEST_WAIT), doubled]}}
    window = _ms(FAILURES_WITHIN)
    counted: Document = {
        "blocked_until": {"$cond": [{"$gte": [over, 0]}, {"$add": [now, wait]}, "$blocked_until"]},
        # The window moves on with each wait, so that the next failure waits longer.
        "window_ends_at": {"$cond": [{"$gte": [over, 0]}, {"$add": [now, wait, window]}, "$window_ends_at"]},
    }
    kept_when_refused = {
        field: {"$cond": ["$refused", f"${field}", expression]} for field, expression in counted.items()
    }
    return [
        {"$set": {"refused": {"$and": [{"$not": fresh}, waiting]}, "fresh": fresh}},
        {
            "$set": {
                "failures": {
                    "$switch": {
                        "branches": [{"case": "$refused", "then": "$failures"}, {"case": "$fresh", "then": 1}],
                        "default": {"$add": ["$failures", 1]},
                    }
                },
                "blocked_until": {"$cond": ["$fresh", now, "$blocked_until"]},
                "window_ends_at": {"$cond": ["$fresh", {"$add": [now, window]}, "$window_ends_at"]},
            }
        },
        {"$set": kept_when_refused},
    ]


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
