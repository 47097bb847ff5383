"""The rules of notifications, without any I/O."""

import pytest
from uuid_utils.compat import uuid7

from services.notifications.domain.delivery import (
    Stage,
    outcome_of_lost_connection,
    outcome_of_refusal,
    outcome_of_success,
    wait_s,
)
from services.notifications.domain.mails import Mail, MailState, mail_id, storable
from services.notifications.domain.people import Person
from services.notifications.domain.preferences import Preferences
from services.notifications.kinds import CASE_MAILS, KINDS

EVENT_ID = uuid7()


def a_mail(email: str = "Ana@Example.com", **other: object) -> Mail:
    values = {
        "event_id": EVENT_ID,
        "kind": "case_created",
        "name": "Ana",
        "language": "en",
        "company_id": None,
        "facts": {},
        "request_id": "r",
    } | other
    return Mail.to(email, **values)  # type: ignore[arg-type]  # a test's shorthand


def test_the_same_event_addressee_and_kind_give_the_same_row() -> None:
    assert a_mail("Ana@Example.com").id == a_mail("ana@example.com").id
    assert a_mail().id == mail_id(event_id=EVENT_ID, addressee="ana@example.com", kind="case_created")


def test_another_event_addressee_or_kind_gives_another_row() -> None:
    others = [a_mail("luc@example.com"), a_mail(event_id=uuid7()), a_mail(kind="case_closed")]
    assert len({a_mail().id, *(other.id for other in others)}) == 4


def test_a_user_has_one_row_whatever_the_address() -> None:
    user_id = uuid7()
    assert a_mail("a@example.com", user_id=user_id).id == a_mail("b@example.com", user_id=user_id).id


def test_an_address_is_a_person_of_its_company_only() -> None:
    one, other = uuid7(), uuid7()
    assert Person.of_address("a@example.com", one) != Person.of_address("a@example.com", other)


def test_everybody_is_opted_in_until_they_choose_otherwise() -> None:
    assert all(Preferences().allow(kind) for kind in KINDS)


def test_the_main_switch_governs_case_mails_only() -> None:
    off = Preferences(case_emails=False, kinds={"case_created": True})
    assert not off.allow("case_created")
    assert off.allow("invitation")
    assert off.allow("verification_code")
    assert off.refused == tuple(CASE_MAILS)


def test_each_case_kind_has_its_own_switch() -> None:
    partly = Preferences(kinds={"case_closed": False})
    assert partly.allow("case_created")
    assert partly.refused == ("case_closed",)


@pytest.mark.parametrize(
    ("code", "text", "state", "bounced"),
    [
        (550, "5.1.1 No such user", MailState.FAILED, True),
        (553, "5.1.3 Bad address syntax", MailState.FAILED, True),
        (550, "5.1.10 Null MX", MailState.FAILED, True),
        (550, "5.1.0 <portico@example.com>: Sender address rejected", MailState.FAILED, False),
        (550, "5.1.7 Bad sender's mailbox address", MailState.FAILED, False),
        (550, "5.1.8 Sender address rejected", MailState.FAILED, False),
        (550, "5.7.1 Spam", MailState.FAILED, False),
        (550, "No enhanced code", MailState.FAILED, False),
        (552, "5.2.2 Mailbox full, see 5.1.1", MailState.FAILED, False),
        (451, "4.7.1 Greylisted", MailState.QUEUED, False),
        (421, "4.3.2 Shutting down", MailState.QUEUED, False),
        (252, "Cannot say", MailState.QUEUED, False),
    ],
)
def test_what_a_servers_refusal_means(*, code: int, text: str, state: MailState, bounced: bool) -> None:
    outcome = outcome_of_refusal(Stage.RECIPIENT, code, text)
    assert (outcome.state, outcome.bounced, outcome.reply) == (state, bounced, f"{code} {text}")


def test_only_a_refused_recipient_bounces_and_a_refused_sender_loses_no_mail() -> None:
    outcomes = {stage: outcome_of_refusal(stage, 550, "5.1.1 Unknown") for stage in Stage}
    assert {stage for stage, outcome in outcomes.items() if outcome.bounced} == {Stage.RECIPIENT}
    assert {stage for stage, outcome in outcomes.items() if outcome.state is MailState.QUEUED} == {Stage.SENDER}


def test_a_reply_is_one_short_line() -> None:
    reply = outcome_of_success(250, "2.0.0 OK\nqueued as " + "x" * 1000).reply
    assert reply.startswith("250 2.0.0 OK queued as x")
    assert len(reply) == 500


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("5.1.1 <\x1b[31mana\x1b[0m@example.com>", "5.1.1 <ana@example.com>"),
        ("5.1.1 bo\u200bx \u202ellun\u202c", "5.1.1 box llun"),
        ("5.2.2 bo\udcc3te pleine", "5.2.2 bo\ufffdte pleine"),
        ("5.2.2 boi\u0302te\xa0pleine", "5.2.2 bo\xeete pleine"),
        ("5.2.2 a" + "\u0301" * 31, "5.2.2 \xe1" + "\u0301" * 29),
        ("x" * 495 + "\U0001f44d\U0001f3fd", "x" * 495),
    ],
)
def test_an_answer_of_a_server_can_turn_nothing_round_and_hide_nothing(said: str, kept: str) -> None:
    assert outcome_of_success(250, said).reply == f"250 {kept}"


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\u200b", "\x00", "\u2060"])
def test_nothing_unseen_is_written_into_the_ledger(hostile: str) -> None:
    assert storable({"facts": {"title": f"a{hostile}b", "names": (f"c{hostile}",)}}) == {
        "facts": {"title": "ab", "names": ["c"]}
    }


def test_a_connection_lost_in_the_content_leaves_the_outcome_unknown() -> None:
    assert outcome_of_lost_connection(Stage.DATA, "lost").is_unknown
    assert not outcome_of_lost_connection(Stage.RECIPIENT, "lost").is_unknown


def test_the_wait_grows_from_five_seconds_to_ten_minutes() -> None:
    assert [wait_s(tries) for tries in (1, 2, 3, 8, 1000)] == [5.0, 10.0, 20.0, 600.0, 600.0]
