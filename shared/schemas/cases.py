"""The HTTP bodies of cases: submitting, lists, detail."""

from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from shared.schemas.attachments import AttachmentAnswer, AttachmentIds
from shared.schemas.base import (
    SMALL_BODY_BYTES,
    Address,
    Answer,
    Cleaned,
    CompanyListQuery,
    ListAnswer,
    ListQuery,
    Pin,
    Request,
    Searched,
    Short,
    Utc,
    example,
    refuse_unless_one,
)
from shared.schemas.case_actions import AgentActionName, CaseActionName, EntryKindName
from shared.schemas.case_answers import (
    AddressAnswer,
    CallbackAnswer,
    ContactAnswer,
    CoverageOnCase,
    EscalationAnswer,
    EscalationState,
    LinkedCase,
    PersonAnswer,
    StatusName,
)
from shared.schemas.case_parts import ContactBody, Description, Moment, Severity, Title
from shared.schemas.case_times import CalendarDay, CaseClock, FirstAnswerOnCase
from shared.schemas.contracts import ProductNumber, Said, TypedSerial

Long = Annotated[str, Cleaned(most=10_000)]
# Two long texts of characters beyond the first plane, which take twelve bytes each where they are escaped.
_CASE_BYTES = 320 * 1024


class SubmitCase(Request):
    """`POST /cases`. Exactly one of serial, said and product_number; exactly one of site_id and equipment_address."""

    model_config = example(
        serial="VC-4410-0917",
        title="Paper jam in tray 3",
        description="Every second sheet of tray 3 jams since this morning.",
        severity=3,
        contact={
            "first_name": "Ana",
            "last_name": "Duarte",
            "email": "ana@example.com",
            "phone": "+33 4 72 00 00 00",
        },
        site_id="0198c0de-0000-7000-8000-000000000001",
    )
    max_body_bytes: ClassVar[int] = _CASE_BYTES

    serial: TypedSerial | None = None
    said: Said | None = None
    product_number: ProductNumber | None = None
    title: Title
    description: Description
    troubleshooting: Long = ""
    severity: Severity
    problem_type: Short = ""
    error_code: Short = ""
    operating_system: Short = ""
    own_reference: Short = ""
    contact: ContactBody
    secondary_contact: ContactBody | None = None
    preferred_channel: Literal["phone", "email"] = "phone"
    preferred_hours: Short = ""
    site_id: UUID | None = None
    equipment_address: Address | None = None
    parts_address: Address | None = None
    pin: Pin | None = None
    confidential: bool = False
    submitter_id: UUID | None = None  # on behalf of a colleague; the vendor's side must name the submitter
    attachment_ids: AttachmentIds = ()

    @model_validator(mode="after")
    def _one_way_to_start(self) -> Self:
        refuse_unless_one(serial=self.serial, said=self.said, product_number=self.product_number)
        refuse_unless_one(site_id=self.site_id, equipment_address=self.equipment_address)
        return self


class CaseRow(Answer):
    """One row of a list."""

    number: str
    title: str
    status: StatusName
    severity: int
    turn: Literal["customer", "vendor"] | None
    serial: str | None
    serial_label: str | None = None  # as it stands on the device, or as it was typed
    product_number: str | None
    product_name: str
    product_line: str = ""  # as the vendor calls it, such as Printers; empty where it is not known
    site_id: UUID | None
    site_name: str
    company_id: UUID
    company_name: str
    submitter: PersonAnswer
    assignee: PersonAnswer | None
    own_reference: str
    coverage: CoverageOnCase
    pin: str | None = None
    confidential: bool
    created_at: Utc
    updated_at: Utc
    turn_since: Utc | None  # none of an ended case
    first_answer: FirstAnswerOnCase | None = None  # only where the level of the covering agreement promises one
    unanswered_since: Utc | None = None  # when the customer wrote what the vendor has not answered yet
    callback: CallbackAnswer | None = None  # none once it was made or cancelled, or the case has ended
    escalation: EscalationState | None = None  # none of an ended case
    version: int
    favourite: bool = False  # one of mine
    # Somebody else did something that I see and have not seen yet: in 90 days, or 14 where I never opened it.
    is_new: bool = False


class CaseGroup(Answer):
    """Rows that follow each other and have in common what the view is grouped by, on this page and in all."""

    rows: int
    count: int  # up to 1,000
    is_lower_bound: bool = False


class CaseRowList(ListAnswer[CaseRow]):
    """`GET /cases`. In the views by company and by site the groups of the rows, in their order."""

    groups: list[CaseGroup] = Field(default_factory=list)


class CaseAttachment(AttachmentAnswer):
    """A file of a case, and the entry of the history that brought it."""

    entry_id: UUID
    at: Utc
    by: PersonAnswer
    by_vendor: bool
    internal: bool


class HistoryEntry(Answer):
    """One entry of a case's history; `internal` ones are only sent to the vendor's side."""

    id: UUID
    kind: EntryKindName
    at: Utc
    by: PersonAnswer
    by_vendor: bool
    text: str = ""
    internal: bool = False
    # `from` and `to`: names of people, the site or the address in one line; when to call is "now" or a window as
    # ISO 8601 writes it, `2026-11-22T14:00:00.000Z/2026-11-22T16:00:00.000Z`.
    changes: dict[str, str | int | bool | None] = Field(default_factory=dict)
    attachments: list[AttachmentAnswer] = Field(default_factory=list)
    version: int | None = None  # of the case with this entry; none in entries from before they had one


