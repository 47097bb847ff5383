"""Parts of the HTTP bodies of cases that tell of times: clocks, first answers, days."""

from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field

from shared.schemas.base import Answer, Utc, written_day

# Far enough from the ends of the calendar for any time zone.
CalendarDay = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2999, 12, 31)), BeforeValidator(written_day)]


class FirstAnswerOnCase(Answer):
    """Until when the vendor has promised a first answer, and when it came."""

    due_at: Utc
    answered_at: Utc | None = None


class CaseClock(Answer):
    """Whole seconds of each side's turn, and between an end and the reopening after it.

    Until now they make up the time since the case was created; of a case that has ended, the time until its end.
    Seconds are counted by their beginnings, so that the sum is exact.
    """

    vendor_s: int
    customer_s: int
    ended_s: int
