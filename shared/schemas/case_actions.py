"""The HTTP bodies of actions on a case, and the names of actions and of the entries that they write."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, RootModel

from shared.schemas.attachments import AttachmentIds
from shared.schemas.base import Body, Cleaned, Request, Version, Whole, example

# One long text of characters beyond the first plane, which take twelve bytes each where they are escaped.
_ACTION_BYTES = 160 * 1024
Comment = Annotated[str, Cleaned(least=1, most=10_000)]
Reason = Annotated[str, Cleaned(least=1, most=2_000)]
Severity = Annotated[Whole, Field(ge=1, le=4)]
OpenStatusName = Literal["in_progress", "waiting_customer", "waiting_parts"]
CaseActionName = Literal["comment", "attach", "change_severity", "close", "cancel", "reopen"]
AgentActionName = Literal["take", "assign", "reply", "note", "set_status", "close"]
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
]


class _FitsAnyVersion(Request):
    """An action that fits whatever else happens to the case meanwhile: its `version` is accepted, and not tested."""

    version: Version | None = None


class CommentAction(_FitsAnyVersion):
    """Adds a comment."""

    model_config = example(action="comment", text="It stopped again after ten sheets.")

    action: Literal["comment"]
    text: Comment
    attachment_ids: AttachmentIds = ()


class AttachAction(_FitsAnyVersion):
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


CaseActionUnion = Annotated[
    CommentAction | AttachAction | ChangeSeverityAction | CloseAction | CancelAction | ReopenAction,
    Field(discriminator="action"),
]


class CaseAction(RootModel[CaseActionUnion], Body):
    """`POST /cases/{number}/actions`."""

    max_body_bytes: ClassVar[int] = _ACTION_BYTES


class TakeAction(_FitsAnyVersion):
    """The agent becomes the assignee; 409 `already_taken` when somebody else is."""

    action: Literal["take"]


class AssignAction(Request):
    """Another agent becomes the assignee."""

    action: Literal["assign"]
    version: Version
    agent_id: UUID


class ReplyAction(_FitsAnyVersion):
    """An answer that the customer sees; with a status, the case is in it as soon as the answer is there."""

    model_config = example(action="reply", text="Please print the event log.", status="waiting_customer")

    action: Literal["reply"]
    text: Comment
    attachment_ids: AttachmentIds = ()
    status: OpenStatusName | None = None


class NoteAction(_FitsAnyVersion):
    """An internal note that never leaves the vendor's side."""

    action: Literal["note"]
    text: Comment
    attachment_ids: AttachmentIds = ()


class SetStatusAction(Request):
    """Moves an open case; 409 `case_new` from new to anything but in progress."""

    action: Literal["set_status"]
    version: Version
    status: OpenStatusName


class AgentCloseAction(Request):
    """Ends the case with its resolution."""

    action: Literal["close"]
    version: Version
    resolution: Comment
    attachment_ids: AttachmentIds = ()


AgentActionUnion = Annotated[
    TakeAction | AssignAction | ReplyAction | NoteAction | SetStatusAction | AgentCloseAction,
    Field(discriminator="action"),
]


class AgentAction(RootModel[AgentActionUnion], Body):
    """`POST /agent/cases/{number}/actions`."""

    max_body_bytes: ClassVar[int] = _ACTION_BYTES
