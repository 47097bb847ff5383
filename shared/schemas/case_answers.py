"""What answers about a case are made of: its people, its place, its coverage, and what somebody waits for."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from shared.coverage import Verdict
from shared.schemas.base import Answer, EmailText, Utc

EscalationStateName = Literal["requested", "accepted", "declined"]
StatusName = Literal["new", "in_progress", "waiting_customer", "waiting_parts", "closed", "cancelled"]


class ContactAnswer(Answer):
    """A person on a case."""

    first_name: str
    last_name: str
    email: EmailText
    phone: str
    language: str | None = None
    user_id: UUID | None = None


class AddressAnswer(Answer):
    """A postal address as it was when the case was written."""

    company_name: str
    address_line_1: str
    address_line_2: str = ""
    city: str
    postal_code: str
    region: str = ""
    country: str


class PersonAnswer(Answer):
    """A user on a case."""

    user_id: UUID
    name: str


class CoverageOnCase(Answer):
    """The verdict as it was when the case was written, or when the device became known."""

    verdict: Verdict
    level: str | None = None
    until: date | None = None


class CallbackAnswer(Answer):
    """A call that was asked for and not made yet: within a window, or `at` is "now" and there is none."""

    model_config = ConfigDict(serialize_by_alias=True)

    at: Literal["now"] | None
    start: Annotated[Utc | None, Field(alias="from")]
    end: Annotated[Utc | None, Field(alias="to")]
    phone: str
    requested_by: PersonAnswer
    requested_at: Utc
    confirmed_at: Utc | None  # when an agent confirmed it as it is


class EscalationState(Answer):
    """Whether somebody asked to have the case escalated, and what became of it."""

    state: EscalationStateName


class EscalationAnswer(EscalationState):
    """The same, with the reason and the answer to it."""

    reason: str
    requested_by: PersonAnswer
    requested_at: Utc
    decided_by: PersonAnswer | None
    decided_at: Utc | None
    answer: str


class LinkedCase(Answer):
    """A case that another one names."""

    number: str
    title: str
    status: StatusName
