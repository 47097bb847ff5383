"""Files that no message cites yet: how many, and how many bytes, a user and a company may have waiting.

Each company has one document with what its people hold, so that one update decides for many uploads at once. What was
cited or swept meanwhile is let go when there is no room otherwise; what is too old to wait still, with the next upload.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.cases.attachments.domain.refusals import TooManyUncited
from services.cases.attachments.store.files import FILES
from shared.actor import Actor
from shared.claims import ago
from shared.errors import seconds_until
from shared.idempotency import IdempotencyKey
from shared.mongo import Database, Document
from shared.quotas import MoreThanAllowed

HOLDS = "upload_holds"
# How long a file that nobody cites is kept, and how often somebody looks for those that are older.
KEPT_FOR = timedelta(hours=24)
SWEPT_EVERY = timedelta(minutes=5)
# By then whoever holds room for files has written them, or never will.
_ARRIVED_AFTER = timedelta(minutes=5)
_TRIES = 5
# All files from before are swept by now.
_OLDEST: Document = ago(KEPT_FOR + SWEPT_EVERY)
_STILL_HELD: Document = {"$filter": {"input": "$held", "cond": {"$gt": ["$$this.at", _OLDEST]}}}


@dataclass(frozen=True, slots=True)
class Uncited:
    """How many files, and bytes, may wait to be cited; 0 for no bound.

    Nobody shares with the vendor's company, so it has no bound as a whole.
    """

    user_files: int
    user_bytes: int
    company_files: int
    company_bytes: int


async def hold(db: Database, actor: Actor, bounds: Uncited, key: IdempotencyKey, *, sizes: Sequence[int]) -> None:
    """Takes room for files that are about to be written, whole or not at all; TooManyUncited where there is none.

    MoreThanAllowed where there never will be.
    """
    rooms = _rooms(bounds, actor, files=len(sizes), size=sum(sizes))
    if not rooms:
        return
    fits = _all_of(rooms, actor)
    wanted = {"_id": actor.company_id, "held.intent": {"$ne": key.id}, "$expr": fits}
    held = {
        "intent": key.id,
        "user": actor.user_id,
        "files": len(sizes),
        "bytes": sum(sizes),
        "at": "$$NOW",
    }
    for _ in range(_TRIES):
        result = await db[HOLDS].update_one(wanted, [{"$set": {"held": {"$concatArrays": [_STILL_HELD, [held]]}}}])
        if result.matched_count:
            return
        document = await db[HOLDS].find_one({"_id": actor.company_id}, {"held": 1, "now": "$$NOW", "fits": fits})
        if document is None:
            await db[HOLDS].update_one({"_id": actor.company_id}, {"$setOnInsert": {"held": []}}, upsert=True)
        elif any(each["intent"] == key.id for each in document["held"]):
            return
        elif document["fits"]:
            continue  # somebody made the company's document, or gave room back, a moment ago
        elif done := await _done_with(db, document["held"], document["now"]):
            await _let_go(db, actor.company_id, done)
        else:
            raise TooManyUncited(retry_after_s=_wait_s(document, actor.user_id))
    raise TooManyUncited(retry_after_s=1)


async def refuse_if_full(db: Database, actor: Actor, bounds: Uncited, key: IdempotencyKey) -> None:
    """TooManyUncited where not a byte more would fit."""
    rooms = _rooms(bounds, actor, files=1, size=1)
    if not rooms:
        return
    full = {"_id": actor.company_id, "$expr": {"$not": [_all_of(rooms, actor)]}}
    document = await db[HOLDS].find_one(full, {"held": 1, "now": "$$NOW"})
    if document is None or any(each["intent"] == key.id for each in document["held"]):
        return
    if not await _done_with(db, document["held"], document["now"]):
        raise TooManyUncited(retry_after_s=_wait_s(document, actor.user_id))


async def _let_go(db: Database, company_id: UUID, idempotency_keys: Sequence[UUID]) -> None:
    await db[HOLDS].update_one({"_id": company_id}, {"$pull": {"held": {"intent": {"$in": list(idempotency_keys)}}}})


def _rooms(bounds: Uncited, actor: Actor, *, files: int, size: int) -> list[Document]:
    """The conditions that hold for this actor; $$own is what they hold themselves."""
    rooms = [_room("$$own.files", files, bounds.user_files), _room("$$own.bytes", size, bounds.user_bytes)]
    if not actor.is_vendor:
        rooms.append(_room("$held.files", files, bounds.company_files))
        rooms.append(_room("$held.bytes", size, bounds.company_bytes))
    return [room for room in rooms if room]


def _all_of(rooms: Sequence[Document], actor: Actor) -> Document:
    own = {"$filter": {"input": "$held", "cond": {"$eq": ["$$this.user", actor.user_id]}}}
    return {"$let": {"vars": {"own": own}, "in": {"$and": list(rooms)}}}


def _room(path: str, more: int, most: int) -> Document:
    if more > most > 0:
        raise MoreThanAllowed
    return {"$lte": [{"$add": [{"$sum": path}, more]}, most]} if most else {}


async def _done_with(db: Database, held: Sequence[Document], now: datetime) -> list[UUID]:
    """Whose files are all cited, or swept, or were never written."""
    arriving = {each["intent"] for each in held if now - each["at"] < _ARRIVED_AFTER}
    written: set[UUID] = set()
    waiting: set[UUID] = set()
    wanted: dict[str, Any] = {"intent": {"$in": [each["intent"] for each in held]}}
    async for file in db[FILES].find(wanted, {"intent": 1, "entry_id": 1}):
        written.add(file["intent"])
        if file["entry_id"] is None:
            waiting.add(file["intent"])
    kept = waiting | (arriving - written)
    return [each["intent"] for each in held if each["intent"] not in kept]


def _wait_s(document: Document, user_id: UUID) -> int:
    """Until the oldest of the user's own files is swept; of the company's, for one who has none."""
    held = [each for each in document["held"] if each["user"] == user_id] or document["held"]
    oldest = min((each["at"] for each in held), default=document["now"])
    return seconds_until(oldest + KEPT_FOR + SWEPT_EVERY, now=document["now"])
