"""The HTTP bodies of actions on a case, and the names of actions and of the entries that they write."""

from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, RootModel, model_validator

from shared.schemas.attachments import AttachmentIds
from shared.schemas.base import Address, Body, Cleaned, Phone, Pin, Request, Version, example, refuse_unless_one
from shared.schemas.case_parts import CallAt, ContactBody, Description, Severity, Title, WindowBody

# One long text of characters beyond the first plane, which take twelve bytes each where they are escaped.
_ACTION_BYTES = 160 * 1024
Comment = Annotated[str, Cleaned(least=1, most=10_000)]
Reason = Annotated[str, Cleaned(least=1, most=2_000)]
Answered = Annotated[str, Cleaned(most=2_000)]
OpenStatusName = Literal["in_progress", "waiting_customer", "waiting_parts"]
CaseActionName = Literal[
    "comment",
    "attach",
    "change_contact",
    "change_secondary_contact",
    "change_site",
    "change_parts_address",
    "change_severity",
    "request_callback",
    "change_callback",
    "cancel_callback",
    "request_escalation",
    "mark_confidential",
    "unmark_confidential",
    "close",
    "cancel",
    "reopen",
    "follow_up",
]
AgentActionName = Literal[
    "take",
    "assign",
    "reply",
    "note",
    "set_status",
    "confirm_callback",
    "finish_callback",
    "accept_escalation",
    "decline_escalation",
    "close",
]
EntryKindName = Literal[
    "created",
    "comment",
    "attached",
    "reply",
    "note",
    "taken",
    "assigned",
    "status_changed",
    "severity_changed",
    "closed",
    "cancelled",
    "reopened",
    "contact_changed",
    "secondary_contact_changed",
    "site_changed",
    "parts_address_changed",
    "callback_requested",
    "callback_changed",
    "callback_cancelled",
    "callback_confirmed",
    "callback_done",
    "escalation_requested",
    "escalation_accepted",
    "escalation_declined",
    "marked_confidential",
    "unmarked_confidential",
    "other",  # of a newer release: something has happened
]


class FitsAnyVersion(Request):
    """An action that fits whatever else happens to the case meanwhile: its `version` is accepted, and not tested."""

    version: Version | None = None


class MayNameVersion(Request):
    """Without its `version` it is done to the case as it is by then; with it, only while the case still has it."""

    version: Version | None = None


class CommentAction(FitsAnyVersion):
    """Adds a comment."""

    model_config = example(action="comment", text="It stopped again after ten sheets.")

    action: Literal["comment"]
    text: Comment
    attachment_ids: AttachmentIds = ()


class AttachAction(FitsAnyVersion):
    """Adds files without a text."""

    action: Literal["attach"]
    attachment_ids: Annotated[AttachmentIds, Field(min_length=1)]


class CloseAction(Request):
    """Ends the case."""

    action: Literal["close"]
    version: Version
    reason: Reason
    resolved: bool


class CancelAction(Request):
    """Ends the case without a solution."""

    action: Literal["cancel"]
    version: Version
    reason: Reason


class ReopenAction(Request):
    """Takes a closed case up again, within 14 days."""

    action: Literal["reopen"]
    version: Version
    reason: Reason


class ChangeSeverityAction(Request):
    """Sets another severity."""

    action: Literal["change_severity"]
    version: Version
    severity: Severity


class ChangeContactAction(Request):
    """Another person to call."""

    action: Literal["change_contact"]
    version: Version
    contact: ContactBody


class ChangeSecondaryContactAction(Request):
    """Another person to call where the contact cannot be reached; none without `contact`."""

    action: Literal["change_secondary_contact"]
    version: Version
    contact: ContactBody | None = None


class ChangeSiteAction(Request):
    """Another site of the company, or an address that is no site: exactly one of the two.

    The PIN of the case has to be valid there: 422 `pin_not_valid` names those that are, and `pin` takes one of them, or
    an empty text for none. Without `pin` it stays.
    """

    model_config = example(action="change_site", version=3, site_id="0198c0de-0000-7000-8000-000000000002")

    action: Literal["change_site"]
    version: Version
    site_id: UUID | None = None
    equipment_address: Address | None = None
    pin: Pin | Literal[""] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        refuse_unless_one(site_id=self.site_id, equipment_address=self.equipment_address)
        return self


class ChangePartsAddressAction(Request):
    """Where to send parts; without `parts_address` to the equipment."""

    action: Literal["change_parts_address"]
    version: Version
    parts_address: Address | None = None


