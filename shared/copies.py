"""Local copies of other services' documents, which their state events bring: late, twice, or in another order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import InsertOne, UpdateOne
from pymongo.errors import BulkWriteError

from shared.mongo import DUPLICATE, Collection, Database, Document, DuplicateKey, is_duplicate


@dataclass(frozen=True, slots=True)
class Copy:
    """What a copy is to hold at this version of its original."""

    id: object
    version: int
    fields: Document


async def put_copies(db: Database, collection: str, copies: Iterable[Copy]) -> None:
    """Writes these copies, in one write; one that is stored with a higher version stays.

    The same version is applied again: a redelivery, or a republish that heals a copy. Raises DuplicateKey where another
    unique index than the one on `_id` refuses: such a copy is not old, and must not be taken for it.
    """
    newest = {copy.id: copy for copy in sorted(copies, key=lambda copy: copy.version)}
    refused = await _write(db[collection], list(newest.values()), upsert=True)
    if refused:
        # The stored copy is newer, or another replica inserted an older one a moment ago: the second try shows which.
        await _write(db[collection], refused, upsert=False)


async def _write(collection: Collection, copies: Sequence[Copy], *, upsert: bool) -> list[Copy]:
    """Those that were refused because of the copy that is there."""
    writes = [_insert(copy) if upsert and copy.version == 1 else _update(copy, upsert=upsert) for copy in copies]
    try:
        await collection.bulk_write(writes, ordered=False)
    except BulkWriteError as error:
        problems: list[dict[str, Any]] = error.details["writeErrors"]
        if not problems or error.details["writeConcernErrors"]:
            raise
        for problem in problems:
            _raise_unless_by_id(problem, error)
        return [copies[problem["index"]] for problem in problems]
    return []


def _insert(copy: Copy) -> InsertOne[Document]:
    # A first version is nearly always new here, and an insert costs the database a third of an upsert.
    return InsertOne({"_id": copy.id, **copy.fields, "version": copy.version})


def _update(copy: Copy, *, upsert: bool) -> UpdateOne:
    wanted = {"_id": copy.id, "version": {"$lte": copy.version}}
    return UpdateOne(wanted, {"$set": {**copy.fields, "version": copy.version}}, upsert=upsert)


def _raise_unless_by_id(problem: dict[str, Any], error: BulkWriteError) -> None:
    if problem["code"] != DUPLICATE:
        raise error
    duplicate = DuplicateKey(problem["errmsg"], problem["code"], problem)
    if not is_duplicate(duplicate, "_id"):
        raise duplicate