class CaseDetail(CaseRow):
    """`GET /cases/{number}` and the answer of every action."""

    created_by: PersonAnswer | None = None  # who typed it: the submitter, or somebody on their behalf
    owner: PersonAnswer | None = None  # whose case it is; at first the submitter
    parent: str | None = None  # the number of the case that this one is a part of
    follow_up_of: str | None = None  # the number of the ended or full case that this one goes on from
    follow_ups: list[LinkedCase] = Field(default_factory=list)  # those that go on from this one and that this user sees
    escalation: EscalationAnswer | None = None
    clock: CaseClock | None = None
    visited_at: Utc | None = None  # when I last saw it, as far as that was remembered
    description: str
    troubleshooting: str
    problem_type: str
    error_code: str
    operating_system: str
    said: str | None
    contact: ContactAnswer
    secondary_contact: ContactAnswer | None
    preferred_channel: Literal["phone", "email"]
    preferred_hours: str
    equipment_address: AddressAnswer
    parts_address: AddressAnswer | None
    closed_at: Utc | None
    resolution: str | None
    resolved: bool | None
    reopen_until: Utc | None = None  # only where this user may reopen it
    pin_instructions: str | None = None  # only sent to the vendor's side
    # What `POST /cases/{number}/actions` takes from this user now; agents find the names of their own actions here too.
    allowed_actions: list[CaseActionName | AgentActionName]
    # What `POST /agent/cases/{number}/actions` takes now: its `close` is another than that of `allowed_actions`.
    allowed_agent_actions: list[AgentActionName] = Field(default_factory=list)
    history: list[HistoryEntry]  # the newest, oldest first
    history_cursor: str | None = None  # to older ones, at `GET /cases/{number}/history`
    history_total: int = 0
    service_orders: tuple[()] = ()  # there are none yet
    parts_orders: tuple[()] = ()
    attachments: list[CaseAttachment] = Field(default_factory=list)  # of the entries in `history`
    submitted_attachments: list[AttachmentAnswer] = Field(default_factory=list)  # those that the case was created with


Multi = StatusName | list[StatusName]


_SEARCHED = (
    "Words that all are in the title, the description or the name of the site, or the number of a case, the serial "
    "number of a device, or an own reference, of which three characters of the beginning are enough."
)


_UNTAKEN = "For the vendor's side, with view=waiting: also what nobody has taken."


class CaseQuery(CompanyListQuery):
    """`GET /cases`, its export and its facets."""

    view: Literal["recent", "company", "site", "submitted", "favourites", "waiting"] = "recent"
    untaken: Annotated[bool, Field(description=_UNTAKEN)] = False
    mine: bool = False
    status: Multi | Literal["open"] | None = None
    site_id: UUID | None = None
    serial: TypedSerial | None = None
    severity: Annotated[int, Field(ge=1, le=4)] | None = None
    created_from: CalendarDay | None = None
    created_to: CalendarDay | None = None
    q: Annotated[Searched, Field(description=_SEARCHED)] = ""

    @model_validator(mode="after")
    def _waits_untaken(self) -> Self:
        if self.untaken and self.view != "waiting":
            raise PydanticCustomError("only_waiting", "This goes with what is waiting.", {"at": ["untaken"]})
        return self

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.created_from and self.created_to and self.created_to < self.created_from:
            raise PydanticCustomError("end_before_start", "The end is before the start.", {"at": ["created_to"]})
        return self


class VisitCase(Request):
    """`PUT /cases/{number}/visit`: I have seen the case, as it was at a moment; without one, as it is now."""

    model_config = example(seen_until="2026-11-22T09:30:00Z")
    max_body_bytes: ClassVar[int] = SMALL_BODY_BYTES

    # Of the newest entry that was shown; one that is still to come means now.
    seen_until: Moment | None = None


class HistoryQuery(Request):
    """`GET /cases/{number}/history`: without a cursor the newest; with `since_version`, of those that came after it.

    Go on from the `version` of the case, not of an entry: an agent's note does not count the case's version up, so the
    next entry has the same version as the note.
    """

    limit: Annotated[int, Field(ge=1, le=50)] = 50
    cursor: Annotated[str, StringConstraints(max_length=1000)] | None = None
    since_version: Annotated[int, Field(ge=0, lt=2**53)] | None = None


QueueName = Literal[
    "unassigned",
    "mine",
    "open",
    "callbacks",  # somebody is to be called: at once, then by the time that was asked for
    "escalations",  # the undecided ones first, then the accepted
    "first_answers",  # no agent has answered yet, and the level of agreement says by when one has to
    "replied",  # mine in which the customer wrote last
    "waiting_parts",
]


class QueueCount(Answer):
    """How many cases are in a queue, up to 1,000."""

    queue: QueueName
    count: int
    is_lower_bound: bool = False


class QueuesAnswer(Answer):
    """`GET /agent/queues`."""

    items: list[QueueCount]


class AgentCaseQuery(ListQuery):
    """`GET /agent/cases`."""

    queue: QueueName = "open"
    company_id: UUID | None = None
    severity: Annotated[int, Field(ge=1, le=4)] | None = None
    turn: Literal["customer", "vendor"] | None = None
    pin: Pin | None = None
    q: Annotated[Searched, Field(description=_SEARCHED)] = ""


class Facet(Answer):
    """How many cases stand under one value."""

    value: str
    label: str
    count: int


class CasePassAnswer(Answer):
    """`GET /cases/{number}/pass`, between the services: a token for what others keep about the case."""

    token: str


class FacetsAnswer(Answer):
    """`GET /cases/facets`: counts under the same filters."""

    status: list[Facet]
    severity: list[Facet]
    site: list[Facet]
