"""Until when the vendor's first answer is due, and whether it has come."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.cases.cases.domain.values import Entry, EntryKind

# What the vendor's side writes for the customer. Notes are internal, and to take a case is no answer.
_ANSWERS = frozenset({EntryKind.REPLY, EntryKind.COMMENT, EntryKind.CLOSED})
_ASKS = frozenset({EntryKind.COMMENT, EntryKind.ATTACHED, EntryKind.REOPENED})


def is_answer(entry: Entry) -> bool:
    """Whether this is an answer of the vendor's that the customer reads."""
    return entry.by_vendor and entry.kind in _ANSWERS


def asks(entry: Entry) -> bool:
    """Whether the customer waits for an answer from this entry on."""
    return not entry.by_vendor and entry.kind in _ASKS


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """When it is due, if the level of the covering agreement says so, and when it came."""

    due_at: datetime | None = None
    answered_at: datetime | None = None


UNPROMISED = FirstAnswer()


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """On which days of the week (1 is Monday, at least one), and from when to when by the clocks of the place.

    An end of 00:00 is the midnight at the end of the day.
    """

    days: frozenset[int]
    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Promise:
    """A first answer within so many hours: of those that the company works, or around the clock."""

    hours: int
    working: WorkingHours | None
    zone: ZoneInfo

    def due_after(self, begin: datetime) -> datetime:
        """When the hours are over. Each has 60 minutes, also where clocks are set forward or back."""
        begin, left = begin.astimezone(UTC), timedelta(hours=self.hours)  # sums are right in UTC only
        if self.working is None:
            return begin + left
        for opens, closes in _spans(self.working, self.zone, begin.astimezone(self.zone).date()):
            opened = max(begin, opens)
            if opened < closes:
                if left <= closes - opened:
                    return opened + left
                left -= closes - opened
        raise AssertionError  # the spans never end


def _spans(working: WorkingHours, zone: ZoneInfo, day: date) -> Iterator[tuple[datetime, datetime]]:
    while True:
        if day.isoweekday() in working.days:
            last = day if working.end > time.min else day + timedelta(days=1)
            opens = datetime.combine(day, working.start, zone)
            yield opens.astimezone(UTC), datetime.combine(last, working.end, zone).astimezone(UTC)
        day += timedelta(days=1)
