"""Exports that are made in the background: the job, its lease, and the file in pieces, which the database forgets.

A job that waits or is under way has `due`, and its user's id in `busy_for`, which is unique: one at a time for each.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic import TypeAdapter
from pymongo import ASCENDING, DESCENDING

from services.cases.cases.domain.exports import Export, ExportState, WhyFailed
from services.cases.copies import store as copies
from shared.actor import Actor
from shared.claims import ahead, claim_due, has_date, is_due
from shared.errors import NotFound
from shared.idempotency import IdempotencyKey
from shared.mongo import Database, Document, DuplicateKey, Session, put_expiry

_JOBS, _CHUNKS = "export_jobs", "export_chunks"
# A file can be had for a day; its pieces, of which the first was written a while before, stay somewhat longer.
_FILE_KEPT = timedelta(hours=24)
_CHUNKS_KEPT_S = 25 * 3600
_JOBS_KEPT_S = 7 * 24 * 3600
# Of one user.
_MOST_JOBS, _MOST_FILES = 20, 5
_CHUNK_BYTES = 2**20
# Whoever makes one says so every few seconds.
LEASE = timedelta(seconds=20)
_EXPORT = TypeAdapter(Export)


async def create_indexes(db: Database) -> None:
    """What the jobs are found by, and how long jobs and files are kept."""
    await db[_JOBS].create_index("busy_for", unique=True, partialFilterExpression={"busy_for": {"$exists": True}})
    await db[_JOBS].create_index("due", partialFilterExpression=has_date("due"))
    await db[_JOBS].create_index([("actor.user_id", ASCENDING), ("created_at", DESCENDING)])
    await put_expiry(db[_JOBS], "created_at", after_s=_JOBS_KEPT_S)
    await db[_CHUNKS].create_index([("file_id", ASCENDING), ("n", ASCENDING)], unique=True)
    await put_expiry(db[_CHUNKS], "at", after_s=_CHUNKS_KEPT_S)


async def put_export(db: Database, export: Export, key: IdempotencyKey) -> Export | None:
    """The new job, or the one that the same key has made before; None while the user has another under way.

    Raises IdempotencyKeyReused.
    """
    document = asdict(export)
    document["_id"] = document.pop("id")
    document |= {"state": export.state.value, "actor": _plain(export.actor)}
    document |= {"digest": key.digest, "busy_for": export.actor.user_id}
    try:
        await db[_JOBS].insert_one({**document, "due": export.created_at})
    except DuplicateKey:
        made = await db[_JOBS].find_one({"_id": export.id})
        if made is None:
            return None
        key.refuse_unless_same(made["digest"])
        return _load(made)
    return export


async def find_exports(db: Database, actor: Actor) -> list[Export]:
    """The user's own, newest first."""
    found = db[_JOBS].find({"actor.user_id": actor.user_id}).sort("created_at", DESCENDING).limit(_MOST_JOBS)
    return [_load(each) for each in await found.to_list(None)]


async def get_export(db: Database, actor: Actor, export_id: UUID) -> Export:
    """One of the user's own; NotFound otherwise."""
    found = await db[_JOBS].find_one({"_id": export_id, "actor.user_id": actor.user_id})
    if found is None:
        raise NotFound
    return _load(found)


async def find_known(db: Database, actor: Actor) -> tuple[Document | None, Document | None]:
    """The copies of a user and of their company, deleted ones too."""
    user = await db[copies.USERS].find_one({"_id": actor.user_id})
    return user, await db[copies.COMPANIES].find_one({"_id": actor.company_id})


# Making one


async def is_any_due(db: Database) -> bool:
    """Whether a job waits to be made, or its maker's lease has ended."""
    return await db[_JOBS].find_one(is_due("due"), {"_id": 1}) is not None


async def claim(db: Database) -> Export | None:
    """The job that has waited longest, to be made from its beginning; None when none is due."""
    begun = {"state": ExportState.RUNNING.value, "file_id": uuid4(), "rows": 0, "total": None, "as_of": "$$NOW"}
    counted = {"attempts": {"$add": ["$attempts", 1]}}
    claimed = await claim_due(db[_JOBS], "due", lease=LEASE, changes={**begun, **counted})
    return None if claimed is None else _load(claimed)


async def keep(db: Database, export: Export, *, rows: int, total: int | None) -> bool:
    """Tells how far it is, and holds the lease; False where the job is somebody else's by now."""
    told = {"due": ahead(LEASE), "rows": rows, "total": total}
    kept = await db[_JOBS].update_one(_held(export), [{"$set": told}])
    return kept.matched_count == 1


