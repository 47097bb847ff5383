"""What an export reads, all at one moment, and the lease that lets each user have one at a time.

The lease is counted by the database, for all replicas, and ends by its clock where nobody gives it back.
"""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast
from uuid import UUID

from pymongo import ReturnDocument

from services.cases.cases.store.cases import CASES
from services.cases.cases.store.lists import order_of, wanted_by
from shared.actor import Actor
from shared.claims import ahead
from shared.mongo import Database, DuplicateKey
from shared.schemas.cases import CaseQuery

_LEASES = "exports"
_BATCH_ROWS = 500
_CELLS = (
    "number",
    "problem.title",
    "problem.severity",
    "problem.own_reference",
    "status",
    "equipment.product_name",
    "equipment.product_number",
    "equipment.serial",
    "equipment.coverage",
    "site_name",
    "company_name",
    "submitter.name",
    "created_at",
    "updated_at",
)


async def each_batch(db: Database, actor: Actor, query: CaseQuery) -> AsyncIterator[bytes]:
    """All that the query finds at one moment, over all pages, in its order: BSON documents, with what a row shows.

    As the bytes that they are: to make values of them here would hold up everybody else.
    """
    shown = {"_id": 0, **dict.fromkeys(_CELLS, 1)}
    async with db.at_one_moment() as session:
        order = order_of(query)
        found = db[CASES.collection].find_raw_batches(
            wanted_by(actor, query), shown, session=session, collation=order.collation
        )
        found = found.sort(order.keys).allow_disk_use(allow_disk_use=True).batch_size(_BATCH_ROWS)
        async for batch in found:
            yield cast("bytes", batch)  # which the driver's types call a document


async def lease(db: Database, user_id: UUID, *, within: timedelta) -> str | None:
    """The token of the user's one export; None while they have another."""
    token = secrets.token_urlsafe(16)
    mine = {"_id": user_id, "token": token, "until": ahead(within)}
    try:
        stands = await db[_LEASES].find_one_and_update(
            {"_id": user_id},
            [{"$replaceWith": {"$cond": [{"$gt": ["$until", "$$NOW"]}, "$$ROOT", mine]}}],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
    except DuplicateKey:  # of two that begin at this very moment
        return None
    return token if stands and stands["token"] == token else None


async def end_lease(db: Database, user_id: UUID, token: str) -> None:
    """Lets the user have the next export; a lease that has ended by itself and is another one's now stays."""
    await db[_LEASES].delete_one({"_id": user_id, "token": token})
