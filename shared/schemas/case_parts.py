"""Parts of the HTTP bodies of cases, of a new one and of actions on one: texts, people, and when to call."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Discriminator, Field, PlainValidator, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from shared.schemas.base import Cleaned, Email, Language, Name, Phone, Request, Whole, line

Title = Annotated[str, line(least=1, most=120)]
Description = Annotated[str, Cleaned(least=20, most=10_000)]
Severity = Annotated[Whole, Field(ge=1, le=4)]

_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})", re.ASCII | re.IGNORECASE
)
# Far enough from the ends of the calendar for any time zone.
_YEARS = range(1900, 3000)


def _written_time(value: object) -> datetime:
    """A time as RFC 3339 writes it, in UTC; kept to the millisecond. A number would be taken for seconds since 1970."""
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            time = datetime.fromisoformat(value.upper())
        except ValueError:
            time = None
        if time is not None and time.year in _YEARS:
            return time.astimezone(UTC).replace(microsecond=time.microsecond // 1000 * 1000)
    sentence = "Enter a date and a time with its zone, such as 2026-11-22T14:00:00Z."
    raise PydanticCustomError("date_time", sentence)


Moment = Annotated[datetime, PlainValidator(_written_time), WithJsonSchema({"type": "string", "format": "date-time"})]


class ContactBody(Request):
    """A person to call about a case."""

    first_name: Name
    last_name: Name
    email: Email
    phone: Phone
    language: Language | None = None
    user_id: UUID | None = None


class WindowBody(Request):
    """From when to when to call: of today or later, at most a day long."""

    start: Annotated[Moment, Field(alias="from")]
    end: Annotated[Moment, Field(alias="to")]

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.end <= self.start:
            raise PydanticCustomError("end_before_start", "The end is before the start.", {"at": ["to"]})
        return self


def _kind_of(at: object) -> str:
    return "now" if isinstance(at, str) else "window"


# As soon as possible, or within a window.
CallAt = Annotated[
    Annotated[Literal["now"], Tag("now")] | Annotated[WindowBody, Tag("window")], Discriminator(_kind_of)
]
