"""The actions on a case: one row for each, with its rules and what it changes.

The rules refuse an action, and they tell whether it is allowed now. The names are those of the API. Only refusals that
depend on the value that was sent are in the functions: the current severity, status or agent, and a status too early.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Concatenate

from services.cases.cases.domain import callbacks, details
from services.cases.cases.domain.case import Case
from services.cases.cases.domain.moves import NEXT
from services.cases.cases.domain.refusals import (
    REOPEN_WITHIN,
    AlreadyTaken,
    CaseIsCancelled,
    CaseIsClosed,
    CaseIsFull,
    CaseIsNew,
    CaseIsOpen,
    NeedsNoFollowUp,
    ReopenTooLate,
    Unchanged,
)
from services.cases.cases.domain.values import Change, EntryKind, Person, Status, person_of
from shared.actor import Actor
from shared.errors import Forbidden, Refusal

Right = Callable[[Case, Actor], bool]
Rule = Callable[[Case, Actor, datetime], Refusal | None]


@dataclass(frozen=True, slots=True)
class Offer:
    """Who has the right to do it, and the rules that can refuse it, in this order."""

    right: Right
    rules: tuple[Rule, ...]

    def refuse_without_right(self, case: Case, by: Actor) -> None:
        """Raises Forbidden for an actor who may never do this to the case, in whatever state it is."""
        if not self.right(case, by):
            raise Forbidden

    def refusal(self, case: Case, by: Actor, now: datetime) -> Refusal | None:
        """Why this actor cannot do it now, or None."""
        if not self.right(case, by):
            return Forbidden()
        return next(filter(None, (rule(case, by, now) for rule in self.rules)), None)

    def refuse_unless_allowed(self, case: Case, by: Actor, now: datetime) -> None:
        """Raises the refusal if there is one."""
        if (refusal := self.refusal(case, by, now)) is not None:
            raise refusal


@dataclass(frozen=True, slots=True)
class Action(Offer):
    """Also what it changes. If it names the version that its sender saw, it is saved only over that version."""

    change: Callable[Concatenate[Case, Change, ...], Case]

    def perform(self, case: Case, change: Change, **fields: object) -> Case:
        """The changed case; raises the refusal if there is one."""
        self.refuse_unless_allowed(case, change.by, change.at)
        return self.change(case, change, **fields)


@dataclass(frozen=True, slots=True)
class Addition(Action):
    """An action that does not depend on the version: its entry is appended to the case as it is by then.

    Of the changed case, only the entry and the fields that `sets` names are written. What else follows from the entry,
    the status for example, the database works out from the case as it is by then (`store.history`).
    """

    sets: tuple[str, ...] = ()


def allowed_actions(actions: Mapping[str, Offer], case: Case, by: Actor, now: datetime) -> list[str]:
    """The names of the actions that this actor can do now."""
    return [name for name, action in actions.items() if action.refusal(case, by, now) is None]


# Rights


def refuse_unless_vendor(by: Actor) -> None:
    """Raises Forbidden for customers: agents' routes tell them nothing else, not even whether a case exists."""
    if not by.is_vendor:
        raise Forbidden


def is_vendor(_case: Case, by: Actor) -> bool:
    """Agents and vendor admins."""
    return by.is_vendor


# Rules


def is_open(case: Case, _by: Actor, _now: datetime) -> Refusal | None:
    """Refuses what needs an open case."""
    return None if case.is_open else CaseIsClosed(state=case.current)


def has_ended(case: Case, _by: Actor, _now: datetime) -> Refusal | None:
    """Refuses what needs a case that was closed or cancelled."""
    return CaseIsOpen(state=case.current) if case.is_open else None


def is_not_cancelled(case: Case, _by: Actor, _now: datetime) -> Refusal | None:
    """Refuses what a cancelled case cannot have."""
    return CaseIsCancelled(state=case.current) if case.status is Status.CANCELLED else None


def is_recent(case: Case, _by: Actor, now: datetime) -> Refusal | None:
    """Refuses when the case was closed too long ago."""
    until = reopened_until(case)
    return None if until is not None and now <= until else ReopenTooLate(state=case.current)


def reopened_until(case: Case) -> datetime | None:
    """Until when a closed case can be reopened."""
    return None if case.closed_at is None else case.closed_at + REOPEN_WITHIN


def has_room(case: Case, _by: Actor, _now: datetime) -> Refusal | None:
    """Refuses texts and files for a full case. Changes of its state still fit."""
    return CaseIsFull(state=case.current) if case.is_full else None


def ends_here(case: Case, _by: Actor, _now: datetime) -> Refusal | None:
    """Refuses a follow-up of a case that goes on by itself."""
    return NeedsNoFollowUp(state=case.current) if case.is_open and not case.is_full else None


def is_unassigned(case: Case, by: Actor, _now: datetime) -> Refusal | None:
    """Refuses to take what another agent has; for the agent who has it, nothing would change."""
    if case.assignee is None:
        return None
    return Unchanged() if case.assignee.user_id == by.user_id else AlreadyTaken(state=case.current)


# What each action changes


def _comment(case: Case, change: Change, *, text: str) -> Case:
    return case.after(change.entry(EntryKind.COMMENT, text=text))


