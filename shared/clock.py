"""The time of a service: its machine's clock, or the database's when that clock is wrong."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from shared.mongo import Database
from shared.tasks import repeat

WRONG_FROM_S = 5.0
_COMPARED_EVERY_S = 10.0

_log = structlog.get_logger()


def utc_now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


class DatabaseClock:
    """A machine whose clock differs from the database's by 5 s or more is wrong, and uses the database's time.

    All replicas use the same database. `own` is the machine's clock; smaller differences cannot be told from delays of
    the network.
    """

    def __init__(self, own: Callable[[], datetime] = utc_now) -> None:
        """Uses the machine's clock until the first comparison."""
        self.own = own
        self._ahead_s = 0.0

    def __call__(self) -> datetime:
        """The time now, in UTC."""
        return self.own() - timedelta(seconds=self._ahead_s)

    @property
    def trouble(self) -> str:
        """For `/readyz`: how far the machine's clock is off; empty while it is right."""
        if not self._ahead_s:
            return ""
        return (
            f"{abs(self._ahead_s):.0f} s {'ahead of' if self._ahead_s > 0 else 'behind'} the database: its time is used"
        )

    async def compare(self, db: Database) -> None:
        """Asks the database for its time. Raises DatabaseError."""
        before = self.own()
        theirs = await db.now()
        after = self.own()
        # The database read its clock some time between the two.
        ahead_s, unsure_s = ((after - theirs) + (before - theirs)) / 2, (after - before) / 2
        self._note(ahead_s.total_seconds(), unsure_s.total_seconds())

    async def watch(self, db: Database) -> None:
        """Compares every 10 s until cancelled."""
        await repeat("compare_clocks", partial(self.compare, db), every_s=_COMPARED_EVERY_S)

    def _note(self, ahead_s: float, unsure_s: float) -> None:
        was_wrong = bool(self._ahead_s)
        # A slow answer says little: a correction that it does not contradict stays as it is.
        if abs(ahead_s - self._ahead_s) <= unsure_s:
            return
        least_s = abs(ahead_s) + (unsure_s if was_wrong else -unsure_s)
        self._ahead_s = ahead_s if least_s > WRONG_FROM_S else 0.0
        if self._ahead_s and not was_wrong:
            _log.warning("clock_wrong", ahead_of_database_s=round(ahead_s))
        if was_wrong and not self._ahead_s:
            _log.info("clock_right_again")
