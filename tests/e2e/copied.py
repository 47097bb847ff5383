"""Many cases at once: copies of one, straight into the database, because to submit so many would take long."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import pymongo
from uuid_utils.compat import uuid7

from deploy.local.stack import Stack
from services.cases.cases.domain.numbers import case_number
from services.cases.cases.store import counters
from shared.mongo import Database, connect

_AT_ONCE = 500


class Copies:
    """Those of one test."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._ids: list[UUID] = []

    async def add(self, number: str, *, times: int) -> None:
        """As if they were submitted right now, and counted; nobody is told of them."""
        case = await self._db["cases"].find_one({"number": number}, {"pending": 0, "relay_after": 0, "counted": 0})
        assert case is not None
        first = time.time_ns() // 1000 % 10**12
        for start in range(0, times, _AT_ONCE):
            now, places = datetime.now(UTC), range(start, min(times, start + _AT_ONCE))
            copies = [{**case, "_id": uuid7(), "number": case_number(first + n), "updated_at": now} for n in places]
            ids = [copy["_id"] for copy in copies]
            self._ids += ids
            with pymongo.timeout(60):
                await self._db["cases"].insert_many(copies)
            # Else the service's worker would be at it for seconds: whoever is killed then leaves a transaction open.
            await counters.count(self._db, ids)

    async def remove(self) -> None:
        """From the counters too, which would go on telling the vendor of them."""
        for start in range(0, len(self._ids), _AT_ONCE):
            with pymongo.timeout(60):
                await self._db["cases"].delete_many({"_id": {"$in": self._ids[start : start + _AT_ONCE]}})
        await counters.recount(self._db)


@asynccontextmanager
async def copying(stack: Stack) -> AsyncIterator[Copies]:
    """At the end they are gone: all tests that come after it would look through them in all that the vendor sees."""
    db = connect(stack.environment["MONGO_URL"], "cases")
    copies = Copies(db)
    try:
        yield copies
    finally:
        await copies.remove()
        await db.close()
