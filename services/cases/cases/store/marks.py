"""What each person has marked of the cases: favourites, and up to when they have seen one; every read says for whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bson.binary import UUID_SUBTYPE, Binary
from pymongo import ASCENDING

from services.cases.cases.domain.news import SEEN_FOR
from services.cases.cases.domain.refusals import TooManyFavourites
from services.cases.cases.store.cases import CASES, visible_to
from shared.actor import Actor
from shared.errors import NotFound
from shared.mongo import Database, Document, Session, put_expiry

MARKS = "marks"
MOST_FAVOURITES = 500
_IS_FAVOURITE: Document = {"favourite_since": {"$exists": True}}


@dataclass(frozen=True, slots=True)
class Mark:
    """What one person has marked of one case."""

    favourite: bool = False
    visited_at: datetime | None = None
    seen_until: datetime | None = None


NO_MARK = Mark()


async def create_indexes(db: Database) -> None:
    """A mark that is no favourite goes when nothing could be new any more that it says is seen."""
    await put_expiry(db[MARKS], "forget_at", after_s=0)
    by_user = [("_id.user_id", ASCENDING), ("favourite_since", ASCENDING)]
    await db[MARKS].create_index(by_user, name="favourites", partialFilterExpression=_IS_FAVOURITE)


async def find_id(db: Database, actor: Actor, number: str) -> UUID:
    """The id of a case that this actor may see; NotFound otherwise."""
    found = await db[CASES.collection].find_one({"number": number, **visible_to(actor)}, {"_id": 1})
    if found is None:
        raise NotFound
    case_id: UUID = found["_id"]
    return case_id


async def find_marks(db: Database, actor: Actor, case_ids: Sequence[UUID]) -> dict[UUID, Mark]:
    """The actor's marks of these cases, as far as there are any."""
    if not case_ids:
        return {}
    # The driver would make each of the ids in Python, the actor's again and again.
    user_id = Binary.from_uuid(actor.user_id)
    keys = [{"user_id": user_id, "case_id": Binary(case_id.bytes, UUID_SUBTYPE)} for case_id in case_ids]
    found = await db[MARKS].find({"_id": {"$in": keys}}).to_list(None)
    return {
        mark["_id"]["case_id"]: Mark("favourite_since" in mark, mark.get("visited_at"), mark.get("seen_until"))
        for mark in found
    }


async def find_favourites(db: Database, actor: Actor, session: Session | None = None) -> list[UUID]:
    """The ids of the actor's favourites, those of cases that they do not see any more among them."""
    found = db[MARKS].find(_favourites_of(actor), {"_id": 1}, hint="favourites", session=session)
    found = found.sort("favourite_since", ASCENDING)
    # Some more than there may be: of two that come at once, both may have found room.
    return [mark["_id"]["case_id"] for mark in await found.limit(2 * MOST_FAVOURITES).to_list(None)]


async def add_favourite(db: Database, actor: Actor, number: str, now: datetime) -> None:
    """Marks a case that the actor sees, once; NotFound, or TooManyFavourites."""
    key = _key(actor, await find_id(db, actor, number))
    others = {**_favourites_of(actor), "_id": {"$ne": key}}
    # One more for each that comes at this very moment does no harm: the bound is for what has to be read together.
    is_full = await db[MARKS].count_documents(others, limit=MOST_FAVOURITES) == MOST_FAVOURITES
    if is_full and not await _forget_unseen(db, actor):
        raise TooManyFavourites(MOST_FAVOURITES)
    kept = {"$set": {"favourite_since": {"$ifNull": ["$favourite_since", now]}}}
    await db[MARKS].update_one({"_id": key}, [kept, {"$unset": "forget_at"}], upsert=True)


async def _forget_unseen(db: Database, actor: Actor) -> int:
    """Makes room: nobody can take the mark away from a case that they do not see any more. How many were forgotten."""
    ids = await find_favourites(db, actor)
    seen = await db[CASES.collection].distinct("_id", {"_id": {"$in": ids}, **visible_to(actor)})
    unseen = [_key(actor, case_id) for case_id in set(ids) - set(seen)]
    return (await db[MARKS].delete_many({"_id": {"$in": unseen}})).deleted_count


async def remove_favourite(db: Database, actor: Actor, number: str, now: datetime) -> None:
    """Takes the mark away, if there is one; NotFound for a case that the actor does not see."""
    key = _key(actor, await find_id(db, actor, number))
    changes = {"$unset": {"favourite_since": ""}, "$set": {"forget_at": now + SEEN_FOR}}
    await db[MARKS].update_one({"_id": key, **_IS_FAVOURITE}, changes)


async def record_visit(db: Database, actor: Actor, number: str, seen_until: datetime | None, now: datetime) -> None:
    """Remembers that the actor has seen the case as it was at a moment, at the latest now; NotFound if they may not."""
    key = _key(actor, await find_id(db, actor, number))
    until = min(seen_until or now, now)
    seen: Document = {
        # One that is slow to arrive does not take back what was seen since.
        "visited_at": {"$max": ["$visited_at", now]},
        "seen_until": {"$max": ["$seen_until", until]},
        "forget_at": {"$cond": [{"$gt": ["$favourite_since", None]}, "$$REMOVE", now + SEEN_FOR]},
    }
    await db[MARKS].update_one({"_id": key}, [{"$set": seen}], upsert=True)


def _key(actor: Actor, case_id: UUID) -> Document:
    return {"user_id": actor.user_id, "case_id": case_id}


def _favourites_of(actor: Actor) -> Document:
    return {"_id.user_id": actor.user_id, **_IS_FAVOURITE}
