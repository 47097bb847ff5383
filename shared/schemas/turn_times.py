"""The HTTP bodies of the report on whose turn it was at the cases of each site, and for how long."""

from datetime import date
from typing import Self
from uuid import UUID

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from shared.schemas.base import Answer, CompanyQuery, Utc
from shared.schemas.case_times import CalendarDay


class TurnTimesQuery(CompanyQuery):
    """`GET /cases/turn-times`: of cases created on these days, both included, in the reader's time zone.

    Until today, and from 89 days before that on, unless told otherwise; at most 366 days. For the vendor's side of all
    companies, unless it names one.
    """

    created_from: CalendarDay | None = None
    created_to: CalendarDay | None = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.created_from and self.created_to and self.created_to < self.created_from:
            raise PydanticCustomError("end_before_start", "The end is before the start.", {"at": ["created_to"]})
        return self


class TurnTimes(Answer):
    """How many cases, and the whole seconds of their clocks together: see `clock` of a case."""

    cases: int
    vendor_s: int
    customer_s: int
    ended_s: int


class SiteTurnTimes(TurnTimes):
    """Of the cases at one site, or of those of a company that are at none."""

    company_id: UUID
    company_name: str
    site_id: UUID | None
    site_name: str


class TurnTimesAnswer(Answer):
    """The sites with most cases first. All rows together with `others` are the total, as of one moment."""

    created_from: date
    created_to: date
    at: Utc
    items: list[SiteTurnTimes]  # at most 200
    others: TurnTimes | None = None  # of the sites that `items` has no room for
    total: TurnTimes
