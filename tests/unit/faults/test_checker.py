"""The checker turns red for whatever is lost, double, or nobody's; and for nothing else."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from tests.faults.checker import Choice, Found, FoundCase, FoundEvent, FoundFile, Row, Verdict, check
from tests.faults.load import Attempt, Record, Try
from tests.faults.sink import Taken

SUBMITTER = "ana@example.com"


def an_attempt(index: int) -> Attempt:
    return Attempt(
        label=f"case-{index}",
        email=f"luc.{index}@example.com",
        content=f"content {index}".encode(),
        began=100.0 + index,
        file_id=f"file-{index}",
        number=f"10000000{index}",
        upload_tries=[Try(100.0 + index, 100.1 + index, 201)],
        case_tries=[Try(100.1 + index, 100.2 + index, 201)],
    )


def a_mail(attempt: Attempt, **other: object) -> Taken:
    mail = Taken(
        to=attempt.email,
        message_id=f"<{attempt.label}@portico.example>",
        subject=f"[{attempt.number}] {attempt.label}",
        text="",
        from_at=attempt.began + 1,
        taken_at=attempt.began + 1.1,
    )
    return replace(mail, **other)  # type: ignore[arg-type]  # the fields of a test


def a_row(attempt: Attempt, **other: object) -> Row:
    row = Row(
        number=attempt.number,
        email=attempt.email,
        state="sent",
        reason="",
        unknown_outcomes=0,
        settled_at=attempt.began + 1.2,
        sending_at=attempt.began + 0.9,
    )
    return replace(row, **other)  # type: ignore[arg-type]  # the fields of a test


RECORD = Record([an_attempt(index) for index in range(3)])
FIRST, SECOND, _ = RECORD.attempts
IDS = {attempt.label: uuid4() for attempt in RECORD.attempts}


def all_found() -> Found:
    wanted = RECORD.attempts
    kinds = ("cases.case.created.v1", "cases.case.changed.v1")
    suppressed = {"email": SUBMITTER, "state": "suppressed", "reason": "opted_out", "sending_at": 0.0}
    return Found(
        cases=[FoundCase(IDS[each.label], each.label, each.number, (each.file_id,)) for each in wanted],
        listed={each.number for each in wanted},
        files=[FoundFile(each.file_id, each.label, IDS[each.label], each.sha256) for each in wanted],
        events=[FoundEvent(kind, IDS[each.label]) for each in wanted for kind in kinds],
        copies=list(IDS.values()),
        rows=[row for each in wanted for row in (a_row(each), a_row(each, **suppressed))],
        mails=[a_mail(each) for each in wanted],
        leftovers={"pending in cases.cases": 0},
    )


def judged(found: Found, record: Record = RECORD, *choices: Choice) -> Verdict:
    return check(record, found, submitter=SUBMITTER, choices=choices)


def test_a_run_in_which_all_is_there_once_is_green() -> None:
    verdict = judged(all_found())
    assert verdict.is_green, verdict.red
    cases, mails = verdict.chains["cases"], verdict.chains["mails"]
    assert (cases.attempt, cases.acknowledged, cases.ok, cases.recovered) == (3, 3, 3, 0)
    assert (mails.attempt, mails.ok) == (3, 3)


A_STRANGER = FoundCase(uuid4(), "nobody's", "109", ())
WITHOUT_FIRST: dict[str, Callable[[Found], Found]] = {
    "cases lost": lambda found: replace(found, cases=found.cases[1:]),
    "attachments lost": lambda found: replace(found, files=found.files[1:]),
    "events lost": lambda found: replace(found, events=found.events[1:]),
    "effects lost": lambda found: replace(found, copies=list(found.copies)[1:]),
    "mails lost": lambda found: replace(found, mails=found.mails[1:]),
}
TWICE: dict[str, Callable[[Found], Found]] = {
    "cases duplicated": lambda found: replace(
        found,
        cases=[*found.cases, FoundCase(uuid4(), FIRST.label, "999", ())],
        listed={*found.listed, "999"},
    ),
    "attachments duplicated": lambda found: replace(found, files=[*found.files, found.files[0]]),
    "events duplicated": lambda found: replace(found, events=[*found.events, found.events[0]]),
    "effects duplicated": lambda found: replace(found, rows=[*found.rows, found.rows[0]]),
    "mails duplicated": lambda found: replace(found, mails=[*found.mails, found.mails[0]]),
}
NOBODYS: dict[str, Callable[[Found], Found]] = {
    "cases unexpected": lambda found: replace(found, cases=[*found.cases, A_STRANGER]),
    "attachments unexpected": lambda found: replace(
        found, files=[*found.files, FoundFile("strange", FIRST.label, None, FIRST.sha256)]
    ),
    "events unexpected": lambda found: replace(
        found, events=[*found.events, FoundEvent("cases.case.changed.v1", uuid4())]
    ),
    "effects unexpected": lambda found: replace(found, copies=[*found.copies, uuid4()]),
    "mails unexpected": lambda found: replace(found, mails=[*found.mails, a_mail(FIRST, to=SUBMITTER)]),
}


@pytest.mark.parametrize("reason", [*WITHOUT_FIRST, *TWICE, *NOBODYS])
def test_what_is_lost_double_or_nobodys_turns_the_run_red(reason: str) -> None:
    change = (WITHOUT_FIRST | TWICE | NOBODYS)[reason]
    assert f"{reason} 1" in judged(change(all_found())).red


def test_an_answered_case_with_another_number_is_lost() -> None:
    found = all_found()
    renumbered = replace(found.cases[0], number="999")
    verdict = judged(replace(found, cases=[renumbered, *found.cases[1:]], listed={*found.listed, "999"}))
    assert "cases lost 1" in verdict.red


def test_a_case_that_the_portal_does_not_list_is_lost() -> None:
    found = all_found()
    assert "cases lost 1" in judged(replace(found, listed=set(found.listed) - {FIRST.number})).red


@pytest.mark.parametrize(
    "changed",
    [{"sha256": "of other bytes"}, {"sha256": ""}, {"case_id": UUID(int=0)}],
    ids=["other bytes", "not handed out", "another case's"],
)
def test_a_file_that_is_not_as_it_was_sent_is_lost(changed: dict[str, object]) -> None:
    found = all_found()
    broken = replace(found.files[0], **changed)  # type: ignore[arg-type]  # the fields of a test
    assert "attachments lost 1" in judged(replace(found, files=[broken, *found.files[1:]])).red


def test_a_file_that_two_cases_cite_is_lost_to_its_own() -> None:
    found = all_found()
    second = replace(found.cases[1], file_ids=(FIRST.file_id, SECOND.file_id))
    assert "attachments lost 1" in judged(replace(found, cases=[found.cases[0], second, found.cases[2]])).red


def test_a_row_that_is_missing_is_a_lost_effect() -> None:
    found = all_found()
    assert "effects lost 1" in judged(replace(found, rows=found.rows[1:])).red


def with_tries(*tries: Try, number: str) -> Record:
    return Record([replace(FIRST, case_tries=list(tries), number=number), *RECORD.attempts[1:]])


def test_a_case_that_is_there_though_a_request_for_it_had_no_answer_is_recovered() -> None:
    record = with_tries(Try(100.1, 101.0, 0), Try(101.3, 101.5, 201), number=FIRST.number)
    verdict = judged(all_found(), record)
    assert verdict.is_green, verdict.red
    assert verdict.chains["cases"].recovered == 1


def test_a_case_that_was_never_answered_turns_the_run_red_though_it_is_there() -> None:
    verdict = judged(all_found(), with_tries(Try(100.1, 101.0, 503), number=""))
    assert verdict.red == ["unanswered 1"]
    assert verdict.chains["cases"].recovered == 1


def test_an_answer_after_more_than_ten_seconds_turns_the_run_red() -> None:
    verdict = judged(all_found(), with_tries(Try(100.1, 110.2, 201), number=FIRST.number))
    assert verdict.red == ["hung 1"]


def test_an_answer_that_nobody_expected_turns_the_run_red() -> None:
    assert judged(all_found(), replace(RECORD, wrong_answers=["500 oops"])).red == ["wrong answers 1"]


def test_what_is_left_over_turns_the_run_red() -> None:
    verdict = judged(replace(all_found(), leftovers={"messages in cases.copies.v1.dead": 2}))
    assert verdict.red == ["messages in cases.copies.v1.dead 2"]


def with_unknown_outcome(found: Found, *copies: Taken) -> Found:
    return replace(
        found, rows=[replace(found.rows[0], unknown_outcomes=1), *found.rows[1:]], mails=[*found.mails, *copies]
    )


def test_a_second_copy_in_the_window_is_counted_but_not_red() -> None:
    verdict = judged(with_unknown_outcome(all_found(), a_mail(FIRST)))
    assert verdict.is_green, verdict.red
    assert (verdict.repeated_mails, verdict.unknown_outcomes) == (1, 1)


def test_a_second_copy_in_the_window_with_another_message_id_is_red() -> None:
    verdict = judged(with_unknown_outcome(all_found(), a_mail(FIRST, message_id="<other@portico.example>")))
    assert verdict.red == ["mails duplicated 1"]


def test_a_third_copy_is_more_than_the_window_allows() -> None:
    verdict = judged(with_unknown_outcome(all_found(), a_mail(FIRST), a_mail(FIRST)))
    assert verdict.red == ["mails duplicated 1"]


OUT = Choice(FIRST.email, out_began=100.3, out_answered=100.5, in_began=105.0, in_answered=105.2)


def test_a_mail_marked_as_being_sent_after_the_opting_out_was_answered_is_red() -> None:
    # The mail of the first case is marked at 100.9, within OUT.
    assert "mails sent after opting out 1" in judged(all_found(), RECORD, OUT).red


def test_a_mail_that_was_being_sent_when_the_opting_out_was_answered_is_counted_but_not_red() -> None:
    late = replace(OUT, out_answered=100.95)
    verdict = judged(all_found(), RECORD, late)
    assert verdict.is_green, verdict.red
    assert list(verdict.under_way) == [0.05]


def without_the_first_mail(found: Found) -> Found:
    suppressed = replace(found.rows[0], state="suppressed", reason="opted_out", sending_at=0.0)
    return replace(found, rows=[suppressed, *found.rows[1:]], mails=found.mails[1:])


def test_a_mail_suppressed_for_somebody_who_had_opted_out_is_not_lost() -> None:
    verdict = judged(without_the_first_mail(all_found()), RECORD, OUT)
    assert verdict.is_green, verdict.red
    assert (verdict.suppressed, verdict.chains["mails"].attempt) == (1, 2)


def test_a_mail_suppressed_for_somebody_who_was_opted_in_all_the_time_is_lost() -> None:
    assert judged(without_the_first_mail(all_found())).red == ["mails lost 1"]
    earlier = Choice(FIRST.email, out_began=90.0, out_answered=90.1, in_began=95.0, in_answered=95.1)
    assert judged(without_the_first_mail(all_found()), RECORD, earlier).red == ["mails lost 1"]
