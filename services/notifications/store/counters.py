"""Counters that many senders take numbers from: each number is given once, and many counters cost one write."""

from collections.abc import Mapping
from uuid import uuid4

from pymongo import UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern

from shared.mongo import DUPLICATE, Database, Document


async def take_numbers(
    db: Database,
    collection: str,
    wanted: Mapping[str, int],
    *,
    field: str,
    behind: str | None = None,
    first: Mapping[str, Document] | None = None,
) -> dict[str, int]:
    """Counts each counter up by as many as are wanted; answers what it stood at before.

    `behind` is a counter that none may lag behind; `first` is written into those that are new.
    """
    # A number that is lost with a server loses no mail, so no mail should wait for a disk because of it.
    counters = db[collection].with_options(write_concern=WriteConcern(1), read_concern=ReadConcern("local"))
    before: dict[str, int] = {}
    while left := {name: count for name, count in wanted.items() if name not in before}:
        names = [*left] if behind is None else [*left, behind]
        stood = {each["_id"]: each[field] for each in await counters.find({"_id": {"$in": names}}).to_list()}
        passed = stood.get(behind, 0)
        starts = {name: max(stood.get(name, 0), passed) for name in left}
        token = uuid4()
        writes = [
            UpdateOne(
                {"_id": name, field: stood.get(name)},  # nobody has taken any since
                {"$set": {field: starts[name] + count, "taken_by": token}, "$setOnInsert": (first or {}).get(name, {})},
                upsert=True,
            )
            for name, count in left.items()
        ]
        try:
            await counters.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            if any(each["code"] != DUPLICATE for each in error.details["writeErrors"]):
                raise
            # Others were faster with some of them.
            ours = await counters.find({"_id": {"$in": [*left]}, "taken_by": token}, {"_id": 1}).to_list()
            starts = {each["_id"]: starts[each["_id"]] for each in ours}
        before |= starts
    return before