async def give_back(db: Database, export: Export) -> None:
    """Lets it wait again, in its old place and as if it had not been claimed; one that has ended meanwhile stays so."""
    waits: Document = {"state": ExportState.WAITING.value, "due": "$created_at", "file_id": None, "as_of": None}
    uncounted = {"attempts": {"$subtract": ["$attempts", 1]}, "rows": 0, "total": None}
    await db[_JOBS].update_one(_held(export), [{"$set": waits | uncounted}])


async def finish(db: Database, export: Export, *, rows: int, size: int, session: Session) -> bool:
    """The file is whole; False where the job is somebody else's by now."""
    told = {"state": ExportState.DONE.value, "rows": rows, "total": rows, "size": size, "expires_at": ahead(_FILE_KEPT)}
    return await _end(db, export, told, session)


async def fail(db: Database, export: Export, reason: WhyFailed) -> None:
    """There will be no file."""
    await _end(db, export, {"state": ExportState.FAILED.value, "reason": reason.value})
    await _remove_file(db, export.file_id)


async def _end(db: Database, export: Export, told: Document, session: Session | None = None) -> bool:
    ended: list[Document] = [{"$set": told}, {"$unset": ["due", "busy_for"]}]
    return (await db[_JOBS].update_one(_held(export), ended, session=session)).matched_count == 1


async def forget_older(db: Database, actor: Actor) -> None:
    """Leaves a user their newest files, and their newest jobs."""
    mine: Document = {"actor.user_id": actor.user_id, "busy_for": {"$exists": False}}
    done = {**mine, "state": ExportState.DONE.value, "expires_at": {"$exists": True}}
    newest = [("created_at", DESCENDING), ("_id", DESCENDING)]
    for old in await db[_JOBS].find(done).sort(newest).skip(_MOST_FILES).to_list(None):
        await db[_JOBS].update_one({"_id": old["_id"]}, [{"$set": {"expires_at": "$$NOW"}}])
        await _remove_file(db, old["file_id"])
    for old in await db[_JOBS].find(mine).sort(newest).skip(_MOST_JOBS).to_list(None):
        await db[_JOBS].delete_one({"_id": old["_id"]})


def _held(export: Export) -> Document:
    return {"_id": export.id, "file_id": export.file_id, "state": ExportState.RUNNING.value}


def _load(document: Document) -> Export:
    return _EXPORT.validate_python({**document, "id": document["_id"]})


def _plain(actor: Actor) -> Document:
    return {**asdict(actor), "role": actor.role.value, "visibility": actor.visibility.value}


# The file


class FileWriter:
    """A file on its way into the database, in pieces of one size."""

    def __init__(self, db: Database, file_id: UUID | None) -> None:
        """`file_id` is the job's of this attempt."""
        self._db = db
        self._file_id = file_id
        self._waiting = bytearray()
        self._count = 0
        self.size = 0

    async def write(self, piece: bytes) -> None:
        """Goes on with the file."""
        self.size += len(piece)
        self._waiting += piece
        while len(self._waiting) >= _CHUNK_BYTES:
            await self._put(bytes(self._waiting[:_CHUNK_BYTES]))
            del self._waiting[:_CHUNK_BYTES]

    async def end(self) -> None:
        """Writes what is left."""
        if self._waiting:
            await self._put(bytes(self._waiting))
            self._waiting.clear()

    async def _put(self, content: bytes) -> None:
        chunk: dict[str, Any] = {"file_id": self._file_id, "n": self._count}
        # By the database's clock, as it forgets by that.
        await self._db[_CHUNKS].update_one(chunk, [{"$set": {"content": content, "at": "$$NOW"}}], upsert=True)
        self._count += 1


async def each_piece(db: Database, export: Export) -> AsyncGenerator[bytes]:
    """The whole file, one piece in memory at a time. Raises NotFound where its beginning is gone, else breaks off."""
    count = -(-export.size // _CHUNK_BYTES)
    for n in range(count):
        chunk = await db[_CHUNKS].find_one({"file_id": export.file_id, "n": n}, {"content": 1})
        if chunk is None:
            raise NotFound
        yield chunk["content"]


async def _remove_file(db: Database, file_id: UUID | None) -> None:
    await db[_CHUNKS].delete_many({"file_id": file_id})


def known_versions(found: Sequence[Document | None]) -> dict[str, int]:
    """The versions of the copies of a user and of their company."""
    return {name: copy["version"] for name, copy in zip(("user", "company"), found, strict=True) if copy is not None}
