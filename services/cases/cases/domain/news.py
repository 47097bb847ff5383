"""What is new in a case for one reader: something that somebody else has done since they saw it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.cases.cases.domain.values import Entry

# Nothing older is new, so that no visit needs to be remembered for longer.
SEEN_FOR = timedelta(days=90)
# Of a case that the reader has never opened: most cases of colleagues are such.
_NEVER_OPENED_FOR = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class News:
    """The newest entry that a reader's side sees: by whom and when; and when anybody else did something last."""

    by: UUID
    at: datetime
    others_at: datetime | None = None

    def is_new(self, reader: UUID, *, seen_until: datetime | None, now: datetime) -> bool:
        """Whether somebody else did something that this reader has not seen."""
        at = self.others_at if self.by == reader else self.at
        since = now - _NEVER_OPENED_FOR if seen_until is None else max(seen_until, now - SEEN_FOR)
        return at is not None and at > since


@dataclass(frozen=True, slots=True)
class NewsOfSides:
    """The news of each side, of the history as it was at this version of the case."""

    version: int
    shown: News  # of what customers see
    noted: News  # with notes

    @classmethod
    def of(cls, opening: Entry, *, version: int) -> "NewsOfSides":
        """Of a new case."""
        news = News(opening.by.user_id, opening.at)
        return cls(version, news, news)
