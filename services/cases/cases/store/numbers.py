"""The numbers of new cases: never given twice, not even after an older state of the database was restored."""

import asyncio
from typing import cast

from pymongo import DESCENDING, ReturnDocument

from services.cases.cases.domain.numbers import CHECK_DIGITS, case_number
from shared.mongo import Database, Document
from shared.tasks import repeat

_FIRST = 100_000_000
_BLOCK = 100
_SEEN_EVERY_S = 60.0
# A counter that nobody has seen for a while may be that of a backup, and the numbers since then given. This many cases
# a second are more than people create for long; what was created faster, or begun and not used, has room in the margin.
_RESTORED_AFTER_S = 180
_NUMBERS_PER_S = 1
_MARGIN = 10_000
# There are 900 million numbers: a clock that was years ahead for a moment must not use them up.
_MOST_SKIPPED = 10_000_000


class CaseNumbers:
    """Numbers for new cases, taken from the database in blocks; what a stopped process had left is never used."""

    def __init__(self, db: Database) -> None:
        """One per process."""
        self._db = db
        self._lock = asyncio.Lock()
        self._next = self._end = 0

    async def take(self) -> str:
        """A number that no case has, on whatever replica."""
        async with self._lock:
            if self._next == self._end:
                self._end = await _move_on(self._db, by=_BLOCK, skips_from_s=_RESTORED_AFTER_S)
                self._next = self._end - _BLOCK
            self._next += 1
            return case_number(self._next - 1)


async def keep_counter_seen(db: Database) -> None:
    """Runs in every replica until it is cancelled: so a counter that was not seen for long is that of a backup."""

    async def see() -> None:
        await _move_on(db, by=0, skips_from_s=_RESTORED_AFTER_S)

    await repeat("keep_counter_seen", see, every_s=_SEEN_EVERY_S)


async def skip_after_restore(db: Database) -> str:
    """Leaves out all numbers that can have been given since the backup was made; the next number."""
    newest = await db["cases"].find_one({}, {"number": 1}, sort=[("number", DESCENDING)])
    least = int(newest["number"][:-CHECK_DIGITS]) + 1 if newest else _FIRST
    return case_number(await _move_on(db, by=0, skips_from_s=0, least=least))


async def _move_on(db: Database, *, by: int, skips_from_s: int, least: int = _FIRST) -> int:
    """Moves the counter `by` further, and past what can have been given while nobody saw it; where it stands then."""
    unseen = {"startDate": {"$ifNull": ["$seen_at", "$$NOW"]}, "endDate": "$$NOW", "unit": "second"}
    unseen_s = {"$max": [0, {"$dateDiff": unseen}]}
    given = {"$min": [_MOST_SKIPPED, {"$add": [_MARGIN, {"$multiply": [unseen_s, _NUMBERS_PER_S]}]}]}
    skipped = {"$cond": [{"$gte": [unseen_s, skips_from_s]}, given, 0]}
    stands = {"$max": [{"$ifNull": ["$next", _FIRST]}, least]}
    counter = await db["allocators"].find_one_and_update(
        {"_id": "case_number"},
        # Never earlier than before: many a machine starts with the clock of years ago.
        [{"$set": {"next": {"$add": [stands, skipped, by]}, "seen_at": {"$max": ["$seen_at", "$$NOW"]}}}],
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    # The upsert answers the document as it is afterwards: it is always there.
    return int(cast("Document", counter)["next"])
