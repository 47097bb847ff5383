"""Many cases at once: copies of one, straight into the database, because to submit so many would take long."""

import time
from datetime import UTC, datetime, timedelta

import pymongo
from uuid_utils.compat import uuid7

from deploy.local.stack import Stack
from services.cases.cases.domain.numbers import case_number
from shared.mongo import connect

_AT_ONCE = 2_000


async def copy_case(stack: Stack, number: str, *, times: int) -> None:
    """As if they had been submitted one after the other a while ago; nobody is told of them."""
    db = connect(stack.environment["MONGO_URL"], "cases")
    try:
        case = await db["cases"].find_one({"number": number}, {"pending": 0, "relay_after": 0, "counted": 0})
        assert case is not None
        first, began = time.time_ns() // 1000 % 10**12, datetime.now(UTC) - timedelta(seconds=times)
        copies = [
            {**case, "_id": uuid7(), "number": case_number(first + n), "updated_at": began + timedelta(seconds=n)}
            for n in range(times)
        ]
        with pymongo.timeout(120):
            for start in range(0, times, _AT_ONCE):
                await db["cases"].insert_many(copies[start : start + _AT_ONCE])
    finally:
        await db.close()
