"""The table of e-mails: one row for each kind. Handlers, preferences, labels, links and priorities follow from it.

The names are part of the API and stand in `shared.schemas.notifications`. The template of a kind has the kind's name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from shared.codes import Purpose, digit_code, link_code
from shared.events.base import Event
from shared.events.cases import CaseClosed, CaseCreated, CaseFact
from shared.events.identity import AccountFact, InvitationIssued, VerificationRequested
from shared.schemas.notifications import MailKind


class Priority(IntEnum):
    """Which waiting mails go first: codes that somebody waits for, then what gives access, then news."""

    CODE = 0
    ACCESS = 1
    CASE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountMail:
    """Goes to the one address that the event names. Nobody can opt out of it, because people need it to get in.

    The mail holds a code, or a link with a code: `derive` makes it from the id in the event's field `code_for`.
    """

    event: type[AccountFact]
    purpose: Purpose
    derive: Callable[[str, Purpose, UUID, int], str]
    code_for: str
    path: str  # of the page that the mail links to; `{code}` stands for the code
    priority: Priority = Priority.ACCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseMail:
    """Goes to everybody who is named on the case. People can opt out of each kind, and of all kinds together."""

    event: type[CaseFact]
    caused_by: str  # the event's field with the user whose action caused the mail
    label: str  # of its switch on the profile page
    stop_label: str  # of the link that stops this kind
    priority: Priority = Priority.CASE


ACCOUNT_MAILS: Mapping[MailKind, AccountMail] = {
    "invitation": AccountMail(
        event=InvitationIssued,
        purpose=Purpose.INVITATION,
        derive=link_code,
        code_for="invitation_id",
        path="/invitations/{code}",
    ),
    "verification_code": AccountMail(
        event=VerificationRequested,
        purpose=Purpose.VERIFICATION,
        derive=digit_code,
        code_for="verification_id",
        path="/verify",
        priority=Priority.CODE,
    ),
}
CASE_MAILS: Mapping[MailKind, CaseMail] = {
    "case_created": CaseMail(
        event=CaseCreated,
        caused_by="created_by",
        label="A case was created",
        stop_label="Stop e-mails about new cases",
    ),
    "case_closed": CaseMail(
        event=CaseClosed,
        caused_by="closed_by",
        label="A case was closed or cancelled",
        stop_label="Stop e-mails about closed cases",
    ),
}
KINDS: Mapping[MailKind, AccountMail | CaseMail] = {**ACCOUNT_MAILS, **CASE_MAILS}
KIND_OF: Mapping[type[Event], MailKind] = {row.event: kind for kind, row in KINDS.items()}
