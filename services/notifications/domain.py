"""Mails as the ledger keeps them, persons, preferences, and what an SMTP answer means; pure."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, Self
from uuid import UUID

from shared.errors import Refusal

KEPT_FOR = timedelta(hours=48)
USER_UNKNOWN_WAIT_S = 5.0

_FIRST_WAIT_S = 5.0
_LONGEST_WAIT_S = 600.0
_ACCEPTED = range(200, 300)
_REFUSED_FOR_NOW = range(400, 500)
_REFUSED = range(500, 600)
MOST_STUMBLES = 8  # some ten minutes after the first
_LONGEST_REPLY = 500
# Half letters, which come of bytes that are no UTF-8 and cannot be stored, and control characters.
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
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


class Priority(IntEnum):
    """What goes out first when mails wait: what somebody sits and waits for, then what lets them in, then news."""

    CODE = 0
    ACCESS = 1
    CASE = 2


_PRIORITIES = {MailKind.VERIFICATION_CODE: Priority.CODE, MailKind.INVITATION: Priority.ACCESS}


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
    TOO_MANY = "too_many"
    UNEXPECTED = "unexpected"


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
    caused_by: UUID | None = None
    state: MailState = MailState.QUEUED
    tries: int = 0
    unknown_outcomes: int = 0
    interruptions: int = 0  # how often a sender died with it
    stumbles: int = 0  # tries that ended in what nobody had foreseen
    reason: Reason | None = None
    smtp_reply: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    person: str | None = None  # whom it was for, by the key of a Person; written down before it is sent
    lease: UUID | None = None
    turn: int | None = None  # its company's, among those of its priority
    is_counted: bool = False  # among the mails to strangers
    is_expired: bool = False
    was_claimed: bool = False  # by a sender that did not say what became of it
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
        """Case mails may; what somebody needs to get in may not."""
        return self.kind in CASE_KINDS

    @property
    def priority(self) -> Priority:
        """How urgent it is."""
        return _PRIORITIES.get(self.kind, Priority.CASE)

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
    is_stranger: bool = False  # nobody signs in with the address, so it may be anybody's

    @classmethod
    def of_user(
        cls,
        user_id: UUID,
        *,
        active: bool,
        language: str | None = None,
        time_zone: str | None = None,
        is_stranger: bool = False,
    ) -> Self:
        """A user, whatever the address."""
        return cls(f"{_USER}{user_id}", user_id, active, language, time_zone, is_stranger)

    @classmethod
    def of_address(
        cls, email: str, company_id: UUID | None, *, time_zone: str | None = None, is_stranger: bool = True
    ) -> Self:
        """Nobody's address of this company that we know of; its zone is the company's."""
        return cls(f"address:{company_id}:{email}", time_zone=time_zone, is_stranger=is_stranger)


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
    START = "start"  # of the content: the server is asked whether it wants it
    DATA = "data"  # the content is on its way


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try. `state` QUEUED means: again later."""

    state: MailState
    reply: str
    bounced: bool = False
    is_unknown: bool = False  # the server may or may not have taken the mail
    is_stumble: bool = False  # nobody had foreseen it
    reason: Reason | None = None

    def without_reply(self) -> "Outcome":
        """What is left to write down when the answer itself cannot be stored."""
        return replace(self, reply="", bounced=False)

    def after(self, mail: Mail) -> "Outcome":
        """The same, but for the last of too many stumbles: that one is final."""
        if not self.is_stumble or self.state is not MailState.QUEUED or mail.stumbles + 1 < MOST_STUMBLES:
            return self
        return replace(self, state=MailState.FAILED, reason=Reason.UNEXPECTED)


def is_accepted(code: int) -> bool:
    """Whether a server's answer is a yes, whichever."""
    return code in _ACCEPTED


def is_refusal(code: int) -> bool:
    """Whether a server's answer is a no, for now or for ever."""
    return code in _REFUSED_FOR_NOW or code in _REFUSED


def storable(value: Any) -> Any:
    """The same without what the database could not keep, or no page could show: each such letter becomes one `\ufffd`.

    Everything that is written into the ledger goes through here.
    """
    if isinstance(value, str):
        return _UNREADABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {storable(name): storable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each) for each in value]
    return value


def _reply(code: int, text: str) -> str:
    return _short(f"{code} {text}")


def _short(text: str) -> str:
    # Cleaned before it is cut, so that words are told apart by blanks only.
    return " ".join(str(storable(text)).split())[:_LONGEST_REPLY]


def outcome_of_success(code: int, text: str) -> Outcome:
    """The server has taken the mail over."""
    return Outcome(MailState.SENT, _reply(code, text))


def outcome_of_refusal(stage: Stage, code: int, text: str) -> Outcome:
    """The server said no to the recipient or the content for ever (5xx), or for now.

    A refused sender is a mistake in the settings, here or there: what waits goes out once somebody has mended it. What
    is neither yes nor no (3xx, no number) says nothing: after the content nobody knows whether the mail was taken.
    """
    if code not in _REFUSED or stage is Stage.SENDER:
        is_unknown = stage is Stage.DATA and not is_refusal(code)
        return Outcome(MailState.QUEUED, _reply(code, text), is_unknown=is_unknown)
    bounced = stage is Stage.RECIPIENT and _NO_SUCH_RECIPIENT.match(text) is not None
    return Outcome(MailState.FAILED, _reply(code, text), bounced=bounced)


def outcome_of_lost_connection(stage: Stage, text: str) -> Outcome:
    """No answer at all: once the mail's content was on its way, nobody knows."""
    return Outcome(MailState.QUEUED, _short(text), is_unknown=stage is Stage.DATA)


def outcome_of_stumble(stage: Stage, error: BaseException) -> Outcome:
    """Something that nobody had foreseen, by its name only: what it says may hold anything."""
    return Outcome(MailState.QUEUED, type(error).__name__, is_unknown=stage is Stage.DATA, is_stumble=True)


def wait_s(tries: int, *, unknown: int = 0) -> float:
    """Seconds until the next try: 5 after the first, twice as many each time, at most 10 minutes.

    Each of `unknown` outcomes may have been a copy more, so that wait grows without an end: some 15 copies in 48 hours.
    """
    wait = min(_FIRST_WAIT_S * 2.0 ** min(tries - 1, 20), _LONGEST_WAIT_S)
    return max(wait, _FIRST_WAIT_S * 2.0 ** min(unknown - 1, 20)) if unknown else wait
