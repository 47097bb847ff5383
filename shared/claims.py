"""Claiming documents for a while: many replicas look for work, and the database gives each piece to one of them.

A document that waits for work has a date in one field: when it is due. To claim it is to set that date ahead: the claim
is a lease, and when its holder dies the document is due again. A holder that is done removes the date; one that wants
to try later sets it ahead. Every time is the database's, so the clocks of the replicas do not matter.
"""

from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

from pymongo import ASCENDING, ReturnDocument

from shared.mongo import Collection, Document


def ahead(time: timedelta) -> Document:
    """The moment so long after the database's now, for pipelines."""
    return {"$add": ["$$NOW", time // timedelta(milliseconds=1)]}


def ago(time: timedelta) -> Document:
    """The moment so long before the database's now, for pipelines."""
    return {"$subtract": ["$$NOW", time // timedelta(milliseconds=1)]}


def has_date(field: str) -> Document:
    """The filter of a partial index on `field`. Queries have to repeat it, or MongoDB does not use such an index."""
    return {field: {"$type": "date"}}


def is_due(field: str) -> Document:
    """The filter for documents whose date in `field` has come."""
    return {**has_date(field), "$expr": {"$lte": [f"${field}", "$$NOW"]}}


async def claim_due(
    collection: Collection,
    field: str,
    *,
    lease: timedelta,
    wanted: Document | None = None,
    changes: Document | None = None,
    projection: Mapping[str, int] | None = None,
) -> Document | None:
    """The due document that has waited longest, claimed for `lease`; None when none is due.

    `wanted` narrows the choice; `changes` are written with the claim, as expressions of a pipeline. What is answered is
    the document afterwards.
    """
    document: Document | None = await collection.find_one_and_update(
        {**(wanted or {}), **is_due(field)},
        [{"$set": {**(changes or {}), field: ahead(lease)}}],
        sort=[(field, ASCENDING)],
        projection=projection,
        return_document=ReturnDocument.AFTER,
    )
    return document


async def claim_many_due(
    collection: Collection, field: str, *, lease: timedelta, at_most: int, projection: Mapping[str, int]
) -> list[Document]:
    """The due documents that have waited longest, claimed for `lease` in one write, without what another replica got.

    Each gets a mark of this claim in `claim`, by which it is told from those that another replica was faster at.
    """
    longest = collection.find(is_due(field), {"_id": 1}, sort=[(field, ASCENDING)], limit=at_most)
    ids = [document["_id"] for document in await longest.to_list(None)]
    if not ids:
        return []
    mark = uuid4()
    await collection.update_many(
        {"_id": {"$in": ids}, **is_due(field)}, [{"$set": {"claim": mark, field: ahead(lease)}}]
    )
    return await collection.find({"_id": {"$in": ids}, "claim": mark}, projection).to_list(None)
