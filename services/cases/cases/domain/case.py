"""A case, its owner's rights, and how it changes."""

from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Literal, Self, TypedDict
from uuid import UUID

from services.cases.attachments.domain.files import AttachedFile
from services.cases.cases.domain.answering import UNPROMISED, FirstAnswer, Promise, asks, is_answer
from services.cases.cases.domain.clock import Clock
from services.cases.cases.domain.moves import moves_of
from services.cases.cases.domain.news import NewsOfSides
from services.cases.cases.domain.values import (
    OPEN,
    Callback,
    Change,
    Contact,
    Entry,
    EntryKind,
    Equipment,
    Escalation,
    Person,
    PostalAddress,
    Problem,
    Status,
    turn_of,
)
from shared.actor import Actor, Role
from shared.coverage import Verdict
from shared.errors import Invalid
from shared.events.base import Addressee, Event, Relation
from shared.events.cases import CaseChanged, CaseClosed, CaseCreated

MAX_ENTRIES = 1_000
# Half of what MongoDB lets a document have: changes of the state still fit.
MAX_BYTES = 8 * 1024 * 1024


class _Fact(TypedDict):
    at: datetime
    version: int
    case_id: UUID
    number: str
    company_id: UUID
    title: str
    product_name: str
    serial: str | None
    serial_label: str | None
    site_name: str
    people: tuple[Addressee, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a case is submitted with."""

    company_id: UUID
    company_name: str
    problem: Problem
    equipment: Equipment
    submitter: Person
    contact: Contact
    secondary_contact: Contact | None
    site_id: UUID | None
    site_name: str
    equipment_address: PostalAddress
    parts_address: PostalAddress | None
    confidential: bool
    pin: str | None = None
    pin_instructions: str = ""  # for agents only, as they were when the case was written
    first_answer: FirstAnswer = UNPROMISED


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Submission):
    """One support request. `new_entries` holds only what a change adds to the history."""

    id: UUID
    number: str
    owner: Person
    status: Status
    assignee: Person | None = None
    created_by: UUID
    created_by_name: str = ""  # of cases from before it was kept, nobody's
    created_at: datetime
    updated_at: datetime
    turn_since: datetime | None
    # Since when the customer's oldest message waits that the vendor has not answered.
    unanswered_since: datetime | None = None
    closed_at: datetime | None = None
    resolution: str | None = None
    resolved: bool | None = None
    version: int = 1
    events: tuple[Event, ...] = ()
    new_entries: tuple[Entry, ...] = ()
    callback: Callback | None = None  # an ended case has none
    escalation: Escalation | None = None  # an ended case has none
    parent: str | None = None  # the number of the case that this one is a part of
    follow_up_of: str | None = None  # the number of the ended or full case that this one goes on from
    is_full: bool = False  # read with the case, never written
    # Of the turns that are over. If an older version has changed the turn, the sums do not reach up to the present one:
    # then the clock is read from the history.
    clock: Clock | None = None
    # Only as the case was written first: each later write changes it in the database (`store.news`).
    news: NewsOfSides | None = None

    @classmethod
    def submit(cls, submission: Submission, change: Change, *, number: str, follow_up_of: str | None = None) -> Self:
        """A new case; carries CaseCreated and CaseChanged."""
        # What a follow-up goes on from was decided about already.
        if follow_up_of is None and change.by.user_id != submission.submitter.user_id:
            _refuse_for_colleague(submission, change.by)
        opening = change.entry(EntryKind.CREATED)
        case = cls(
            **{field.name: getattr(submission, field.name) for field in fields(Submission)},
            id=change.key.id,
            number=number,
            owner=submission.submitter,
            status=Status.NEW,
            created_by=change.by.user_id,
            created_by_name=change.by.name,
            created_at=change.at,
            updated_at=change.at,
            turn_since=change.at,
            clock=Clock(),
            follow_up_of=follow_up_of,
            news=NewsOfSides.of(opening, version=1),
            new_entries=(opening,),
        )
        fact = case._fact(change.at, case.version)
        coverage = case.equipment.coverage
        created = CaseCreated(
            **fact,
            severity=case.problem.severity,
            created_by=case.created_by,
            created_by_name="" if case.created_by == case.submitter.user_id else case.created_by_name,
            description=case.problem.description,
            contact_name=case.contact.name,
            coverage=coverage.verdict,
            coverage_level=coverage.level,
            coverage_until=coverage.until,
            follow_up_of=follow_up_of or "",
        )
        return replace(case, events=(created, case.changed_event(version=case.version, now=change.at)))

    @property
    def is_open(self) -> bool:
        """Neither closed nor cancelled."""
        return self.status in OPEN

    @property
    def own_ids(self) -> tuple[UUID, ...]:
        """Whose case this is: owner, contact and secondary contact, as far as they are users."""
        people = (self.owner, self.contact, self.secondary_contact)
        return tuple(dict.fromkeys(person.user_id for person in people if person and person.user_id))

    @property
    def turn(self) -> Literal["customer", "vendor"] | None:
        """Which side has to act next, or None once the case has ended."""
        return turn_of(self.status)

    @property
    def turn_began(self) -> datetime | None:
        """Since when the present side has its turn, or the case has ended."""
        return self.turn_since if self.is_open else self.closed_at

    def clock_at(self, now: datetime) -> Clock | None:
        """Each side's time until now, and of an ended case with the time since its end."""
        if self.clock is None or self.turn_began is None:
            return None
        return self.clock.plus(self.turn or "ended", self.turn_began, self._not_before_turn(now))

    def _not_before_turn(self, at: datetime) -> datetime:
        """The clock of another machine may be a little behind."""
        return max(at, self.turn_began or at)

    def with_files(self, files: tuple[AttachedFile, ...]) -> "Case":
        """The same case; its newest entry cites these files."""
        if not files:
            return self
        *others, newest = self.new_entries
        return replace(self, new_entries=(*others, replace(newest, attachments=files)))

    # Rights

    def may_change(self, actor: Actor) -> bool:
        """Whether this actor may change a case that they see. A member may change only cases that they own."""
        if actor.role is Role.MEMBER:
            return actor.user_id == self.owner.user_id
        return actor.is_vendor or actor.company_id == self.company_id

    def may_comment(self, actor: Actor) -> bool:
        """Whether this actor may comment on a case that they see. A member may comment as a contact too."""
        return self.may_change(actor) or actor.user_id in self.own_ids

    def may_mark(self, actor: Actor) -> bool:
        """Whether this actor may mark a case that they see as confidential, and take the mark away."""
        is_company_admin = actor.is_company_admin and actor.company_id == self.company_id
        return actor.is_vendor or is_company_admin or actor.user_id == self.owner.user_id

    # Changes

    def after(self, entry: Entry, *, status: Status | None = None) -> "Case":
        """The case with this entry, in the status that the entry leads to, or in the given one."""
        status = status or moves_of(entry).get(self.status, self.status)
        changed = replace(
            self,
            status=status,
            updated_at=entry.at,
            new_entries=(*self.new_entries, entry),
        )
        if is_answer(entry) and self.first_answer.answered_at is None:
            changed = replace(changed, first_answer=replace(self.first_answer, answered_at=entry.at))
        if changed.turn != self.turn:
            at = self._not_before_turn(entry.at)
            changed = replace(changed, turn_since=at if changed.turn else None, clock=self.clock_at(at))
        if asks(entry) and changed.unanswered_since is None:
            changed = replace(changed, unanswered_since=entry.at)
        if is_answer(entry) or changed.turn != "vendor":
            changed = replace(changed, unanswered_since=None)
        if changed.is_open != self.is_open:
            event = changed.changed_event(version=self.version + 1, now=entry.at)
            changed = replace(changed, events=(*changed.events, event))
        return changed

    def ended(
        self,
        change: Change,
        kind: Literal[EntryKind.CLOSED, EntryKind.CANCELLED],
        *,
        reason: str,
        resolved: bool | None,
    ) -> "Case":
        """The case closed or cancelled; carries CaseClosed."""
        closed = CaseClosed(
            **self._fact(change.at, self.version + 1),
            outcome="closed" if kind is EntryKind.CLOSED else "cancelled",
            closed_by=change.by.user_id,
            closed_by_name=change.by.name,
            reason=reason,
            resolved=resolved,
        )
        ended = self.after(change.entry(kind, text=reason))
        return replace(
            ended,
            closed_at=self._not_before_turn(change.at),
            resolution=reason,
            resolved=resolved,
            callback=None,
            escalation=None,
            events=(closed, *ended.events),
        )

    def with_coverage(self, equipment: Equipment, promise: Promise | None) -> "Case":
        """The case with the coverage verdict that arrived later, and what its level promises. Nothing else changes."""
        if self.equipment.coverage.verdict is not Verdict.UNVERIFIED:
            return self
        due_at = promise.due_after(self.created_at) if promise else None
        verified = replace(self, equipment=equipment, first_answer=replace(self.first_answer, due_at=due_at))
        event = verified.changed_event(version=self.version + 1, now=self.updated_at)
        return replace(verified, events=(*self.events, event))

    # What is told of it

    @property
    def current(self) -> dict[str, object]:
        """What a refused change is told about the case as it is now: all that somebody may have changed."""
        return {
            "version": self.version,
            "status": self.status.value,
            "severity": self.problem.severity,
            "assignee": self.assignee.name if self.assignee else None,
            "contact": asdict(self.contact),
            "secondary_contact": asdict(self.secondary_contact) if self.secondary_contact else None,
            "site_id": self.site_id,
            "site_name": self.site_name,
            "equipment_address": asdict(self.equipment_address),
            "parts_address": asdict(self.parts_address) if self.parts_address else None,
            "pin": self.pin,
            "confidential": self.confidential,
            "callback": self.callback.told if self.callback else None,
            "escalation": self.escalation.told if self.escalation else None,
        }

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
            "serial_label": self.equipment.label,
            "site_name": self.site_name,
            "people": self.people,
        }

    @property
    def people(self) -> tuple[Addressee, ...]:
        """The people to notify about this case."""
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
            # A contact known only by an address most likely speaks the submitter's language.
            language=person.language or self.submitter.language,
        )


def _refuse_for_colleague(submission: Submission, by: Actor) -> None:
    """Raises Invalid for a colleague's case that the submitting user may not create, or could not see."""
    if submission.confidential and not by.is_company_admin:
        message = "Only the owner or an administrator of the company can mark a case as confidential."
        raise Invalid.at("confidential", "not_the_owner", message)
    refuse_out_of_scope(submission.site_id, by)


def refuse_out_of_scope(site_id: UUID | None, by: Actor) -> None:
    """Raises Invalid for a site at which this user could not see a colleague's case."""
    if site_id is not None and by.site_ids is not None and site_id not in by.site_ids:
        raise Invalid.at("site_id", "out_of_scope", "For a colleague, choose one of the sites that are yours.")
