"""Quotas: how much of one kind a user and a company may have in a window of time.

Counted in the service's own database, so that the bound is the same however many replicas there are. A company's
counter holds those of its users, so that both count or neither. Older versions count users elsewhere: in the window of
an upgrade a user may have as much again.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from shared import counters
from shared.actor import Actor
from shared.batches import DatabaseBatches
from shared.counters import Share, Wanted, count, find_used, not_by_majority
from shared.errors import Invalid, Refusal, TooManyRequests, seconds_until
from shared.mongo import Database, DuplicateKey

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
    await counters.create_indexes(db, COUNTERS)


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
        used = await find_used(not_by_majority(db, COUNTERS), [wanted.counter])
        full = wanted.first_full(used[wanted.counter])
        if full is not None:
            raise self._refusal_of(full, actor, now)

    def _refusal_of(self, full: Share, actor: Actor, now: datetime) -> TooManyRequests:
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
                await not_by_majority(db, COUNTERS).update_one({"_id": wanted.counter}, {"$inc": wanted.increments})
            raise

    def _wanted(self, actor: Actor, amount: int, now: datetime) -> Wanted:
        number, ends_at = self.user.window(now)
        user = f"{actor.user_id}/{number}"
        if actor.is_vendor or not self.company.most:
            counter, shares = f"{self.what}/user/{user}", [Share("used", self.user.most, ends_at)]
        else:
            shares = [Share(f"users.{user}", self.user.most, ends_at)]
            number, ends_at = self.company.window(now)
            counter = f"{self.what}/company/{actor.company_id}/{number}"
            shares.append(Share("used", self.company.most, ends_at))
        return Wanted(counter, [share for share in shares if share.most], amount)


async def _count_together(db: Database, asked: Sequence[Wanted]) -> list[Share | None]:
    return await count(not_by_majority(db, COUNTERS), asked)


_COUNTS = DatabaseBatches(_count_together)
