"""Counters that many count up at once: what users and companies may have, in a document for each company and window."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo import UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern

from shared.mongo import DUPLICATE, Collection, Database, Document


@dataclass(frozen=True, slots=True)
class Share:
    """What one user or company may have in a window: a field of a counter, one of `users` for a user."""

    field: str
    most: int
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be counted, in all its shares or in none: they are fields of one document."""

    counter: str
    shares: Sequence[Share]  # the counter ends with the last of them
    amount: int = 1

    @property
    def increments(self) -> dict[str, int]:
        """How each field changes."""
        return {share.field: self.amount for share in self.shares}

    def first_full(self, used: Mapping[str, int]) -> Share | None:
        """The first share that has no room for it."""
        return next((each for each in self.shares if used.get(each.field, 0) + self.amount > each.most), None)


async def create_indexes(db: Database, collection: str) -> None:
    """The database removes windows that are over."""
    await db[collection].create_index("ends_at", name="forget", expireAfterSeconds=0)


def not_by_majority(db: Database, collection: str) -> Collection:
    """One acknowledgement is enough: losing a count does no harm, and waiting for the majority costs time."""
    return db[collection].with_options(write_concern=WriteConcern(1), read_concern=ReadConcern("local"))


async def count(counters: Collection, asked: Sequence[Wanted]) -> list[Share | None]:
    """For each the share that is full; None where it has counted."""
    full: list[Share | None] = [None] * len(asked)
    left: dict[str, list[int]] = {}
    for n, wanted in enumerate(asked):
        if wanted.shares:
            left.setdefault(wanted.counter, []).append(n)
    while left := await _count_sums(counters, left, asked):
        # There is no room for all of them, or others were faster.
        for counter, used in (await find_used(counters, left)).items():
            for n in left.pop(counter):
                full[n] = asked[n].first_full(used)
                if full[n] is None:
                    used.update(asked[n].increments)
                    left.setdefault(counter, []).append(n)
    return full


async def _count_sums(
    counters: Collection, together: Mapping[str, list[int]], asked: Sequence[Wanted]
) -> dict[str, list[int]]:
    """Counts them together; those whose counter has no room for all of them, and has counted nothing."""
    writes: dict[str, UpdateOne] = {}
    for counter, those in together.items():
        sums: Counter[str] = Counter()
        for n in those:
            sums.update(asked[n].increments)
        most = {share.field: share.most for n in those for share in asked[n].shares}
        if all(amount <= most[field] for field, amount in sums.items()):
            # Where one is full, the filter matches nothing, and the upsert fails because the counter exists.
            room = {field: {"$not": {"$gt": most[field] - amount}} for field, amount in sums.items()}
            counting = {"$inc": sums, "$setOnInsert": {"ends_at": asked[those[0]].shares[-1].ends_at}}
            writes[counter] = UpdateOne({"_id": counter, **room}, counting, upsert=True)
    without_room = together.keys() - writes.keys()
    without_room.update(await write(counters, writes))
    return {counter: together[counter] for counter in without_room}


async def write(counters: Collection, writes: Mapping[str, UpdateOne]) -> list[str]:
    """Upserts, each of a counter; the names of those that exist, but not as the filter wants them."""
    try:
        if writes:
            await counters.bulk_write([*writes.values()], ordered=False)
    except BulkWriteError as error:
        failed = error.details["writeErrors"]
        if any(each["code"] != DUPLICATE for each in failed):
            raise
        return [[*writes][each["index"]] for each in failed]
    return []


async def find_used(counters: Collection, names: Iterable[str]) -> dict[str, Counter[str]]:
    """What each share of these counters has used, by its field."""
    used: dict[str, Counter[str]] = {name: Counter() for name in names}
    found = await counters.find({"_id": {"$in": [*used]}}).to_list(None)
    return used | {each["_id"]: _used_in(each) for each in found}


def _used_in(counter: Document) -> Counter[str]:
    users = {f"users.{user}": used for user, used in counter.get("users", {}).items()}
    return Counter(users | {field: used for field, used in counter.items() if isinstance(used, int)})
