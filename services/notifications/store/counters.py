"""Counters that many senders count up: each number is given once, and many counters cost one read and one write."""

from collections.abc import Callable, Collection, Mapping

from pymongo import UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern

from shared.mongo import DUPLICATE, Database, Document

Counters = Mapping[str, Document]  # those that exist, by their ids


async def count_up(
    db: Database,
    collection: str,
    names: Collection[str],
    counted: Callable[[str, Counters], Document],
    *,
    field: str,
    beside: str | None = None,
) -> None:
    """Writes what `counted` makes of each counter: its `field` and others.

    It is asked again for those with which others were faster. It also sees the counter `beside`.
    """
    # A number that is lost with a server loses no mail, so no mail should wait for a disk because of it.
    counters = db[collection].with_options(write_concern=WriteConcern(1), read_concern=ReadConcern("local"))
    left = [*names]
    while left:
        stood = {each["_id"]: each for each in await counters.find({"_id": {"$in": [*left, beside]}}).to_list(None)}
        # Where the counter does not stand so any more, the upsert fails because the counter exists.
        writes = [
            UpdateOne({"_id": name, field: stood.get(name, {}).get(field)}, {"$set": counted(name, stood)}, upsert=True)
            for name in left
        ]
        try:
            await counters.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            failed = error.details["writeErrors"]
            if any(each["code"] != DUPLICATE for each in failed):
                raise
            left = [left[each["index"]] for each in failed]
        else:
            left = []
