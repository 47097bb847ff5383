"""A case and what may be done to it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, Self, TypedDict
from uuid import UUID

from services.cases.attachments.domain.files import AttachedFile
from services.cases.cases.domain.pins import Pin
from services.cases.cases.domain.refusals import CaseIsClosed, CaseIsNew, CaseIsOpen, ReopenTooLate
from services.cases.cases.domain.values import (
    OPEN,
    Contact,
    Entry,
    Equipment,
    Person,
    PostalAddress,
    Problem,
    Status,
    person_of,
    turn_of,
)
from shared.actor import Actor, Role
from shared.coverage import Verdict
from shared.errors import Forbidden, Invalid
from shared.events.base import Addressee, Event, Relation
from shared.events.cases import CaseChanged, CaseClosed, CaseCreated

REOPEN_WITHIN = timedelta(days=14)
MAX_ENTRIES = 1_000
# Every entry writes the whole document anew, at most this long; changes of the state fit into what MongoDB allows.
MAX_BYTES = 2 * 1024 * 1024


class _Fact(TypedDict):
    at: datetime
    version: int
    case_id: UUID
    number: str
    company_id: UUID
    title: str
    product_name: str
    serial: str | None
    site_name: str
    people: tuple[Addressee, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One support request. `new_entries` holds only what a change adds to the history."""

    id: UUID
    number: str
    company_id: UUID
    company_name: str
    problem: Problem
    equipment: Equipment
    submitter: Person
    owner: Person
    contact: Contact
    secondary_contact: Contact | None
    site_id: UUID | None
    site_name: str
    equipment_address: PostalAddress
    parts_address: PostalAddress | None
    confidential: bool
    pin: str | None = None
    pin_instructions: str = ""  # for agents only, as they were when the case was written
    status: Status
    assignee: Person | None = None
    created_by: UUID
    created_at: datetime
    updated_at: datetime
    turn_since: datetime | None
    closed_at: datetime | None = None
    resolution: str | None = None
    resolved: bool | None = None
    own_ids: tuple[UUID, ...]  # owner, contact and secondary contact, as far as they are users
    version: int = 1
    events: tuple[Event, ...] = ()
    new_entries: tuple[Entry, ...] = ()

    @classmethod
    def submit(  # a case has this many parts
        cls,
        *,
        case_id: UUID,
        number: str,
        by: Actor,
        submitter: Person,
        company_id: UUID,
        company_name: str,
        problem: Problem,
        equipment: Equipment,
        contact: Contact,
        secondary_contact: Contact | None,
        site_id: UUID | None,
        site_name: str,
        equipment_address: PostalAddress,
        parts_address: PostalAddress | None,
        confidential: bool,
        digest: str,
        now: datetime,
        pin: Pin | None = None,
    ) -> Self:
        """A new case; carries CaseCreated and CaseChanged."""
        if by.user_id != submitter.user_id:
            _refuse_for_colleague(by, site_id=site_id, confidential=confidential)
        own = (submitter.user_id, contact.user_id, secondary_contact.user_id if secondary_contact else None)
        case = cls(
            id=case_id,
            number=number,
            company_id=company_id,
            company_name=company_name,
            problem=problem,
            equipment=equipment,
            submitter=submitter,
            owner=submitter,
            contact=contact,
            secondary_contact=secondary_contact,
            site_id=site_id,
            site_name=site_name,
            equipment_address=equipment_address,
            parts_address=parts_address,
            confidential=confidential,
            pin=pin.pin if pin else None,
            pin_instructions=pin.instructions if pin else "",
            status=Status.NEW,
            created_by=by.user_id,
            created_at=now,
            updated_at=now,
            turn_since=now,
            own_ids=tuple(dict.fromkeys(user_id for user_id in own if user_id is not None)),
            new_entries=(Entry(case_id, "created", now, person_of(by), by.is_vendor, digest=digest),),
        )
        created = CaseCreated(**case._fact(now, case.version), severity=problem.severity, created_by=by.user_id)
        return replace(case, events=(created, case.changed_event(version=case.version, now=now)))

    @property
    def is_open(self) -> bool:
        """Neither closed nor cancelled."""
        return self.status in OPEN

    @property
    def turn(self) -> Literal["customer", "vendor"] | None:
        """Whose move it is; nobody's once it has ended."""
        return turn_of(self.status)

    def with_files(self, files: tuple[AttachedFile, ...]) -> "Case":
        """The same new case; its first entry cites these files."""
        first, *others = self.new_entries
        return replace(self, new_entries=(replace(first, attachments=files), *others))

    # Rights

    def may_change(self, actor: Actor) -> bool:
        """Whoever sees the case may read it; this is about changing it."""
        if actor.role is Role.MEMBER:
            return actor.user_id == self.owner.user_id
        return actor.is_vendor or actor.company_id == self.company_id

    def may_comment(self, actor: Actor) -> bool:
        """A member comments on the own cases, everybody else on all that they see."""
        return self.may_change(actor) or actor.user_id in self.own_ids

    def allowed_actions(self, actor: Actor, *, now: datetime) -> list[str]:
        """What this actor may do now, by the names of the API."""
        if not self.is_open:
            reopenable = self.may_change(actor) and self._reopenable(now)
            return ["reopen"] if reopenable else []
        actions = ["comment", "attach"] if self.may_comment(actor) else []
        if self.may_change(actor):
            actions += ["change_severity", "close", "cancel"]
        if actor.is_vendor:
            actions += ["take"] if self.assignee is None else []
            actions += ["assign", "reply", "note", "set_status"]
        return actions

    def refuse_unless_commentable(self, by: Actor) -> None:
        """Forbidden or CaseIsClosed."""
        if not self.may_comment(by):
            raise Forbidden
        if not self.is_open:
            raise CaseIsClosed

    # Changes

    def close(
        self,
        *,
        by: Actor,
        reason: str,
        resolved: bool | None,
        outcome: Status,
        entry_id: UUID,
        digest: str,
        now: datetime,
    ) -> "Case":
        """Ends the case as closed or cancelled; carries CaseClosed."""
        self._refuse_unless_changeable(by)
        closed = CaseClosed(
            **self._fact(now, self.version + 1),
            outcome="closed" if outcome is Status.CLOSED else "cancelled",
            closed_by=by.user_id,
            closed_by_name=by.name,
            reason=reason,
            resolved=resolved,
        )
        entry = Entry(entry_id, outcome.value, now, person_of(by), by.is_vendor, text=reason, digest=digest)
        ended = replace(self, closed_at=now, resolution=reason, resolved=resolved, events=(*self.events, closed))
        return ended._after(entry, status=outcome)

    def reopen(self, *, by: Actor, reason: str, entry_id: UUID, digest: str, now: datetime) -> "Case":
        """Takes a closed case up again."""
        if not self.may_change(by):
            raise Forbidden
        if self.is_open:
            raise CaseIsOpen
        if not self._reopenable(now):
            raise ReopenTooLate
        entry = Entry(entry_id, "reopened", now, person_of(by), by.is_vendor, text=reason, digest=digest)
        opened = replace(self, closed_at=None, resolution=None, resolved=None)
        return opened._after(entry, status=Status.IN_PROGRESS)

    def change_severity(self, severity: int, *, by: Actor, entry_id: UUID, digest: str, now: datetime) -> "Case":
        """Sets another severity."""
        self._refuse_unless_changeable(by)
        changes = {"from": self.problem.severity, "to": severity}
        entry = Entry(entry_id, "severity_changed", now, person_of(by), by.is_vendor, changes=changes, digest=digest)
        return replace(self, problem=replace(self.problem, severity=severity))._after(entry, status=self.status)

    def set_status(self, status: Status, *, by: Actor, entry_id: UUID, digest: str, now: datetime) -> "Case":
        """Moves an open case; the vendor's move."""
        self._refuse_unless_vendor(by)
        self._refuse_unless_open()
        if self.status is Status.NEW and status is not Status.IN_PROGRESS:
            raise CaseIsNew
        changes = {"from": self.status.value, "to": status.value}
        entry = Entry(entry_id, "status_changed", now, person_of(by), by_vendor=True, changes=changes, digest=digest)
        return self._after(entry, status=status)

    def assign(self, agent: Person, *, by: Actor, entry_id: UUID, digest: str, now: datetime) -> "Case":
        """Gives the case to an agent."""
        self._refuse_unless_vendor(by)
        self._refuse_unless_open()
        entry = Entry(
            entry_id, "assigned", now, person_of(by), by_vendor=True, changes={"to": agent.name}, digest=digest
        )
        status = Status.IN_PROGRESS if self.status is Status.NEW else self.status
        return replace(self, assignee=agent)._after(entry, status=status)

    def with_coverage(self, equipment: Equipment) -> "Case":
        """The verdict that came once the device was known; nothing else of the case changes."""
        if self.equipment.coverage.verdict is not Verdict.UNVERIFIED:
            return self
        verified = replace(self, equipment=equipment)
        return replace(
            verified, events=(*self.events, verified.changed_event(version=self.version + 1, now=self.updated_at))
        )

    # How changes are put together

    def _after(self, entry: Entry, *, status: Status) -> "Case":
        turn_before = self.turn
        changed = replace(
            self,
            status=status,
            updated_at=entry.at,
            new_entries=(*self.new_entries, entry),
        )
        if changed.turn != turn_before:
            changed = replace(changed, turn_since=entry.at if changed.turn else None)
        if changed.is_open != self.is_open:
            changed = replace(
                changed, events=(*changed.events, changed.changed_event(version=self.version + 1, now=entry.at))
            )
        return changed

    def _refuse_unless_open(self) -> None:
        if not self.is_open:
            raise CaseIsClosed

    def _refuse_unless_changeable(self, by: Actor) -> None:
        if not self.may_change(by):
            raise Forbidden
        self._refuse_unless_open()

    @staticmethod
    def _refuse_unless_vendor(by: Actor) -> None:
        if not by.is_vendor:
            raise Forbidden

    def _reopenable(self, now: datetime) -> bool:
        return self.status is Status.CLOSED and self.closed_at is not None and now - self.closed_at <= REOPEN_WITHIN

    def changed_event(self, *, version: int, now: datetime) -> CaseChanged:
        """What others copy of it."""
        return CaseChanged(
            at=now,
            version=version,
            case_id=self.id,
            number=self.number,
            company_id=self.company_id,
            is_open=self.is_open,
            serial=self.equipment.serial,
            agreement_ids=self.equipment.agreement_ids,
        )

    def _fact(self, at: datetime, version: int) -> _Fact:
        return {
            "at": at,
            "version": version,
            "case_id": self.id,
            "number": self.number,
            "company_id": self.company_id,
            "title": self.problem.title,
            "product_name": self.equipment.product_name,
            "serial": self.equipment.serial,
            "site_name": self.site_name,
            "people": self.people,
        }

    @property
    def people(self) -> tuple[Addressee, ...]:
        """Whom something about this case may concern."""
        return (
            self._addressee("submitter", self.submitter),
            self._addressee("owner", self.owner),
            self._addressee("contact", self.contact),
            *([self._addressee("secondary_contact", self.secondary_contact)] if self.secondary_contact else []),
        )

    def _addressee(self, relation: Relation, person: Person | Contact) -> Addressee:
        return Addressee(
            relation=relation,
            user_id=person.user_id,
            name=person.name,
            email=person.email,
            # Whoever is known by an address only most likely speaks as those who named them.
            language=person.language or self.submitter.language,
        )


def _refuse_for_colleague(by: Actor, *, site_id: UUID | None, confidential: bool) -> None:
    """Nobody makes a case for a colleague that is not theirs to make, or that they could not see."""
    if confidential and not by.is_company_admin:
        message = "Only the owner or an administrator of the company marks a case confidential."
        raise Invalid.at("confidential", "not_the_owner", message)
    if site_id is not None and by.site_ids is not None and site_id not in by.site_ids:
        raise Invalid.at("site_id", "out_of_scope", "For a colleague, choose one of the sites that are yours.")
