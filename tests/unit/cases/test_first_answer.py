"""Until when a first answer is due: hours around the clock, or those that a company works, whatever the clocks do."""

from datetime import UTC, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from services.cases.cases.domain.answering import Promise, WorkingHours
from services.cases.cases.domain.case import Case
from tests.unit.cases.acting import AGENT, NOW, a_case, act, act_as_agent

OFFICE = WorkingHours(frozenset({1, 2, 3, 4, 5}), time(8), time(18))
NIGHT = WorkingHours(frozenset({6}), time(20), time(0))
PARIS = ZoneInfo("Europe/Paris")
ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia")


def paris(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


@pytest.mark.parametrize(
    ("begin", "hours", "due"),
    [
        ("2026-03-03T10:00", 4, "2026-03-03T14:00"),
        ("2026-03-03T14:00", 4, "2026-03-03T18:00"),
        ("2026-03-03T16:30", 4, "2026-03-04T10:30"),
        ("2026-03-03T06:00", 4, "2026-03-03T12:00"),
        ("2026-03-03T21:00", 4, "2026-03-04T12:00"),
        # Over a weekend, at which the clocks are set forward.
        ("2026-03-27T17:00", 4, "2026-03-30T11:00"),
        ("2026-03-28T12:00", 12, "2026-03-31T10:00"),
    ],
)
def test_hours_run_while_the_company_works(begin: str, hours: int, due: str) -> None:
    assert Promise(hours, OFFICE, PARIS).due_after(paris(begin)) == paris(due)


def test_around_the_clock_an_hour_is_an_hour() -> None:
    begin = paris("2026-03-28T23:00")
    due = Promise(4, None, PARIS).due_after(begin)
    assert due - begin.astimezone(UTC) == timedelta(hours=4)
    assert due.astimezone(PARIS).hour == 4  # two o'clock was three


def test_a_night_in_which_the_clocks_are_set_back_is_an_hour_longer() -> None:
    whole_sunday = WorkingHours(frozenset({7}), time(0), time(0))
    begin = paris("2026-10-25T00:00")
    assert Promise(25, whole_sunday, PARIS).due_after(begin) == paris("2026-10-26T00:00")
    assert Promise(24, whole_sunday, PARIS).due_after(begin) == paris("2026-10-25T23:00")
    forward = paris("2026-03-29T00:00")
    assert Promise(24, whole_sunday, PARIS).due_after(forward) == paris("2026-04-05T01:00")


def test_hours_until_midnight_end_with_the_day() -> None:
    assert Promise(4, NIGHT, PARIS).due_after(paris("2026-03-07T21:00")) == paris("2026-03-14T21:00")


def is_working(moment: datetime, working: WorkingHours, zone: ZoneInfo) -> bool:
    """By the clock on the wall alone: another way than the rule's."""
    there = moment.astimezone(zone)
    return there.isoweekday() in working.days and working.start <= there.time() < working.end


@pytest.mark.parametrize("seed", range(40))
def test_until_it_is_due_the_company_works_as_many_hours_as_promised(seed: int) -> None:
    random = Random(seed)
    zone = ZoneInfo(random.choice(ZONES))
    days = frozenset(random.sample(range(1, 8), random.randint(1, 7)))
    # Not from or until an hour that clocks skip or repeat: by the wall alone nobody knows which of both is meant.
    working = WorkingHours(days, time(random.randint(4, 12), random.choice([0, 30])), time(random.randint(14, 23)))
    quarter = timedelta(minutes=15)
    begin = datetime(2026, 1, 1, tzinfo=UTC) + quarter * random.randrange(4 * 24 * 365)
    hours = random.randint(1, 40)
    due = Promise(hours, working, zone).due_after(begin)
    quarters = [begin + quarter * number for number in range((due - begin) // quarter)]
    assert sum(is_working(each, working, zone) for each in quarters) == 4 * hours
    assert is_working(due - quarter, working, zone)
    assert Promise(hours, working, zone).due_after(begin + quarter) >= due
    assert Promise(hours + 1, working, zone).due_after(begin) > due


def answered_at(case: Case) -> datetime | None:
    return case.first_answer.answered_at


def test_what_the_customer_reads_of_the_vendor_first_is_the_answer() -> None:
    later = NOW + timedelta(minutes=5)
    taken = act_as_agent(a_case(), "take")
    unanswered = [
        a_case(),
        taken,
        act_as_agent(taken, "note", text="Odd."),
        act_as_agent(taken, "set_status", status="waiting_customer"),
        act(taken, "comment", text="Any news?"),
        act(a_case(), "close", reason="It works.", resolved=True),
    ]
    assert [answered_at(case) for case in unanswered] == [None] * len(unanswered)
    replied = act_as_agent(taken, "reply", text="Please try again.")
    answered = [
        replied,
        act_as_agent(taken, "close", resolution="Replaced."),
        act(taken, "comment", by=AGENT, text="Hello."),
        act_as_agent(replied, "reply", at=later, text="And now?"),
    ]
    assert [answered_at(case) for case in answered] == [NOW] * len(answered)


def test_a_case_that_was_answered_before_its_verdict_came_stays_answered() -> None:
    replied = act_as_agent(a_case(), "reply", at=NOW + timedelta(minutes=5), text="Please try again.")
    covered = replied.with_coverage(replied.equipment, Promise(4, None, PARIS))
    assert covered.first_answer.answered_at == NOW + timedelta(minutes=5)
    assert covered.first_answer.due_at == NOW + timedelta(hours=4)
    assert replied.with_coverage(replied.equipment, None).first_answer.due_at is None
