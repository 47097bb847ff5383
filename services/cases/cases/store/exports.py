"""What an export reads, all at one moment, and the lease that lets each user have one at a time.

The lease is kept in the database, for all replicas. If nobody gives it back, it ends by the database's clock.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from pymongo import ReturnDocument, timeout

from services.cases.cases.store.cases import CASES
from services.cases.cases.store.lists import collation_of, find_wanted, order_of, parts_of
from shared.actor import Actor
from shared.claims import ahead
from shared.mongo import Database, Document, DuplicateKey, Session
from shared.schemas.cases import CaseQuery

_LEASES = "exports"
_BATCH_ROWS = 500
# An array of plain values takes a fifth of the time to decode that documents with times take.
_ROW = [
    "$number",
    "$problem.title",
    "$status",
    "$problem.severity",
    "$equipment.product_name",
    "$equipment.product_number",
    {"$ifNull": ["$equipment.serial_label", "$equipment.serial"]},
    "$site_name",
    "$company_name",
    "$submitter.name",
    "$problem.own_reference",
    "$equipment.coverage.verdict",
    "$equipment.coverage.until",
    {"$toDouble": "$created_at"},  # milliseconds since 1970
    {"$toDouble": "$updated_at"},
    {"$ifNull": ["$equipment.product_line", ""]},
    {"$toDouble": "$turn_since"},
    "$assignee.name",
]


@asynccontextmanager
async def long_moment(db: Database, *, within_s: float) -> AsyncIterator[Session]:
    """A session that reads at one moment, in which each call may take as long as all of them together."""
    with timeout(within_s):
        async with db.at_one_moment() as session:
            yield session


async def count_rows(db: Database, session: Session, actor: Actor, query: CaseQuery) -> int:
    """How many rows `each_batch` has in the same session."""
    wanted = await find_wanted(db, actor, query, session)
    # Without a filter the database would read every case to count them.
    by: Document = {} if wanted else {"hint": "_id_"}
    return await db[CASES.collection].count_documents(wanted, session=session, collation=collation_of(query), **by)


async def each_batch(db: Database, session: Session, actor: Actor, query: CaseQuery) -> AsyncGenerator[list[list[Any]]]:
    """All that the query finds at the session's moment, over all pages, in its order, with what a row shows.

    The next batch is asked for while one is used.
    """
    order, wanted = order_of(actor, query), await find_wanted(db, actor, query, session)
    shown = {"_id": 0, "row": _ROW}
    for part in parts_of(actor, query):
        filter_ = {"$and": [wanted, part]} if part else wanted
        found = db[CASES.collection].find(filter_, shown, session=session, collation=order.collation)
        found = found.sort(order.keys).allow_disk_use(allow_disk_use=True).batch_size(_BATCH_ROWS)
        async with aclosing(_read_ahead(found)) as batches:
            async for batch in batches:
                yield [case["row"] for case in batch]


async def _read_ahead(found: Any) -> AsyncGenerator[list[Document]]:
    asked = asyncio.ensure_future(found.to_list(_BATCH_ROWS))
    try:
        while batch := await asyncio.shield(asked):
            asked = asyncio.ensure_future(found.to_list(_BATCH_ROWS))
            yield batch
    finally:
        await asyncio.gather(asked, return_exceptions=True)  # a cursor cannot be closed while it is read
        await found.close()


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
    """Lets the user have the next export. If this lease has ended already, the one of a later export stays."""
    await db[_LEASES].delete_one({"_id": user_id, "token": token})
