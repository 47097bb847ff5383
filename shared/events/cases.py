"""What cases says: the state that contracts copies, and the facts that people are told of."""

from typing import ClassVar, Literal
from uuid import UUID

from shared.events.base import Addressee, Event, Excerpt, State


class CaseChanged(State):
    """What contracts needs of a case: whether it is open, and which device and agreements it cites."""

    type: ClassVar[str] = "cases.case.changed.v1"
    case_id: UUID
    number: str
    company_id: UUID
    is_open: bool
    serial: str | None = None
    agreement_ids: tuple[UUID, ...] = ()


class CaseFact(Event):
    """What every fact about a case carries, so that its people can be told without asking back."""

    case_id: UUID
    number: str
    company_id: UUID
    version: int  # of the case, after this change
    title: str
    product_name: str
    serial: str | None = None
    site_name: str = ""
    people: tuple[Addressee, ...]


class CaseCreated(CaseFact):
    """A support case was submitted."""

    type: ClassVar[str] = "cases.case.created.v1"
    severity: int
    created_by: UUID


class CaseClosed(CaseFact):
    """A case reached its end, closed or cancelled; only reopening or a follow-up goes on from here."""

    type: ClassVar[str] = "cases.case.closed.v1"
    outcome: Literal["closed", "cancelled"]
    closed_by: UUID
    closed_by_name: str
    reason: Excerpt
    resolved: bool | None = None
