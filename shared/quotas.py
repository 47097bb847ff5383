"""Quotas: how much of one kind a user and a company may have in a window of time.

Counted in the service's own database, so that the bound is the same however many replicas there are. A company's
counter holds those of its users, so that both count or neither. Older versions count users elsewhere: in the window of
an upgrade a user may have as much again.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from pymongo import UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern

from shared.actor import Actor
from shared.batches import DatabaseBatches
from shared.errors import Invalid, Refusal, TooManyRequests, seconds_until
from shared.mongo import DUPLICATE, Collection, Database, DuplicateKey

COUNTERS = "quotas"

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
class _Share:
    """What one user or company may have in a window: a field of a counter."""

    field: str
    most: int
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What one request wants to count, in all its shares or in none: they are fields of one document."""

    counter: str
    shares: Sequence[_Share]  # the counter ends with the last of them
    amount: int

    @property
    def increments(self) -> dict[str, int]:
        return {share.field: self.amount for share in self.shares}

    def first_full(self, used: Mapping[str, int]) -> _Share | None:
        return next((each for each in self.shares if used.get(each.field, 0) + self.amount > each.most), None)


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of one kind of thing. The vendor's company as a whole has no limit.

    A company's window is as long as a user's, or longer.
    """

    what: str
    refusal: type[TooManyRequests]
    user: Bound
    company: Bound

    async def take(self, db: Database, actor: Actor, amount: int = 1, *, now: datetime) -> None:
        """Counts for the user and the company, both or neither; raises the refusal when one is full.

        MoreThanAllowed where it would never fit. One round trip.
        A request that was answered before is not to be counted again: look for its idempotency key first.
        """
        wanted = self._wanted(actor, amount, now)
        if any(amount > share.most for share in wanted.shares):
            raise MoreThanAllowed
        full = await _COUNTS.do(db, wanted) if wanted.shares and amount else None
        if full is not None:
            raise self._refusal_of(full, actor, now)

    async def refuse_if_full(self, db: Database, actor: Actor, *, now: datetime) -> None:
        """Raises the refusal when not even one more fits; counts nothing."""
        wanted = self._wanted(actor, 1, now)
        used = await _find_used(_not_by_majority(db), [wanted.counter])
        full = wanted.first_full(used[wanted.counter])
        if full is not None:
            raise self._refusal_of(full, actor, now)

    def _refusal_of(self, full: _Share, actor: Actor, now: datetime) -> TooManyRequests:
        wait_s = seconds_until(full.ends_at, now=now)
        _log.info("quota_full", what=self.what, share=full.field, user=str(actor.user_id), retry_after_s=wait_s)
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
            wanted = self._wanted(actor, -amount, now)
            if wanted.shares:
                await _not_by_majority(db).update_one({"_id": wanted.counter}, {"$inc": wanted.increments})
            raise

    def _wanted(self, actor: Actor, amount: int, now: datetime) -> _Wanted:
        number, ends_at = self.user.window(now)
        user = f"{actor.user_id}/{number}"
        if actor.is_vendor or not self.company.most:
            counter, shares = f"{self.what}/user/{user}", [_Share("used", self.user.most, ends_at)]
        else:
            shares = [_Share(f"users.{user}", self.user.most, ends_at)]
            number, ends_at = self.company.window(now)
            counter = f"{self.what}/company/{actor.company_id}/{number}"
            shares.append(_Share("used", self.company.most, ends_at))
        return _Wanted(counter, [share for share in shares if share.most], amount)


async def _count_together(db: Database, asked: Sequence[_Wanted]) -> list[_Share | None]:
    """For each request its share that is full; None where it has counted."""
    counters = _not_by_majority(db)
    full: list[_Share | None] = [None] * len(asked)
    left: dict[str, list[int]] = {}
    for n, wanted in enumerate(asked):
        left.setdefault(wanted.counter, []).append(n)
    while left := await _count_sums(counters, left, asked):
        # There is no room for all of them, or others were faster.
        for counter, used in (await _find_used(counters, left)).items():
            for n in left.pop(counter):
                full[n] = asked[n].first_full(used)
                if full[n] is None:
                    used.update(asked[n].increments)
                    left.setdefault(counter, []).append(n)
    return full


async def _count_sums(
    counters: Collection, together: Mapping[str, list[int]], asked: Sequence[_Wanted]
) -> dict[str, list[int]]:
    """Counts for many requests together; those whose counter has no room for all of them, and has counted nothing."""
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
    try:
        if writes:
            await counters.bulk_write([*writes.values()], ordered=False)
    except BulkWriteError as error:
        for failed in error.details["writeErrors"]:
            if failed["code"] != DUPLICATE:
                raise
            without_room.add([*writes][failed["index"]])
    return {counter: together[counter] for counter in without_room}


async def _find_used(counters: Collection, names: Iterable[str]) -> dict[str, Counter[str]]:
    """What each share of these counters has used, by its field."""
    used: dict[str, Counter[str]] = {name: Counter() for name in names}
    for each in await counters.find({"_id": {"$in": [*used]}}).to_list(None):
        users = {f"users.{user}": count for user, count in each.get("users", {}).items()}
        used[each["_id"]].update(users, used=each.get("used", 0))
    return used


_COUNTS = DatabaseBatches(_count_together)


def _not_by_majority(db: Database) -> Collection:
    """One acknowledgement is enough: losing a count does no harm, and waiting for the majority costs time."""
    return db[COUNTERS].with_options(write_concern=WriteConcern(1), read_concern=ReadConcern("local"))
