"""The numbers of new cases."""

import asyncio
from typing import cast

from pymongo import ReturnDocument

from services.cases.cases.domain.numbers import case_number
from shared.mongo import Database, Document


class CaseNumbers:
    """Numbers for new cases, taken from the database in blocks; what a stopped process had left is never used."""

    _FIRST = 100_000_000
    _BLOCK = 100

    def __init__(self, db: Database) -> None:
        """One per process."""
        self._db = db
        self._lock = asyncio.Lock()
        self._next = self._end = 0

    async def take(self) -> str:
        """A number that no case has, on whatever replica."""
        async with self._lock:
            if self._next == self._end:
                await self._take_block()
            self._next += 1
            return case_number(self._next - 1)

    async def _take_block(self) -> None:
        counter = await self._db["allocators"].find_one_and_update(
            {"_id": "case_number"},
            [{"$set": {"next": {"$add": [{"$ifNull": ["$next", self._FIRST]}, self._BLOCK]}}}],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        # The upsert answers the document as it is afterwards: it is always there.
        self._end = cast("Document", counter)["next"]
        self._next = self._end - self._BLOCK
