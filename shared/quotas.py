"""Quotas: how much of one kind a user and a company may have in a window of time.

Counted in the service's own database, so that the bound is the same however many replicas there are.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

import structlog
from pymongo import UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern

from shared.actor import Actor
from shared.batches import DatabaseBatches
from shared.errors import Invalid, Refusal, TooManyRequests, seconds_until
from shared.mongo import DUPLICATE, Collection, Database, DuplicateKey

COUNTERS = "quotas"
# When many requests make the same counter at once, one succeeds; the others find it at their next try.
_TRIES = 10

_log = structlog.get_logger()


class MoreThanAllowed(Invalid):
    """More than the whole quota in one request: waiting does not help."""

    code = "more_than_allowed"
    title = "This is more at once than is allowed. Please send less."

    def __init__(self) -> None:
        """About the whole request."""
        super().__init__(errors=(self.of_field("body"),))


async def create_indexes(db: Database) -> None:
    """The database removes windows that are over."""
    await db[COUNTERS].create_index("ends_at", name="forget", expireAfterSeconds=0)


@dataclass(frozen=True, slots=True)
class Bound:
    """At most this many in a window; 0 for no limit. Windows follow each other and are the same for everybody."""

    most: int
    within: timedelta

    def window(self, now: datetime) -> tuple[int, datetime]:
        """The number of the current window, and its end."""
        length_s = self.within.total_seconds()
        number = int(now.timestamp() // length_s)
        return number, datetime.fromtimestamp((number + 1) * length_s, tz=now.tzinfo)


@dataclass(frozen=True, slots=True)
class _Counter:
    """One window of one user or company; a document that the first request creates."""

    id: str
    most: int
    ends_at: datetime

    @classmethod
    def of(cls, what: str, whose: str, bound: Bound, now: datetime) -> "_Counter":
        number, ends_at = bound.window(now)
        return cls(f"{what}/{whose}/{number}", bound.most, ends_at)

    def taking(self, amount: int) -> UpdateOne:
        """When the counter is full, the filter matches nothing, and the upsert fails because the counter exists."""
        counting = {"$inc": {"used": amount}, "$setOnInsert": {"ends_at": self.ends_at}}
        return UpdateOne({"_id": self.id, "used": {"$lte": self.most - amount}}, counting, upsert=True)

    def giving_back(self, amount: int) -> UpdateOne:
        return UpdateOne({"_id": self.id}, {"$inc": {"used": -amount}})

    async def has_room(self, counters: Collection, amount: int) -> bool:
        found = await counters.find_one({"_id": self.id}, {"used": 1})
        return found is None or found["used"] + amount <= self.most


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of one kind of thing. The vendor's company as a whole has no limit."""

    what: str
    refusal: type[TooManyRequests]
    user: Bound
    company: Bound

    async def take(self, db: Database, actor: Actor, amount: int = 1, *, now: datetime) -> None:
        """Counts for the user and the company, both or neither; raises the refusal when one is full.

        MoreThanAllowed where it would never fit. One round trip.
        A request that was answered before is not to be counted again: look for its idempotency key first.
        """
        counters = self._counters(actor, now)
        if any(amount > counter.most for counter in counters):
            raise MoreThanAllowed
        full = await _first_without_room(db, counters, amount)
        if full is not None:
            raise self._refusal_of(full, actor, now)

    async def refuse_if_full(self, db: Database, actor: Actor, *, now: datetime) -> None:
        """Raises the refusal when not even one more fits; counts nothing."""
        for counter in self._counters(actor, now):
            if not await counter.has_room(_not_by_majority(db), 1):
                raise self._refusal_of(counter, actor, now)

    def _refusal_of(self, full: _Counter, actor: Actor, now: datetime) -> TooManyRequests:
        wait_s = seconds_until(full.ends_at, now=now)
        _log.info("quota_full", counter=full.id, user=str(actor.user_id), retry_after_s=wait_s)
        return self.refusal(retry_after_s=wait_s)

    @asynccontextmanager
    async def taken(self, db: Database, actor: Actor, amount: int = 1, *, now: datetime) -> AsyncIterator[None]:
        """Counts, and takes the count back when the work inside is refused, by a rule or by a unique index.

        Where nobody knows whether it was done it stays counted.
        """
        await self.take(db, actor, amount, now=now)
        try:
            yield
        except (Refusal, DuplicateKey):
            await _give_back(_not_by_majority(db), self._counters(actor, now), amount)
            raise

    def _counters(self, actor: Actor, now: datetime) -> list[_Counter]:
        bounds = [(f"user/{actor.user_id}", self.user)]
        if not actor.is_vendor:
            bounds.append((f"company/{actor.company_id}", self.company))
        return [_Counter.of(self.what, whose, bound, now) for whose, bound in bounds if bound.most]


