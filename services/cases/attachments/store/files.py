"""Queries and indexes of attachments: one document per file, with its bytes; every read says for whom.

Times that decide something are the database's: replicas need not agree about the hour.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import TypeAdapter
from pymongo import ASCENDING

from services.cases.attachments.domain.files import Attachment, FileState, Owner, Upload, content_type_of
from services.cases.attachments.store.owners import Owners, is_cited, is_shown
from shared.actor import Actor
from shared.claims import ago, ahead, claim_due, has_date
from shared.errors import NotFound
from shared.idempotency import IdempotencyKey
from shared.mongo import Database, Document, DuplicateKey

FILES = "attachments"
SCAN_LEASE = timedelta(minutes=1)
_AT_ONCE = 500
_WITHOUT_CONTENT = {"content": 0}
_ATTACHMENT = TypeAdapter(Attachment)


async def create_indexes(db: Database) -> None:
    """What the queries below search by."""
    files = db[FILES]
    await files.create_index([("intent", ASCENDING), ("index", ASCENDING)], unique=True)
    await files.create_index([("entry_id", ASCENDING), ("created_at", ASCENDING)])
    for field in ("claimed_at", "scan_after"):
        await files.create_index(field, partialFilterExpression=has_date(field))


def _load(document: Document) -> Attachment:
    return _ATTACHMENT.validate_python({"id": document["_id"], **document})


# Uploading


async def insert_once(
    db: Database,
    actor: Actor,
    upload: Upload,
    content: bytes,
    *,
    index: int,
    state: FileState,
    key: IdempotencyKey,
) -> None:
    """Writes the index-th file of a request, once; IdempotencyKeyReused for the same key with other files."""
    file_id = secrets.token_urlsafe(16)  # nothing that anybody could know leads to it
    document = {
        "_id": file_id,
        "company_id": actor.company_id,
        "uploader": actor.user_id,
        "name": upload.name,
        "size": len(content),
        "content_type": content_type_of(upload.name),
        "sha256": upload.sha256,
        "content": content,
        "state": state.value,
        "entry_id": None,
        "intent": key.id,
        "index": index,
        "digest": key.digest,
    }
    times = {"created_at": "$$NOW"} | ({"scan_after": "$$NOW"} if state is FileState.SCANNING else {})
    written = [{"$replaceWith": {"$mergeObjects": [{"$literal": document}, times]}}]
    try:
        await db[FILES].update_one({"_id": file_id}, written, upsert=True)
    except DuplicateKey:
        existing = await db[FILES].find_one({"intent": key.id, "index": index}, {"digest": 1})
        if existing is None:  # swept a moment ago
            raise
        key.refuse_unless_same(existing["digest"])


async def find_made_with(db: Database, key: IdempotencyKey) -> list[Attachment]:
    """The files that this request, or an earlier one with its key, brought."""
    found = db[FILES].find({"intent": key.id}, _WITHOUT_CONTENT).sort("index", ASCENDING)
    return [_load(document) async for document in found]


# Citing


@dataclass(frozen=True, slots=True)
class Claim:
    """Files that an entry is about to cite.

    `digest` is that of the request which writes the entry. `token` tells this attempt from others of the same request.
    """

    owner: Owner
    digest: str
    token: str

    @classmethod
    def of(cls, owner: Owner, digest: str) -> "Claim":
        """A new attempt."""
        return cls(owner, digest, secrets.token_urlsafe(16))


def _claimable(actor: Actor, ids: Sequence[str], claim: Claim) -> Document:
    """One's own files that no entry has, or that the same request has claimed before."""
    same = {"entry_id": claim.owner.entry_id, "claim.digest": claim.digest}
    return {"_id": {"$in": list(ids)}, "uploader": actor.user_id, "$or": [{"entry_id": None}, same]}


async def find_claimable(db: Database, actor: Actor, ids: Sequence[str], claim: Claim) -> list[Attachment]:
    """Those of the files that the actor may cite, in the order of `ids`."""
    documents = await db[FILES].find(_claimable(actor, ids, claim), _WITHOUT_CONTENT).to_list(None)
    return sorted((_load(document) for document in documents), key=lambda file: ids.index(file.id))


async def claim_files(db: Database, actor: Actor, ids: Sequence[str], claim: Claim) -> bool:
    """Makes the files the entry's, one after the other; False where one is not to be had, with those before it claimed.

    In one order for all: of many who want some of the same files at once, somebody always gets theirs.
    """
    fields = {
        "entry_id": claim.owner.entry_id,
        "owner": {"kind": claim.owner.kind, "id": claim.owner.id},
        # By this alone a replica of an older version finds the case of a file, while the service is upgraded.
        "case_id": claim.owner.id if claim.owner.kind == "case" else None,
        "claim": {"token": claim.token, "digest": claim.digest},
        "claimed_at": "$$NOW",
    }
    for file_id in sorted(ids):
        result = await db[FILES].update_one(_claimable(actor, [file_id], claim), [{"$set": fields}])
        if not result.matched_count:
            return False
    return True


