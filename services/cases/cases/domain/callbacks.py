"""Calls that a customer asks for, and requests for more attention: their rules, and how they change a case."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.cases.cases.domain.case import Case
from services.cases.cases.domain.refusals import (
    CallbackExists,
    CallbackIsConfirmed,
    EscalationExists,
    NoCallback,
    NoEscalation,
    Unchanged,
)
from services.cases.cases.domain.values import (
    Callback,
    Change,
    EntryKind,
    Escalation,
    EscalationState,
    Window,
    person_of,
)
from shared.actor import Actor
from shared.errors import Invalid, Refusal

LONGEST = timedelta(hours=24)
AHEAD = timedelta(days=60)
# A window may have begun while its form was filled in.
_BEGUN_AT_MOST = timedelta(minutes=15)

# Rules


def has_no_callback(case: Case, _by: Actor, _now: datetime) -> Refusal | None:
    """Refuses a second call beside one that is awaited."""
    return None if case.callback is None else CallbackExists(state=case.current)


def has_callback(case: Case, _by: Actor, _now: datetime) -> Refusal | None:
    """Refuses what needs a call that is awaited."""
    return NoCallback(state=case.current) if case.callback is None else None


def is_unconfirmed(case: Case, _by: Actor, _now: datetime) -> Refusal | None:
    """Refuses to confirm a call twice."""
    is_confirmed = case.callback is not None and case.callback.confirmed_at is not None
    return CallbackIsConfirmed(state=case.current) if is_confirmed else None


def is_not_escalated(case: Case, _by: Actor, _now: datetime) -> Refusal | None:
    """Refuses a second request beside one that is undecided or was accepted. After a decline one may ask again."""
    asked = case.escalation is not None and case.escalation.state is not EscalationState.DECLINED
    return EscalationExists(state=case.current) if asked else None


def is_undecided(case: Case, _by: Actor, _now: datetime) -> Refusal | None:
    """Refuses a decision where no request waits for one."""
    is_asked = case.escalation is not None and case.escalation.state is EscalationState.REQUESTED
    return None if is_asked else NoEscalation(state=case.current)


def _refuse_unless_near(window: Window | None, *, now: datetime) -> None:
    if window is None:
        return
    if window.start < now - _BEGUN_AT_MOST or window.end <= now:
        raise Invalid.at("at.from", "callback_past", "Choose a time that is not over yet.")
    if window.end - window.start > LONGEST:
        hours = LONGEST // timedelta(hours=1)
        sentence = f"Choose an end at most {hours} hours after the start."
        raise Invalid.at("at.to", "callback_too_long", sentence, {"hours": hours})
    if window.start > now + AHEAD:
        raise Invalid.at(
            "at.from", "callback_too_far", f"Choose one of the next {AHEAD.days} days.", {"days": AHEAD.days}
        )


# What is changed


def request_callback(case: Case, change: Change, *, at: Window | None, phone: str) -> Case:
    """Asks for a call; without a window as soon as possible."""
    _refuse_unless_near(at, now=change.at)
    callback = Callback(at, at.start if at else change.at, phone, person_of(change.by), change.at)
    entry = change.entry(EntryKind.CALLBACK_REQUESTED, changes={"to": callback.at})
    return replace(case, callback=callback).after(entry)


def change_callback(case: Case, change: Change, *, at: Window | None, phone: str) -> Case:
    """Another time or number, which nobody has confirmed yet."""
    before = _awaited(case)
    if (at, phone) == (before.window, before.phone):
        raise Unchanged
    due_at = before.due_at
    # If only the number changes, the time stays, even one that has come already: who asked first is called first.
    if at != before.window:
        _refuse_unless_near(at, now=change.at)
        due_at = at.start if at else change.at
    callback = replace(before, window=at, due_at=due_at, phone=phone, confirmed_at=None)
    entry = change.entry(EntryKind.CALLBACK_CHANGED, changes={"from": before.at, "to": callback.at})
    return replace(case, callback=callback).after(entry)


def cancel_callback(case: Case, change: Change) -> Case:
    """Nobody waits for a call any more."""
    entry = change.entry(EntryKind.CALLBACK_CANCELLED, changes={"from": _awaited(case).at})
    return replace(case, callback=None).after(entry)


def confirm_callback(case: Case, change: Change, *, at: Window | None) -> Case:
    """The call will be made, at the time that was asked for or at another one."""
    before = _awaited(case)
    _refuse_unless_near(at, now=change.at)
    moved = replace(before, window=at, due_at=at.start) if at else before
    entry = change.entry(EntryKind.CALLBACK_CONFIRMED, changes={"from": before.at, "to": moved.at})
    return replace(case, callback=replace(moved, confirmed_at=change.at)).after(entry)


def finish_callback(case: Case, change: Change, *, text: str) -> Case:
    """The call was made."""
    entry = change.entry(EntryKind.CALLBACK_DONE, text=text, changes={"from": _awaited(case).at})
    return replace(case, callback=None).after(entry)


def _awaited(case: Case) -> Callback:
    if case.callback is None:
        raise NoCallback(state=case.current)
    return case.callback


def request_escalation(case: Case, change: Change, *, reason: str) -> Case:
    """Asks for more attention."""
    escalation = Escalation(EscalationState.REQUESTED, reason, person_of(change.by), change.at)
    return replace(case, escalation=escalation).after(change.entry(EntryKind.ESCALATION_REQUESTED, text=reason))


def accept_escalation(case: Case, change: Change, *, text: str) -> Case:
    """The case gets it."""
    return _decided(case, change, EscalationState.ACCEPTED, EntryKind.ESCALATION_ACCEPTED, text)


def decline_escalation(case: Case, change: Change, *, text: str) -> Case:
    """The case does not get it; `text` says why."""
    return _decided(case, change, EscalationState.DECLINED, EntryKind.ESCALATION_DECLINED, text)


def _decided(case: Case, change: Change, state: EscalationState, kind: EntryKind, answer: str) -> Case:
    if case.escalation is None:
        raise NoEscalation(state=case.current)
    decided = replace(
        case.escalation, state=state, decided_by=person_of(change.by), decided_at=change.at, answer=answer
    )
    return replace(case, escalation=decided).after(change.entry(kind, text=answer))
