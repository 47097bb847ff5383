"""Many cases at once: copies of one, straight into the database, because to submit so many would take long."""

import time
from datetime import UTC, datetime

import pymongo
from uuid_utils.compat import uuid7

from deploy.local.stack import Stack
from services.cases.cases.domain.numbers import case_number
from shared.mongo import connect

_AT_ONCE = 2_000


async def copy_case(stack: Stack, number: str, *, times: int) -> None:
    """As if they were submitted right now; nobody is told of them."""
    db = connect(stack.environment["MONGO_URL"], "cases")
    try:
        case = await db["cases"].find_one({"number": number}, {"pending": 0, "relay_after": 0, "counted": 0})
        assert case is not None
        first = time.time_ns() // 1000 % 10**12
        for start in range(0, times, _AT_ONCE):
            # What counts cases looks at those that were changed a moment ago.
            now, places = datetime.now(UTC), range(start, min(times, start + _AT_ONCE))
            copies = [{**case, "_id": uuid7(), "number": case_number(first + n), "updated_at": now} for n in places]
            with pymongo.timeout(60):
                await db["cases"].insert_many(copies)
    finally:
        await db.close()
