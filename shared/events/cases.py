"""The events of cases: the state that contracts copies, and the facts about which people get e-mails."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator

from shared.coverage import Verdict
from shared.events.base import Addressee, Event, Excerpt, State

DESCRIPTION_LENGTH = 2_000

Description = Annotated[str, AfterValidator(lambda text: text[:DESCRIPTION_LENGTH])]


class CaseChanged(State):
    """What contracts needs of a case: whether it is open, and which device and agreements it cites."""

    type: ClassVar[str] = "cases.case.changed.v1"
    case_id: UUID
    number: str
    """Ten digits, as people know the case."""
    company_id: UUID
    """The customer's."""
    is_open: bool
    """Neither closed nor cancelled."""
    serial: str | None = None
    """The device's, normalised; None where the case is about no single device."""
    agreement_ids: tuple[UUID, ...] = ()
    """Those that the case cites: what its device was under when the coverage was looked up."""


class CaseFact(Event):
    """What every fact about a case carries, so that its people can be written to without further requests."""

    case_id: UUID
    number: str
    """Ten digits, as people know the case."""
    company_id: UUID
    """The customer's."""
    version: int
    """Of the case, after this change."""
    title: str
    product_name: str
    serial: str | None = None
    """The device's, normalised; None where the case is about no single device."""
    serial_label: str | None = None
    """The same as it stands on the device, or as it was typed; None also in events of older versions."""
    site_name: str = ""
    """Where the equipment is; empty for an address that is no site."""
    people: tuple[Addressee, ...]
    """The people who may get an e-mail about it."""


class CaseCreated(CaseFact):
    """A support case was submitted."""

    type: ClassVar[str] = "cases.case.created.v1"
    severity: int
    """1 critical to 4 low."""
    created_by: UUID
    """Who typed it; on behalf of a colleague this is not the submitter."""
    created_by_name: str = ""
    """Of whoever typed it on behalf of the submitter; empty where it was the submitter."""
    description: Description = ""
    """As it was typed; at most 2,000 characters of it."""
    contact_name: str = ""
    """Whom to call about it."""
    coverage: Verdict | None = None
    """As it was looked up for the submission; None in events that did not say it."""
    coverage_level: str | None = None
    """Only where covered."""
    coverage_until: date | None = None
    """Only where covered: the last day of the unbroken run of covered days."""
    follow_up_of: str = ""
    """The number of the case that this one goes on from."""


class CaseClosed(CaseFact):
    """A case was closed or cancelled; it can only be reopened, or followed up by a new case."""

    type: ClassVar[str] = "cases.case.closed.v1"
    outcome: Literal["closed", "cancelled"]
    closed_by: UUID
    closed_by_name: str
    reason: Excerpt
    """As it was given; at most 500 characters of it."""
    resolved: bool | None = None
    """Whether the problem is solved; None where this was not asked."""
