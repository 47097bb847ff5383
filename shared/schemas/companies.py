"""The HTTP bodies of a company and its settings."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from shared.actor import Visibility
from shared.schemas.base import UNCHANGED, Answer, Patch, Request, Utc, Whole

# By the clocks of the company's time zone; a day ends at 24:00.
_From = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(alias="from")]
_To = Annotated[str, StringConstraints(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"), Field(alias="to")]
_DayOfWeek = Annotated[Whole, Field(ge=1, le=7, description="1 is Monday.")]


class WorkingHoursBody(Request):
    """On which days of the week a company works, and from when to when."""

    days: Annotated[list[_DayOfWeek], Field(min_length=1, max_length=7)]
    start: _From
    end: _To

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.end <= self.start:
            raise PydanticCustomError("end_before_start", "The end is before the start.", {"at": ["to"]})
        return self


class CompanyPatch(Patch):
    """`PATCH /company`."""

    working_hours: WorkingHoursBody = UNCHANGED


class WorkingHoursAnswer(Answer):
    """On which days of the week (1 is Monday) a company works, and from when to when by the clocks of its time zone."""

    model_config = ConfigDict(serialize_by_alias=True)

    days: list[int]
    start: Annotated[str, Field(serialization_alias="from")]
    end: Annotated[str, Field(serialization_alias="to")]


class CompanyAnswer(Answer):
    """A company with its settings."""

    id: UUID
    name: str
    time_zone: str
    visibility: Visibility
    working_hours: WorkingHoursAnswer
    suspended: bool
    created_at: Utc
    version: int