async def _first_without_room(db: Database, wanted: Sequence[_Counter], amount: int) -> _Counter | None:
    """The first full counter, with nothing counted; None when all have counted."""
    if not wanted or not amount:
        return None
    counters, counted = _not_by_majority(db), 0
    for _ in range(_TRIES):
        counted += await _COUNTS.do(db, _Wanted(wanted[counted:], amount))
        if counted == len(wanted):
            return None
        # Another request may have made the same counter at the same moment. What was counted so far stays: otherwise
        # others would see a full counter meanwhile.
        if not await wanted[counted].has_room(counters, amount):
            break
    await _give_back(counters, wanted[:counted], amount)
    return wanted[counted]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What one request wants to count: first for the user, then for the company."""

    counters: Sequence[_Counter]
    amount: int


async def _count_together(db: Database, asked: Sequence[_Wanted]) -> list[int]:
    """How many counters of each request have counted before one was full."""
    counters = _not_by_majority(db)
    if len(asked) == 1:
        return [await _count_in_order(counters, asked[0].counters, asked[0].amount)]
    counted = [0] * len(asked)
    # No company counts for whom a user has no room: others would see it full meanwhile.
    for place in range(max(len(wanted.counters) for wanted in asked)):
        same: dict[_Counter, list[int]] = {}
        for n, wanted in enumerate(asked):
            if counted[n] == place < len(wanted.counters):
                same.setdefault(wanted.counters[place], []).append(n)
        full = await _count_sums(counters, same, asked)
        if full:  # for all of them: some may have room
            found = counters.find({"_id": {"$in": [counter.id for counter in full]}}, {"used": 1})
            used = {each["_id"]: each["used"] for each in await found.to_list(None)}
            fitting = {
                counter: _who_fit(counter.most - used.get(counter.id, 0), same[counter], asked) for counter in full
            }
            same |= fitting
            same |= {counter: [] for counter in await _count_sums(counters, fitting, asked)}  # others were faster
        for n in chain.from_iterable(same.values()):
            counted[n] += 1
    return counted


def _who_fit(room: int, those: Iterable[int], asked: Sequence[_Wanted]) -> list[int]:
    fit = []
    for n in those:
        if asked[n].amount <= room:
            room -= asked[n].amount
            fit.append(n)
    return fit


async def _count_sums(
    counters: Collection, same: Mapping[_Counter, Sequence[int]], asked: Sequence[_Wanted]
) -> set[_Counter]:
    """Counts for many requests together; those counters that have no room for all of theirs, and count nothing."""
    sums = {counter: sum(asked[n].amount for n in those) for counter, those in same.items() if those}
    fitting = [counter for counter, amount in sums.items() if amount <= counter.most]
    without_room = sums.keys() - fitting
    try:
        if fitting:
            await counters.bulk_write([counter.taking(sums[counter]) for counter in fitting], ordered=False)
    except BulkWriteError as error:
        for failed in error.details["writeErrors"]:
            if failed["code"] != DUPLICATE:
                raise
            without_room.add(fitting[failed["index"]])
    return without_room


async def _count_in_order(counters: Collection, wanted: Sequence[_Counter], amount: int) -> int:
    """How many counters have counted before one was full."""
    try:
        await counters.bulk_write([counter.taking(amount) for counter in wanted])
    except BulkWriteError as error:
        [failed] = error.details["writeErrors"]
        if failed["code"] != DUPLICATE:
            raise
        place: int = failed["index"]
        return place
    return len(wanted)


async def _give_back(counters: Collection, counted: Sequence[_Counter], amount: int) -> None:
    if counted:
        await counters.bulk_write([counter.giving_back(amount) for counter in counted])


_COUNTS = DatabaseBatches(_count_together)


def _not_by_majority(db: Database) -> Collection:
    """One acknowledgement is enough: losing a count does no harm, and waiting for the majority costs time."""
    return db[COUNTERS].with_options(write_concern=WriteConcern(1), read_concern=ReadConcern("local"))
