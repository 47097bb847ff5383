"""What a case is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from services.cases.attachments.domain.files import AttachedFile
from shared.actor import Actor
from shared.coverage import Coverage
from shared.idempotency import IdempotencyKey


class Status(StrEnum):
    """Where a case stands."""

    NEW = "new"
    IN_PROGRESS = "in_progress"
    WAITING_CUSTOMER = "waiting_customer"
    WAITING_PARTS = "waiting_parts"
    CLOSED = "closed"
    CANCELLED = "cancelled"


OPEN = frozenset({Status.NEW, Status.IN_PROGRESS, Status.WAITING_CUSTOMER, Status.WAITING_PARTS})


def turn_of(status: Status) -> Literal["customer", "vendor"] | None:
    """Which side has to act next, or None once the case has ended."""
    if status not in OPEN:
        return None
    return "customer" if status is Status.WAITING_CUSTOMER else "vendor"


@dataclass(frozen=True, slots=True)
class Person:
    """A user on a case, as known when it was written."""

    user_id: UUID
    name: str
    email: str
    language: str = "en"

    @property
    def told(self) -> Mapping[str, object]:
        """As the API names its parts."""
        return {"user_id": self.user_id, "name": self.name}


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody to call; `user_id` is fixed when the contact is written, never matched again later."""

    first_name: str
    last_name: str
    email: str
    phone: str
    language: str | None = None
    user_id: UUID | None = None

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True, slots=True)
class PostalAddress:
    """An address as it was when it was written."""

    company_name: str
    address_line_1: str
    city: str
    postal_code: str
    country: str
    address_line_2: str = ""
    region: str = ""

    @property
    def line(self) -> str:
        """All of it in one line."""
        city = f"{self.postal_code} {self.city}"
        parts = (self.company_name, self.address_line_1, self.address_line_2, city, self.region, self.country)
        return ", ".join(filter(None, parts))


@dataclass(frozen=True, slots=True)
class Place:
    """Where the equipment is, with the PIN that is valid there; without a site, an address of its own."""

    site_id: UUID | None
    site_name: str
    address: PostalAddress
    pin: str | None
    pin_instructions: str

    @property
    def name(self) -> str:
        """What people call it."""
        return self.site_name or self.address.line


def written(time: datetime) -> str:
    """As the API writes it."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when to call."""

    start: datetime
    end: datetime

    @property
    def interval(self) -> str:
        """As ISO 8601 writes it."""
        return f"{written(self.start)}/{written(self.end)}"


@dataclass(frozen=True, slots=True)
class Callback:
    """A call that somebody waits for, within a window or (None) as soon as possible; agents sort them by `due_at`."""

    window: Window | None
    due_at: datetime
    phone: str
    requested_by: Person
    requested_at: datetime
    confirmed_at: datetime | None = None

    @property
    def at(self) -> str:
        """When to call, as the history tells it."""
        return self.window.interval if self.window else "now"

    @property
    def told(self) -> Mapping[str, object]:
        """As the API names its parts."""
        return {
            "at": None if self.window else "now",
            "from": written(self.window.start) if self.window else None,
            "to": written(self.window.end) if self.window else None,
            "phone": self.phone,
            "requested_by": self.requested_by.told,
            "requested_at": written(self.requested_at),
            "confirmed_at": written(self.confirmed_at) if self.confirmed_at else None,
        }


class EscalationState(StrEnum):
    """What became of a request for more attention."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Escalation:
    """A request for more attention, and the answer to it."""

    state: EscalationState
    reason: str
    requested_by: Person
    requested_at: datetime
    decided_by: Person | None = None
    decided_at: datetime | None = None
    answer: str = ""

    @property
    def told(self) -> Mapping[str, object]:
        """As the API names its parts."""
        return {
            "state": self.state.value,
            "reason": self.reason,
            "requested_by": self.requested_by.told,
            "requested_at": written(self.requested_at),
            "decided_by": self.decided_by.told if self.decided_by else None,
            "decided_at": written(self.decided_at) if self.decided_at else None,
            "answer": self.answer,
        }


Changes = Mapping[str, str | int | bool | None]


class EntryKind(StrEnum):
    """What happened, as an entry of a case's history tells it."""

    CREATED = "created"
    COMMENT = "comment"
    ATTACHED = "attached"
    REPLY = "reply"
    NOTE = "note"
    TAKEN = "taken"
    ASSIGNED = "assigned"
    STATUS_CHANGED = "status_changed"
    SEVERITY_CHANGED = "severity_changed"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    REOPENED = "reopened"
    CONTACT_CHANGED = "contact_changed"
    SECONDARY_CONTACT_CHANGED = "secondary_contact_changed"
    SITE_CHANGED = "site_changed"
    PARTS_ADDRESS_CHANGED = "parts_address_changed"
    CALLBACK_REQUESTED = "callback_requested"
    CALLBACK_CHANGED = "callback_changed"
    CALLBACK_CANCELLED = "callback_cancelled"
    CALLBACK_CONFIRMED = "callback_confirmed"
    CALLBACK_DONE = "callback_done"
    ESCALATION_REQUESTED = "escalation_requested"
    ESCALATION_ACCEPTED = "escalation_accepted"
    ESCALATION_DECLINED = "escalation_declined"
    MARKED_CONFIDENTIAL = "marked_confidential"
    UNMARKED_CONFIDENTIAL = "unmarked_confidential"
    OTHER = "other"  # what a newer replica has written: this one never writes it

    @classmethod
    def _missing_(cls, _value: object) -> "EntryKind":
        return cls.OTHER


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a case's history. `digest` tells a repeated request from another one with the same key."""

    id: UUID
    kind: EntryKind
    at: datetime
    by: Person
    by_vendor: bool
    text: str = ""
    internal: bool = False
    changes: Changes | None = None
    digest: str | None = None
    attachments: tuple[AttachedFile, ...] = ()
    # The version of the case with this entry; the store sets it. An internal entry leaves the case at the version
    # before. None in entries that were written before entries had one.
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes a case, when, and with which idempotency key."""

    by: Actor
    at: datetime
    key: IdempotencyKey

    def entry(
        self, kind: EntryKind, *, text: str = "", changes: Changes | None = None, internal: bool = False
    ) -> Entry:
        """The history entry of this change. Its id is the key's, so that a repeated request is found."""
        return Entry(
            id=self.key.id,
            kind=kind,
            at=self.at,
            by=person_of(self.by),
            by_vendor=self.by.is_vendor,
            text=text,
            internal=internal,
            changes=changes,
            digest=self.key.digest,
        )


@dataclass(frozen=True, slots=True)
class Equipment:
    """What the case is about, and what covered it."""

    product_name: str
    product_number: str | None
    serial: str | None
    said: str | None
    agreement_ids: tuple[UUID, ...]
    coverage: Coverage
    product_line: str = ""
    serial_label: str | None = None  # as it stands on the device, or as it was typed; none in cases from before

    @property
    def label(self) -> str | None:
        """The serial number as people are shown it."""
        return self.serial_label or self.serial


@dataclass(frozen=True, slots=True)
class Problem:
    """What was typed about the problem."""

    title: str
    description: str
    severity: int
    troubleshooting: str = ""
    problem_type: str = ""
    error_code: str = ""
    operating_system: str = ""
    own_reference: str = ""
    preferred_channel: str = "phone"
    preferred_hours: str = ""


def person_of(actor: Actor) -> Person:
    """The actor as somebody on a case."""
    return Person(actor.user_id, actor.name, actor.email, actor.language)
