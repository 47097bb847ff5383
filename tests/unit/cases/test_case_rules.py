"""The rules of a case, without I/O."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest

from services.cases.cases.domain.actions import ACTIONS, allowed_actions
from services.cases.cases.domain.numbers import CheckNumber, case_number, read_case_number
from services.cases.cases.domain.refusals import REOPEN_WITHIN, CaseIsCancelled, CaseIsNew, ReopenTooLate, Unchanged
from services.cases.cases.domain.values import OPEN, Equipment, Status, Window, person_of
from shared.actor import Role
from shared.coverage import NOT_COVERED, UNVERIFIED
from shared.events.cases import CaseChanged, CaseClosed
from tests.builders import an_actor
from tests.unit.cases.acting import AGENT, ANA, NOW, a_case, a_change, act, act_as_agent, as_stored, closed


def test_closing_emits_that_it_closed_and_that_it_is_no_longer_open() -> None:
    case = closed(a_case())
    fact, state = case.events
    assert isinstance(fact, CaseClosed)
    assert isinstance(state, CaseChanged)
    assert (fact.version, state.version, state.is_open) == (2, 2, False)
    assert (case.turn, case.turn_since, case.closed_at) == (None, None, NOW)


def test_an_event_carries_at_most_500_characters_of_text() -> None:
    (fact, _) = closed(a_case(), reason="x" * 2000).events
    assert isinstance(fact, CaseClosed)
    assert len(fact.reason) == 500


@pytest.mark.parametrize("status", sorted(OPEN))
def test_a_case_can_end_from_every_open_status(status: Status) -> None:
    case = a_case(status=status)
    assert closed(case).status is Status.CLOSED
    assert act(case, "cancel", reason="wrong device").status is Status.CANCELLED
    assert act_as_agent(case, "close", resolution="Replaced the roller.").status is Status.CLOSED


@pytest.mark.parametrize(
    ("later", "allowed"), [(timedelta(0), True), (REOPEN_WITHIN, True), (REOPEN_WITHIN + timedelta(seconds=1), False)]
)
def test_a_closed_case_can_be_reopened_for_14_days(later: timedelta, *, allowed: bool) -> None:
    case = as_stored(closed(a_case()))
    now = NOW + later
    assert ("reopen" in allowed_actions(ACTIONS, case, ANA, now)) is allowed
    if allowed:
        opened = act(case, "reopen", at=now, reason="again")
        assert (opened.status, opened.turn) == (Status.IN_PROGRESS, "vendor")
    else:
        with pytest.raises(ReopenTooLate):
            act(case, "reopen", at=now, reason="again")


def test_a_cancelled_case_cannot_be_reopened() -> None:
    with pytest.raises(CaseIsCancelled):
        act(as_stored(act(a_case(), "cancel", reason="wrong device")), "reopen", reason="again")


@pytest.mark.parametrize(
    ("role", "own", "may_change", "may_comment"),
    [
        (Role.MEMBER, "owner", True, True),
        (Role.MEMBER, "contact", False, True),
        (Role.MEMBER, "nothing", False, False),
        (Role.CASE_MANAGER, "nothing", True, True),
        (Role.COMPANY_ADMIN, "nothing", True, True),
        (Role.AGENT, "nothing", True, True),
        (Role.VENDOR_ADMIN, "nothing", True, True),
    ],
)
def test_who_may_change_and_who_may_comment(role: Role, own: str, *, may_change: bool, may_comment: bool) -> None:
    actor = an_actor(role, company_id=ANA.company_id)
    case = a_case()
    if own == "owner":
        case = replace(case, owner=person_of(actor))
    elif own == "contact":
        case = replace(case, contact=replace(case.contact, user_id=actor.user_id))
    assert (case.may_change(actor), case.may_comment(actor)) == (may_change, may_comment)


_BEGUN = [Status.IN_PROGRESS, Status.WAITING_CUSTOMER, Status.WAITING_PARTS]


@pytest.mark.parametrize(("before", "status"), list(permutations(_BEGUN, 2)))
def test_a_case_in_progress_moves_to_every_other_open_status_but_new(before: Status, status: Status) -> None:
    assert act_as_agent(a_case(status=before), "set_status", status=status).status is status


@pytest.mark.parametrize("status", _BEGUN)
def test_setting_the_current_value_is_no_change(status: Status) -> None:
    case = a_case(status=status, assignee=person_of(AGENT))
    with pytest.raises(Unchanged):
        act_as_agent(case, "set_status", status=status)
    with pytest.raises(Unchanged):
        act_as_agent(case, "assign", agent=person_of(AGENT))
    with pytest.raises(Unchanged):
        act_as_agent(case, "take")
    with pytest.raises(Unchanged):
        act(case, "change_severity", severity=case.problem.severity)


def test_a_new_case_moves_to_in_progress_only() -> None:
    assert act_as_agent(a_case(), "set_status", status=Status.IN_PROGRESS).status is Status.IN_PROGRESS
    for status in (Status.WAITING_CUSTOMER, Status.WAITING_PARTS):
        with pytest.raises(CaseIsNew):
            act_as_agent(a_case(), "set_status", status=status)


@pytest.mark.parametrize("action", ["take", "assign", "reply"])
def test_the_first_action_of_an_agent_moves_a_new_case_to_in_progress(action: str) -> None:
    fields: dict[str, Any] = {"assign": {"agent": person_of(AGENT)}, "reply": {"text": "Hello."}}
    for before, after in ((Status.NEW, Status.IN_PROGRESS), (Status.WAITING_PARTS, Status.WAITING_PARTS)):
        assert act_as_agent(a_case(status=before), action, **fields.get(action, {})).status is after


def test_only_a_customers_answer_ends_the_waiting_for_the_customer() -> None:
    waiting = a_case(status=Status.WAITING_CUSTOMER)
    assert act(waiting, "comment", text="Here is the log.").status is Status.IN_PROGRESS
    assert act(waiting, "attach").status is Status.IN_PROGRESS
    assert act(waiting, "comment", AGENT, text="Still waiting.").status is Status.WAITING_CUSTOMER
    assert act_as_agent(waiting, "note", text="Called them.").status is Status.WAITING_CUSTOMER


def test_the_turn_is_counted_from_when_it_changed() -> None:
    later = NOW + timedelta(hours=1)
    begun = a_case(status=Status.IN_PROGRESS)
    waiting = act_as_agent(begun, "set_status", at=later, status=Status.WAITING_CUSTOMER)
    parts = act_as_agent(begun, "set_status", at=later, status=Status.WAITING_PARTS)
    assert (waiting.turn, waiting.turn_since) == ("customer", later)
    assert (parts.turn, parts.turn_since) == ("vendor", NOW)


def test_a_coverage_verdict_is_never_changed_again() -> None:
    found = Equipment("LaserPress", "LP600", "CN1", None, (uuid4(),), NOT_COVERED)
    verified = a_case().with_coverage(found, None)
    assert verified.equipment == found
    assert replace(verified, events=()).with_coverage(replace(found, coverage=UNVERIFIED), None).equipment == found


def test_a_change_of_severity_emits_no_event() -> None:
    assert act(a_case(), "change_severity", severity=1).events == ()


@pytest.mark.parametrize("serial_number", [100_000_000, 123_456_789, 999_999_999])
def test_every_wrong_digit_and_every_swap_in_a_case_number_is_detected(serial_number: int) -> None:
    number = case_number(serial_number)
    assert read_case_number(f" {number[:4]} {number[4:8]}-{number[8:]} ") == number
    wrong = {number[:i] + str(d) + number[i + 1 :] for i in range(10) for d in range(10)} - {number}
    wrong |= {number[:i] + number[i + 1] + number[i] + number[i + 2 :] for i in range(9)} - {number}
    for mistyped in wrong:
        with pytest.raises(CheckNumber):
            read_case_number(mistyped)


def test_another_number_to_call_changes_nothing_about_when_to_call() -> None:
    for window in (None, Window(NOW, NOW + timedelta(hours=1))):
        asked = ACTIONS["request_callback"].perform(a_case(), a_change(), at=window, phone="+33472000000")
        later = a_change(at=NOW + timedelta(hours=2))
        changed = ACTIONS["change_callback"].perform(as_stored(asked), later, at=window, phone="+33472000001").callback
        assert changed is not None
        assert (changed.phone, changed.window, changed.due_at) == ("+33472000001", window, NOW)
