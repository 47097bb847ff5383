"""Mails as the ledger keeps them, persons, preferences, and what an SMTP answer means; pure."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from shared.errors import Refusal

KEPT_FOR = timedelta(hours=48)
USER_UNKNOWN_WAIT_S = 5.0

_FIRST_WAIT_S = 5.0
_LONGEST_WAIT_S = 600.0
_PERMANENT = 500
# 5.1.7 and 5.1.8 complain about the sender's address (RFC 3463), as does Postfix by 5.1.0, which it says where the
# recipient is named: they say nothing about the recipient.
_NO_SUCH_RECIPIENT = re.compile(r"5\.1\.(?![078]\b)\d{1,3}\b")


class MailKind(StrEnum):
    """What a mail is about."""

    INVITATION = "invitation"
    VERIFICATION_CODE = "verification_code"
    CASE_CREATED = "case_created"
    CASE_CLOSED = "case_closed"


CASE_KINDS = (MailKind.CASE_CREATED, MailKind.CASE_CLOSED)


class MailState(StrEnum):
    """Where a row of the ledger stands; the last three are final."""

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


class NotToBeSent(Refusal):
    """A rule keeps this mail from going out."""

    code = "not_to_be_sent"

    def __init__(self, reason: Reason) -> None:
        """The reason goes into the ledger."""
        super().__init__(reason)
        self.reason = reason


class NotToBeSentYet(Refusal):
    """The user's copy has not come: who they are, and whether they are active, is not known."""

    code = "not_to_be_sent_yet"


class UnusableAddress(Refusal):
    """No mail server could be told this address."""

    code = "unusable_address"
    title = "This is no address that a mail can be sent to."


def mail_id(*, event_id: UUID, addressee: str, kind: MailKind) -> str:
    """The same event, addressee and kind give the same row, however often the event comes."""
    return hashlib.sha256(f"{event_id}|{addressee}|{kind}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Mail:
    """A row of the ledger: somebody who should be told something, and what came of it. Nothing in it is secret."""

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
    state: MailState = MailState.QUEUED
    tries: int = 0
    unknown_outcomes: int = 0
    reason: Reason | None = None
    smtp_reply: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    person: str | None = None  # whom it was for, by the key of a Person; written down before it is sent
    lease: UUID | None = None
    is_expired: bool = False
    was_interrupted: bool = False

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
        )

    @property
    def may_be_opted_out(self) -> bool:
        """Case mails may; what somebody needs to get in may not."""
        return self.kind in CASE_KINDS

    @property
    def link_id(self) -> UUID:
        """Names the row in its unsubscribe link: half of a hash is enough for that, and says nothing of the address."""
        return UUID(hex=self.id[:32])

    @property
    def told(self) -> "Person":
        """Whom the mail was for when it was sent."""
        if self.user_id is not None:
            return Person.of_user(self.user_id, active=True)
        if self.person is not None and self.person.startswith(_USER):
            return Person.of_user(UUID(self.person.removeprefix(_USER)), active=True)
        return Person.of_address(self.email, self.company_id)


_USER = "user:"


@dataclass(frozen=True, slots=True)
class Person:
    """Who gets a mail: a user, or an address of a company that is no user's; and how they read, where we know it."""

    key: str
    user_id: UUID | None = None
    active: bool = True
    language: str | None = None
    time_zone: str | None = None

    @classmethod
    def of_user(cls, user_id: UUID, *, active: bool, language: str | None = None, time_zone: str | None = None) -> Self:
        """A user, whatever the address."""
        return cls(f"{_USER}{user_id}", user_id, active, language, time_zone)

    @classmethod
    def of_address(cls, email: str, company_id: UUID | None, *, time_zone: str | None = None) -> Self:
        """Nobody's address that we know of; its zone is the company's."""
        return cls(f"address:{company_id}:{email}", time_zone=time_zone)


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a person wants to be told; opted in unless they said otherwise."""

    case_emails: bool = True
    kinds: Mapping[str, bool] = field(default_factory=dict)

    def allow(self, kind: MailKind) -> bool:
        """The main switch governs case mails; each kind has its own below it."""
        if kind not in CASE_KINDS:
            return True
        return self.case_emails and self.kinds.get(kind, True)

    @property
    def refused(self) -> tuple[MailKind, ...]:
        """The kinds that are switched off."""
        return tuple(kind for kind in CASE_KINDS if not self.allow(kind))

    def joined(self, other: "Preferences") -> "Preferences":
        """What both allow."""
        kinds = {**self.kinds, **{kind: on and self.kinds.get(kind, True) for kind, on in other.kinds.items()}}
        return Preferences(self.case_emails and other.case_emails, kinds)


def masked(email: str) -> str:
    """Enough for its owner to know it by, too little for whoever got the mail passed on."""
    local, _, host = email.rpartition("@")
    return f"{local[:1]}…@{host}"


class Stage(StrEnum):
    """How far a conversation with the mail server had come when the answer was given."""

    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try. `state` QUEUED means: again later."""

    state: MailState
    reply: str
    bounced: bool = False
    is_unknown: bool = False  # the server may or may not have taken the mail


def _reply(code: int, text: str) -> str:
    return f"{code} {' '.join(text.split())}"[:500]


def outcome_of_success(code: int, text: str) -> Outcome:
    """The server has taken the mail over."""
    return Outcome(MailState.SENT, _reply(code, text))


def outcome_of_refusal(stage: Stage, code: int, text: str) -> Outcome:
    """The server said no to the recipient or the content for ever (5xx), or for now.

    A refused sender is a mistake in the settings, here or there: what waits goes out once somebody has mended it.
    """
    if code < _PERMANENT or stage is Stage.SENDER:
        return Outcome(MailState.QUEUED, _reply(code, text))
    bounced = stage is Stage.RECIPIENT and _NO_SUCH_RECIPIENT.match(text) is not None
    return Outcome(MailState.FAILED, _reply(code, text), bounced=bounced)


def outcome_of_lost_connection(stage: Stage, text: str) -> Outcome:
    """No answer at all: once the mail's content was on its way, nobody knows."""
    return Outcome(MailState.QUEUED, text[:500], is_unknown=stage is Stage.DATA)


def wait_s(tries: int) -> float:
    """Seconds until the next try: 5 after the first, twice as many each time, at most 10 minutes."""
    return min(_FIRST_WAIT_S * 2.0 ** min(tries - 1, 20), _LONGEST_WAIT_S)