def _attach(case: Case, change: Change) -> Case:
    return case.after(change.entry(EntryKind.ATTACHED))


def _change_severity(case: Case, change: Change, *, severity: int) -> Case:
    if severity == case.problem.severity:
        raise Unchanged
    changes = {"from": case.problem.severity, "to": severity}
    changed = replace(case, problem=replace(case.problem, severity=severity))
    return changed.after(change.entry(EntryKind.SEVERITY_CHANGED, changes=changes))


def _close(case: Case, change: Change, *, reason: str, resolved: bool) -> Case:
    return case.ended(change, EntryKind.CLOSED, reason=reason, resolved=resolved)


def _cancel(case: Case, change: Change, *, reason: str) -> Case:
    return case.ended(change, EntryKind.CANCELLED, reason=reason, resolved=None)


def _reopen(case: Case, change: Change, *, reason: str) -> Case:
    opened = case.after(change.entry(EntryKind.REOPENED, text=reason))
    return replace(opened, closed_at=None, resolution=None, resolved=None)


def _take(case: Case, change: Change) -> Case:
    return replace(case, assignee=person_of(change.by)).after(change.entry(EntryKind.TAKEN))


def _assign(case: Case, change: Change, *, agent: Person) -> Case:
    if case.assignee is not None and case.assignee.user_id == agent.user_id:
        raise Unchanged
    return replace(case, assignee=agent).after(change.entry(EntryKind.ASSIGNED, changes={"to": agent.name}))


def _reply(case: Case, change: Change, *, text: str, status: str | None = None) -> Case:
    return case.after(change.entry(EntryKind.REPLY, text=text, changes={"to": status} if status else None))


def _note(case: Case, change: Change, *, text: str) -> Case:
    return case.after(change.entry(EntryKind.NOTE, text=text, internal=True))


def _set_status(case: Case, change: Change, *, status: str) -> Case:
    wanted = Status(status)
    if wanted is case.status:
        raise Unchanged
    if wanted not in NEXT[case.status]:
        raise CaseIsNew(state=case.current)
    changes = {"from": case.status.value, "to": wanted.value}
    return case.after(change.entry(EntryKind.STATUS_CHANGED, changes=changes), status=wanted)


def _resolve(case: Case, change: Change, *, resolution: str) -> Case:
    return case.ended(change, EntryKind.CLOSED, reason=resolution, resolved=True)


# A new case that goes on from one; the case itself does not change.
FOLLOW_UP = Offer(Case.may_change, (ends_here,))
# `POST /cases/{number}/actions`, for both sides
ACTIONS: Mapping[str, Action] = {
    "comment": Addition(Case.may_comment, (is_open, has_room), _comment),
    "attach": Addition(Case.may_comment, (is_open, has_room), _attach),
    "change_contact": Action(Case.may_change, (is_open,), details.change_contact),
    "change_secondary_contact": Action(Case.may_change, (is_open,), details.change_secondary_contact),
    "change_site": Action(Case.may_change, (is_open,), details.change_site),
    # Orders of parts, once there are some, refuse this from when the parts are sent.
    "change_parts_address": Action(Case.may_change, (is_open,), details.change_parts_address),
    "change_severity": Action(Case.may_change, (is_open,), _change_severity),
    "request_callback": Action(Case.may_change, (is_open, callbacks.has_no_callback), callbacks.request_callback),
    "change_callback": Action(Case.may_change, (is_open, callbacks.has_callback), callbacks.change_callback),
    "cancel_callback": Action(Case.may_change, (is_open, callbacks.has_callback), callbacks.cancel_callback),
    "request_escalation": Action(Case.may_change, (is_open, callbacks.is_not_escalated), callbacks.request_escalation),
    "mark_confidential": Action(Case.may_mark, (details.is_not_confidential,), details.mark_confidential),
    "unmark_confidential": Action(Case.may_mark, (details.is_confidential,), details.unmark_confidential),
    "close": Action(Case.may_change, (is_open,), _close),
    "cancel": Action(Case.may_change, (is_open,), _cancel),
    "reopen": Action(Case.may_change, (has_ended, is_not_cancelled, is_recent), _reopen),
}
OFFERS: Mapping[str, Offer] = {**ACTIONS, "follow_up": FOLLOW_UP}
# `POST /agent/cases/{number}/actions`
AGENT_ACTIONS: Mapping[str, Action] = {
    "take": Addition(is_vendor, (is_open, is_unassigned), _take, sets=("assignee",)),
    "assign": Action(is_vendor, (is_open,), _assign),
    "reply": Addition(is_vendor, (is_open, has_room), _reply),
    "note": Addition(is_vendor, (is_open, has_room), _note),
    "set_status": Action(is_vendor, (is_open,), _set_status),
    "confirm_callback": Action(
        is_vendor, (is_open, callbacks.has_callback, callbacks.is_unconfirmed), callbacks.confirm_callback
    ),
    "finish_callback": Action(is_vendor, (is_open, callbacks.has_callback), callbacks.finish_callback),
    "accept_escalation": Action(is_vendor, (is_open, callbacks.is_undecided), callbacks.accept_escalation),
    "decline_escalation": Action(is_vendor, (is_open, callbacks.is_undecided), callbacks.decline_escalation),
    "close": Action(is_vendor, (is_open,), _resolve),
}
