"""Mails as the ledger keeps them; pure."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from services.notifications.domain.people import USER, Person
from services.notifications.kinds import CASE_MAILS, KINDS, Priority
from shared import text
from shared.schemas.notifications import MailKind

KEPT_FOR = timedelta(hours=48)


class MailState(StrEnum):
    """The state of a row of the ledger; the last three are final."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    SUPPRESSED = "suppressed"


class Reason(StrEnum):
    """Why a mail did not go out."""

    OPTED_OUT = "opted_out"
    DEACTIVATED = "deactivated"
    COMPANY_SUSPENDED = "company_suspended"
    BOUNCING = "bouncing"
    SAME_PERSON = "same_person"
    EXPIRED = "expired"
    TOO_MANY = "too_many"
    UNEXPECTED = "unexpected"

    @property
    def is_of_the_address(self) -> bool:
        """Whether the same person may get the mail at another address."""
        return self in (Reason.BOUNCING, Reason.TOO_MANY)


class NotToBeSentYet(Exception):
    """The user's copy has not come, so it is not known who they are."""


def mail_id(*, event_id: UUID, addressee: str, kind: MailKind) -> str:
    """The same event, addressee and kind give the same row, however often the event comes."""
    return hashlib.sha256(f"{event_id}|{addressee}|{kind}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Mail:
    """A row of the ledger: a person who should get an e-mail, and its outcome. It holds no secret."""

    id: str
    event_id: UUID
    kind: MailKind
    email: str
    name: str
    language: str
    company_id: UUID | None
    user_id: UUID | None
    facts: dict[str, Any]
    request_id: str
    expires_at: datetime | None = None
    case_id: UUID | None = None
    case_number: str | None = None
    caused_by: UUID | None = None
    state: MailState = MailState.QUEUED
    tries: int = 0
    unknown_outcomes: int = 0
    interruptions: int = 0  # how often a sender died with it
    stumbles: int = 0  # tries that ended in an unforeseen way
    reason: Reason | None = None
    smtp_reply: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    person: str | None = None  # whom it was for, by the key of a Person; written down before it is sent
    # All rows of its event, this one too. Of those for one person, the first whose address takes mail is sent.
    of_event: tuple[str, ...] = ()
    lease: UUID | None = None
    turn: int | None = None  # its company's, among those of its priority
    is_counted: bool = False  # among the mails to strangers
    is_expired: bool = False
    was_claimed: bool = False  # by a sender that died before it wrote the outcome
    was_interrupted: bool = False  # while it was sending

    @classmethod
    def to(
        cls,
        email: str,
        *,
        event_id: UUID,
        kind: MailKind,
        name: str,
        language: str,
        company_id: UUID | None,
        facts: dict[str, Any],
        request_id: str,
        user_id: UUID | None = None,
        expires_at: datetime | None = None,
        case_id: UUID | None = None,
        case_number: str | None = None,
        caused_by: UUID | None = None,
    ) -> Self:
        """A new row. A user counts once, however many addresses the event names for them."""
        address = email.strip().lower()
        return cls(
            id=mail_id(event_id=event_id, addressee=str(user_id or address), kind=kind),
            event_id=event_id,
            kind=kind,
            email=address,
            name=name,
            language=language,
            company_id=company_id,
            user_id=user_id,
            facts=facts,
            request_id=request_id,
            expires_at=expires_at,
            case_id=case_id,
            case_number=case_number,
            caused_by=caused_by,
        )

    @property
    def may_be_opted_out(self) -> bool:
        """Case mails may; account mails, which people need to get in, may not."""
        return self.kind in CASE_MAILS

    @property
    def before(self) -> tuple[str, ...]:
        """The rows of its event that are sent rather than this one, where they are for the same person."""
        return self.of_event[: self.of_event.index(self.id)] if self.id in self.of_event else ()

    @property
    def has_ended_unsent(self) -> bool:
        """Whether nobody gets it."""
        return self.state in (MailState.FAILED, MailState.SUPPRESSED)

    @property
    def priority(self) -> Priority:
        """How urgent it is."""
        return KINDS[self.kind].priority

    @property
    def link_id(self) -> UUID:
        """Names the row in its unsubscribe link: half of a hash is enough for that, and says nothing of the address."""
        return UUID(hex=self.id[:32])

    @property
    def recipient(self) -> Person:
        """Who got the mail, as it was written down before it was sent."""
        if self.user_id is not None:
            return Person.of_user(self.user_id, active=True)
        if self.person is not None and self.person.startswith(USER):
            return Person.of_user(UUID(self.person.removeprefix(USER)), active=True)
        return Person.of_address(self.email, self.company_id)


def storable(value: Any) -> Any:
    """The same with texts as `shared.text` has them: what the database could not keep, or no page could show, is gone.

    Everything that is written into the ledger goes through here.
    """
    if isinstance(value, str):
        return text.cleaned_anyhow(value, text.clean)
    if isinstance(value, dict):
        return {storable(name): storable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each) for each in value]
    return value
