"""The rules of a case, without anything around them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from services.cases.cases.domain.case import REOPEN_WITHIN, Case
from services.cases.cases.domain.numbers import CheckNumber, case_number, read_case_number
from services.cases.cases.domain.refusals import CaseIsClosed, CaseIsNew, ReopenTooLate
from services.cases.cases.domain.values import Contact, Equipment, PostalAddress, Problem, Status, person_of
from shared.actor import Actor, Role
from shared.coverage import NOT_COVERED, UNVERIFIED
from shared.errors import Forbidden
from shared.events.cases import CaseChanged, CaseClosed
from tests.builders import an_actor

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ANA = an_actor()
AGENT = an_actor(Role.AGENT)


def a_case(by: Actor = ANA, **changes: Any) -> Case:
    case = Case.submit(
        case_id=uuid7(),
        number=case_number(100_000_000),
        by=by,
        submitter=person_of(by),
        company_id=by.company_id,
        company_name=by.company_name,
        problem=Problem(title="Paper jam", description="It jams on every second page.", severity=3),
        equipment=Equipment("", None, "CN1", None, (), UNVERIFIED),
        contact=Contact("Luc", "Petit", "luc@example.com", "+33472000000"),
        secondary_contact=None,
        site_id=None,
        site_name="",
        equipment_address=PostalAddress("Acme", "1 rue de la Paix", "Lyon", "69001", "FR"),
        parts_address=None,
        confidential=False,
        digest="",
        now=NOW,
    )
    return replace(case, events=(), new_entries=(), **changes)


def close(case: Case, by: Actor, *, outcome: Status = Status.CLOSED, reason: str = "done") -> Case:
    return case.close(by=by, reason=reason, resolved=True, outcome=outcome, entry_id=uuid4(), digest="", now=NOW)


def test_closing_says_that_it_closed_and_that_it_is_no_longer_open() -> None:
    closed = close(a_case(), ANA)
    fact, state = closed.events
    assert isinstance(fact, CaseClosed)
    assert isinstance(state, CaseChanged)
    assert (fact.version, state.version, state.is_open) == (2, 2, False)
    assert (closed.turn, closed.turn_since, closed.closed_at) == (None, None, NOW)


def test_a_fact_carries_at_most_500_characters_of_text() -> None:
    (fact, _) = close(a_case(), ANA, reason="x" * 2000).events
    assert isinstance(fact, CaseClosed)
    assert len(fact.reason) == 500


@pytest.mark.parametrize("outcome", [Status.CLOSED, Status.CANCELLED])
@pytest.mark.parametrize("status", [Status.NEW, Status.IN_PROGRESS, Status.WAITING_CUSTOMER, Status.WAITING_PARTS])
def test_every_open_state_can_end(status: Status, outcome: Status) -> None:
    assert close(a_case(status=status), ANA, outcome=outcome).status is outcome


@pytest.mark.parametrize("status", [Status.CLOSED, Status.CANCELLED])
def test_what_has_ended_takes_no_change(status: Status) -> None:
    ended = a_case(status=status)
    with pytest.raises(CaseIsClosed):
        close(ended, ANA)
    with pytest.raises(CaseIsClosed):
        ended.change_severity(1, by=ANA, entry_id=uuid4(), digest="", now=NOW)
    with pytest.raises(CaseIsClosed):
        ended.set_status(Status.IN_PROGRESS, by=AGENT, entry_id=uuid4(), digest="", now=NOW)
    with pytest.raises(CaseIsClosed):
        ended.assign(person_of(AGENT), by=AGENT, entry_id=uuid4(), digest="", now=NOW)
    with pytest.raises(CaseIsClosed):
        ended.refuse_unless_commentable(ANA)


@pytest.mark.parametrize(
    ("later", "allowed"), [(timedelta(0), True), (REOPEN_WITHIN, True), (REOPEN_WITHIN + timedelta(seconds=1), False)]
)
def test_reopening_goes_for_14_days(later: timedelta, *, allowed: bool) -> None:
    closed = replace(close(a_case(), ANA), events=(), new_entries=())
    now = NOW + later
    assert (closed.allowed_actions(ANA, now=now) == ["reopen"]) is allowed
    if allowed:
        opened = closed.reopen(by=ANA, reason="again", entry_id=uuid4(), digest="", now=now)
        assert (opened.status, opened.turn) == (Status.IN_PROGRESS, "vendor")
    else:
        with pytest.raises(ReopenTooLate):
            closed.reopen(by=ANA, reason="again", entry_id=uuid4(), digest="", now=now)


def test_a_cancelled_case_is_not_reopened() -> None:
    cancelled = replace(close(a_case(), ANA, outcome=Status.CANCELLED), events=(), new_entries=())
    with pytest.raises(ReopenTooLate):
        cancelled.reopen(by=ANA, reason="again", entry_id=uuid4(), digest="", now=NOW)


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
        case = replace(case, owner=person_of(actor), own_ids=(actor.user_id,))
    elif own == "contact":
        case = replace(case, own_ids=(*case.own_ids, actor.user_id))
    assert (case.may_change(actor), case.may_comment(actor)) == (may_change, may_comment)


def test_only_the_vendor_moves_and_assigns() -> None:
    with pytest.raises(Forbidden):
        a_case().set_status(Status.WAITING_CUSTOMER, by=ANA, entry_id=uuid4(), digest="", now=NOW)
    with pytest.raises(Forbidden):
        a_case().assign(person_of(AGENT), by=ANA, entry_id=uuid4(), digest="", now=NOW)


_BEGUN = [Status.IN_PROGRESS, Status.WAITING_CUSTOMER, Status.WAITING_PARTS]


@pytest.mark.parametrize("status", _BEGUN)
@pytest.mark.parametrize("before", _BEGUN)
def test_a_case_that_was_begun_moves_to_every_open_state(before: Status, status: Status) -> None:
    moved = a_case(status=before).set_status(status, by=AGENT, entry_id=uuid4(), digest="", now=NOW)
    assert moved.status is status


def test_a_new_case_goes_into_progress_and_nowhere_else() -> None:
    begun = a_case().set_status(Status.IN_PROGRESS, by=AGENT, entry_id=uuid4(), digest="", now=NOW)
    assert begun.status is Status.IN_PROGRESS
    for status in (Status.NEW, Status.WAITING_CUSTOMER, Status.WAITING_PARTS):
        with pytest.raises(CaseIsNew):
            a_case().set_status(status, by=AGENT, entry_id=uuid4(), digest="", now=NOW)


def test_the_turn_is_counted_from_when_it_changed() -> None:
    later = NOW + timedelta(hours=1)
    begun = a_case(status=Status.IN_PROGRESS)
    waiting = begun.set_status(Status.WAITING_CUSTOMER, by=AGENT, entry_id=uuid4(), digest="", now=later)
    parts = begun.set_status(Status.WAITING_PARTS, by=AGENT, entry_id=uuid4(), digest="", now=later)
    assert (waiting.turn, waiting.turn_since) == ("customer", later)
    assert (parts.turn, parts.turn_since) == ("vendor", NOW)


def test_a_verdict_once_given_stays_as_it_was() -> None:
    found = Equipment("LaserPress", "LP600", "CN1", None, (uuid4(),), NOT_COVERED)
    verified = a_case().with_coverage(found)
    assert verified.equipment == found
    assert replace(verified, events=()).with_coverage(replace(found, coverage=UNVERIFIED)).equipment == found


def test_a_state_event_is_only_made_when_its_payload_changed() -> None:
    assert a_case().change_severity(1, by=ANA, entry_id=uuid4(), digest="", now=NOW).events == ()


@pytest.mark.parametrize("serial_number", [100_000_000, 123_456_789, 999_999_999])
def test_every_single_wrong_digit_and_every_swap_is_noticed(serial_number: int) -> None:
    number = case_number(serial_number)
    assert read_case_number(f" {number[:4]} {number[4:8]}-{number[8:]} ") == number
    wrong = {number[:i] + str(d) + number[i + 1 :] for i in range(10) for d in range(10)} - {number}
    wrong |= {number[:i] + number[i + 1] + number[i] + number[i + 2 :] for i in range(9)} - {number}
    for mistyped in wrong:
        with pytest.raises(CheckNumber):
            read_case_number(mistyped)