class RequestCallbackAction(FitsAnyVersion):
    """Asks to be called: now, or within a window; 409 `callback_exists` while another call is awaited."""

    model_config = example(
        action="request_callback",
        at={"from": "2026-11-23T09:00:00Z", "to": "2026-11-23T11:00:00Z"},
        phone="+33 4 72 00 00 00",
    )

    action: Literal["request_callback"]
    at: CallAt = "now"
    phone: Phone


class ChangeCallbackAction(Request):
    """Another time or number to call; an agent confirms it anew."""

    action: Literal["change_callback"]
    version: Version
    at: CallAt
    phone: Phone


class CancelCallbackAction(MayNameVersion):
    """Nobody has to call any more."""

    action: Literal["cancel_callback"]


class RequestEscalationAction(FitsAnyVersion):
    """Asks for more attention; 409 `escalation_exists` while another request is undecided or was accepted."""

    model_config = example(action="request_escalation", reason="Production has stood still since Monday.")

    action: Literal["request_escalation"]
    reason: Reason


class MarkConfidentialAction(FitsAnyVersion):
    """Only its own people, the company's administrators and the vendor's side see the case."""

    action: Literal["mark_confidential"]


class UnmarkConfidentialAction(FitsAnyVersion):
    """Colleagues see the case again, as the company's settings say."""

    action: Literal["unmark_confidential"]


class FollowUpAction(FitsAnyVersion):
    """A new case that goes on from an ended or full one: 201 with the new case.

    It takes over what is not sent: title, severity, equipment, place, contacts, PIN and the address for parts.
    """

    model_config = example(action="follow_up", description="It jams again, now in tray 2, since this morning.")

    action: Literal["follow_up"]
    title: Title | None = None
    description: Description
    severity: Severity | None = None


CaseActionUnion = Annotated[
    CommentAction
    | AttachAction
    | ChangeContactAction
    | ChangeSecondaryContactAction
    | ChangeSiteAction
    | ChangePartsAddressAction
    | ChangeSeverityAction
    | RequestCallbackAction
    | ChangeCallbackAction
    | CancelCallbackAction
    | RequestEscalationAction
    | MarkConfidentialAction
    | UnmarkConfidentialAction
    | CloseAction
    | CancelAction
    | ReopenAction
    | FollowUpAction,
    Field(discriminator="action"),
]


class CaseAction(RootModel[CaseActionUnion], Body):
    """`POST /cases/{number}/actions`."""

    max_body_bytes: ClassVar[int] = _ACTION_BYTES


class TakeAction(FitsAnyVersion):
    """The agent becomes the assignee; 409 `already_taken` when somebody else is."""

    action: Literal["take"]


class AssignAction(Request):
    """Another agent becomes the assignee."""

    action: Literal["assign"]
    version: Version
    agent_id: UUID


class ReplyAction(FitsAnyVersion):
    """An answer that the customer sees; with a status, the case is in it as soon as the answer is there."""

    model_config = example(action="reply", text="Please print the event log.", status="waiting_customer")

    action: Literal["reply"]
    text: Comment
    attachment_ids: AttachmentIds = ()
    status: OpenStatusName | None = None


class NoteAction(FitsAnyVersion):
    """An internal note that never leaves the vendor's side."""

    action: Literal["note"]
    text: Comment
    attachment_ids: AttachmentIds = ()


class SetStatusAction(Request):
    """Moves an open case; 409 `case_new` from new to anything but in progress."""

    action: Literal["set_status"]
    version: Version
    status: OpenStatusName


class ConfirmCallbackAction(MayNameVersion):
    """Tells that the call will be made, within the window that was asked for or another one."""

    action: Literal["confirm_callback"]
    at: WindowBody | None = None


class FinishCallbackAction(MayNameVersion):
    """Tells that the call was made."""

    action: Literal["finish_callback"]
    text: Answered = ""


class AcceptEscalationAction(MayNameVersion):
    """The vendor gives the case more attention."""

    action: Literal["accept_escalation"]
    text: Answered = ""


class DeclineEscalationAction(MayNameVersion):
    """The vendor does not, and says why."""

    action: Literal["decline_escalation"]
    text: Reason


class AgentCloseAction(Request):
    """Ends the case with its resolution."""

    action: Literal["close"]
    version: Version
    resolution: Comment
    attachment_ids: AttachmentIds = ()


AgentActionUnion = Annotated[
    TakeAction
    | AssignAction
    | ReplyAction
    | NoteAction
    | SetStatusAction
    | ConfirmCallbackAction
    | FinishCallbackAction
    | AcceptEscalationAction
    | DeclineEscalationAction
    | AgentCloseAction,
    Field(discriminator="action"),
]


class AgentAction(RootModel[AgentActionUnion], Body):
    """`POST /agent/cases/{number}/actions`."""

    max_body_bytes: ClassVar[int] = _ACTION_BYTES