async def release_files(db: Database, ids: Sequence[str], claim: Claim) -> None:
    """Gives back what this attempt claimed, unless the same request has claimed it again meanwhile."""
    wanted = {"_id": {"$in": list(ids)}, "entry_id": claim.owner.entry_id, "claim.token": claim.token}
    free = {"$set": {"entry_id": None}, "$unset": {"owner": "", "claim": "", "claimed_at": ""}}
    await db[FILES].update_many(wanted, free)


# Reading


async def get_file(db: Database, owners: Owners, actor: Actor, file_id: str) -> Attachment:
    """A file that this actor may see; NotFound otherwise.

    Who sees an entry sees the files that it cites. A file that no entry cites is seen by its uploader only.
    """
    document = await db[FILES].find_one({"_id": file_id}, _WITHOUT_CONTENT)
    if document is None:
        raise NotFound
    owner = _owner_of(document)
    if owner is not None and await is_cited(db, owners, owner):
        allowed = await is_shown(db, owners, actor, owner)
    else:
        allowed = document["uploader"] == actor.user_id
    if not allowed:
        raise NotFound
    return _load(document)


def _owner_of(document: Document) -> Owner | None:
    if document["entry_id"] is None:
        return None
    # A file that was claimed before there were other kinds of owners names its case.
    owner = document.get("owner") or {"kind": "case", "id": document["case_id"]}
    return Owner(owner["kind"], owner["id"], document["entry_id"])


async def read_content(db: Database, file_id: str) -> bytes:
    """The bytes of a file that `get_file` gave; NotFound when it was swept meanwhile."""
    document = await db[FILES].find_one({"_id": file_id}, {"content": 1})
    if document is None:
        raise NotFound
    return bytes(document["content"])


async def find_states(db: Database, ids: Sequence[str]) -> dict[str, FileState]:
    """Whether these files can be had; for files of entries that the asker sees."""
    if not ids:
        return {}
    found = db[FILES].find({"_id": {"$in": list(ids)}}, {"state": 1})
    return {document["_id"]: FileState(document["state"]) async for document in found}


# Scanning


@dataclass(frozen=True, slots=True)
class ToScan:
    """A file that one scanner has in hand for a while."""

    id: str
    content: bytes
    tries: int


async def claim_scan(db: Database) -> ToScan | None:
    """The file that waits longest for its verdict; nobody else gets it while the lease lasts."""
    document = await claim_due(
        db[FILES],
        "scan_after",
        lease=SCAN_LEASE,
        changes={"scan_tries": {"$add": [{"$ifNull": ["$scan_tries", 0]}, 1]}},
        projection={"content": 1, "scan_tries": 1},
    )
    return None if document is None else ToScan(document["_id"], bytes(document["content"]), document["scan_tries"])


async def write_verdict(db: Database, file_id: str, *, virus: str | None) -> None:
    """Clean, or what was found; a verdict that came first stands."""
    state = FileState.INFECTED if virus else FileState.READY
    await db[FILES].update_one(
        {"_id": file_id, "state": FileState.SCANNING.value},
        {"$set": {"state": state.value, "virus": virus}, "$unset": {"scan_after": ""}},
    )


async def release_unscanned(db: Database, *, after: timedelta) -> int:
    """Makes files that have waited so long for a verdict ready without one; how many."""
    waiting = {**has_date("scan_after"), "state": FileState.SCANNING.value}
    result = await db[FILES].update_many(
        {**waiting, "$expr": {"$lt": ["$created_at", ago(after)]}},
        {"$set": {"state": FileState.READY.value}, "$unset": {"scan_after": ""}},
    )
    return result.modified_count


async def scan_later(db: Database, file_id: str, *, pause: timedelta) -> None:
    """No verdict this time."""
    wanted = {"_id": file_id, "state": FileState.SCANNING.value}
    await db[FILES].update_one(wanted, [{"$set": {"scan_after": ahead(pause)}}])


# Sweeping


async def remove_uncited(db: Database, *, after: timedelta) -> int:
    """Removes files that nobody cited in time; how many."""
    result = await db[FILES].delete_many({"entry_id": None, "$expr": {"$lt": ["$created_at", ago(after)]}})
    return result.deleted_count


async def remove_abandoned(db: Database, owners: Owners, *, after: timedelta) -> int:
    """Removes files that were claimed for an entry which never came; how many.

    A file that its entry cites is never looked at again.
    """
    overdue = {**has_date("claimed_at"), "$expr": {"$lt": ["$claimed_at", ago(after)]}}
    found = db[FILES].find(overdue, _WITHOUT_CONTENT).sort("claimed_at", ASCENDING).limit(_AT_ONCE)
    removed = 0
    for document in await found.to_list(None):
        # Whoever claims it again this very moment has another token, and keeps it.
        same = {"_id": document["_id"], "claim.token": document["claim"]["token"]}
        owner = _owner_of(document)
        if owner is not None and await is_cited(db, owners, owner):
            await db[FILES].update_one(same, {"$unset": {"claimed_at": ""}})
        else:
            removed += (await db[FILES].delete_one(same)).deleted_count
    return removed
