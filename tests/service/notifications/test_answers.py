"""Whatever a mail server says, at whichever step: a mail ends in a final state, or waits longer each time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.notifications import handlers, smtp, store
from services.notifications.consumers import subscriptions
from services.notifications.domain.delivery import MOST_STUMBLES, Outcome
from services.notifications.domain.mails import Mail, MailState
from services.notifications.mailer import Mailer
from services.notifications.pace import Pace
from services.notifications.sender import Sender
from services.notifications.smtp import MailServer, MailServerUnavailable
from services.notifications.tls import Tls
from shared.codes import Purpose, digit_code
from shared.events.base import Event
from shared.mongo import Database
from tests.builders import TEST_SECRET, Json, an_email
from tests.events import hear
from tests.scripted_smtp import RawSmtp
from tests.service.notifications.conftest import (
    a_created_case,
    a_ledger,
    a_verification,
    an_invitation,
    now,
    stranger,
)

YES = {
    "with bytes that are no UTF-8": b"250 2.0.0 Message accept\xe9 pour livraison\r\n",
    "without a text": b"250\r\n",
    "another yes": b"251 2.1.5 Will forward\r\n",
    "a yes nobody knows": b"299 Fine\r\n",
    "of several lines": b"250-2.0.0 queued\r\n250-as \xff\x00\r\n250 1234\r\n",
    "with a bare line feed": b"250 OK\n",
}
NO = {
    "black list in GBK": b"550 5.7.1 black ip (\xb7\xa2\xd0\xc5IP)\r\n",
    "half letters": b"554 5.7.1 \xed\xa0\x80\xed\xb0\x80\r\n",
    "NUL and escape": b"550 5.7.1 \x00\x1b[31m\x85\r\n",
    "of several lines": b"554-5.7.1 no\r\n554 \xe9\r\n",
    "long": b"554 5.7.1 " + b"\xe9" * 3000 + b"\r\n",
}
NOT_NOW = {
    "Latin-1": b"450 4.2.0 r\xe9essayez\r\n",
    "closing": b"421 4.3.2 \xffShutting down\r\n",
    "without a text": b"451\r\n",
    "NUL": b"451 4.3.0 a\x00b\r\n",
    "of several lines": b"451-4.3.0 \xff\r\n451-\x00\r\n451 later\r\n",
    "lines that do not agree": b"250-fine\r\n451 4.3.0 later\r\n",
}
# These take until the client's time is up.
SILENCE = {"says nothing": b"", "half a line": b"250"}
NONSENSE = {
    "hangs up": None,
    "an empty line": b"\r\n",
    "no number": b"\xb7\xa2\xd0\xc5\r\n",
    "half a number": b"2\r\n",
    "a negative number": b"-12 x\r\n",
    "a small number": b"199 x\r\n",
    "zero": b"000 x\r\n",
    "a large number": b"600 5.1.1 x\r\n",
    "the largest": b"999 x\r\n",
    "go on": b"354 go on \xff\r\n",
    "a line without an end": b"451 " + b"x" * 40_000,
    "a long line": b"250 " + b"x" * 9_000 + b"\r\n",
    "lines without an end": b"250-x\r\n" * 10_000,
}
TWO_ANSWERS = b"250 2.0.0 OK\r\n550 5.1.1 No such user\r\n"
_FINAL = {"sent", "failed", "suppressed"}


@dataclass
class Post:
    """A sender, its database and its server."""

    db: Database
    server: RawSmtp
    sender: Sender

    async def queue(self) -> Event:
        event = a_created_case(uuid7(), stranger(an_email()))
        await hear(subscriptions(self.sender.put), self.db, event)
        return event

    async def row(self, event: Event) -> Json:
        row = await self.db["mails"].find_one({"event_id": event.id})
        assert row is not None
        return row

    async def after_try(self, event: Event, tries: int) -> Json:
        """The row once this many tries have their outcome."""
        return await self.once(event, lambda row: row["tries"] == tries and row["state"] in {"queued", *_FINAL})

    async def once(self, event: Event, condition: Callable[[Json], bool]) -> Json:
        rows: list[Json] = []

        async def holds() -> bool:
            rows.append(await self.row(event))
            return condition(rows[-1])

        assert await until(holds, deadline_s=60, pause_s=0.01), rows[-1]
        return rows[-1]

    async def hurry(self, event: Event) -> None:
        """The time of its next try has come."""
        await self.db["mails"].update_one({"event_id": event.id, "state": "queued"}, {"$set": {"due_at": now()}})
        self.sender._woken.set()


@pytest.fixture
async def post(ledger: Database) -> AsyncIterator[Post]:
    async with a_post(ledger) as it:
        yield it


@asynccontextmanager
async def a_post(db: Database) -> AsyncIterator[Post]:
    server = RawSmtp()
    await server.start()
    mailer = Mailer(mail_from="portico@localhost", base_url="http://portal.example", secret_key=TEST_SECRET)
    # It is woken for what is queued; it has to look for what a test changes behind its back.
    pace = Pace(look_every_s=0.05, first_hold_s=0.01, longest_hold_s=0.05)
    sender = Sender(mailer, MailServer(server.url, own_host="portal.example"), pace=pace)
    task = asyncio.create_task(sender.run(db))
    try:
        yield Post(db, server, sender)
    finally:
        server.says.clear()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.stop()


def _waited(row: Json) -> float:
    wait: timedelta = row["due_at"] - row["updated_at"]
    return wait.total_seconds()


async def _puts_off(post: Post, step: str, said: bytes | None, *, is_unknown: bool) -> None:
    """Two tries with this answer and waits that grow, and a third that is taken."""
    post.server.says = {step: said}
    event = await post.queue()
    for tries, wait in ((1, 5.0), (2, 10.0)):
        row = await post.after_try(event, tries)
        assert (row["state"], row["unknown_outcomes"]) == ("queued", tries if is_unknown else 0), (step, said, row)
        assert _waited(row) == wait, (step, said)
        if tries == 2:  # before its time comes: the third try may begin at once
            post.server.says = {}
        await post.hurry(event)
    row = await post.after_try(event, 3)
    assert row["state"] == "sent", (step, said)
    # Only where the content had been sent may it have come before.
    copies = [each for each in post.server.contents if row["_id"].encode() in each]
    assert len(copies) == (3 if step == "data" else 1), (step, said)


async def _is_final(post: Post, step: str, said: bytes | None, state: str) -> Json:
    post.server.says = {step: said}
    event = await post.queue()
    row = await post.after_try(event, 1)
    assert (row["state"], row["unknown_outcomes"], "due_at" in row) == (state, 0, False), (step, said, row)
    assert len(row["smtp_reply"]) <= 500
    return row


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
async def test_every_positive_answer_means_sent(post: Post, step: str) -> None:
    for said in YES.values():
        row = await _is_final(post, step, said, "sent")
        assert len([each for each in post.server.contents if row["_id"].encode() in each]) == 1


@pytest.mark.parametrize("step", ["rcpt", "start", "data"])
async def test_a_permanent_refusal_is_final_at_once(post: Post, step: str) -> None:
    for said in NO.values():
        await _is_final(post, step, said, "failed")


@pytest.mark.parametrize("said", [*NO.values(), *NOT_NOW.values(), *NONSENSE.values()])
async def test_a_refusal_of_the_sender_loses_no_mail(post: Post, said: bytes | None) -> None:
    await _puts_off(post, "mail", said, is_unknown=False)


@pytest.mark.parametrize("step", ["rcpt", "start", "data"])
async def test_a_temporary_refusal_is_tried_again_after_growing_waits(post: Post, step: str) -> None:
    for said in NOT_NOW.values():
        await _puts_off(post, step, said, is_unknown=False)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        pytest.param(step, said, id=f"{step}-{name}")
        for step in ("rcpt", "start", "data")
        for name, said in NONSENSE.items()
        if (step, name) != ("start", "go on")  # there it is the answer
    ],
)
async def test_an_unreadable_answer_is_tried_again_after_growing_waits(
    post: Post, step: str, said: bytes | None
) -> None:
    await _puts_off(post, step, said, is_unknown=step == "data")


async def test_a_server_that_falls_silent_is_tried_again_after_growing_waits(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for the answers of the other steps, on a busy machine too.
    monkeypatch.setattr(smtp, "_TIMEOUT_S", 3.0)
    monkeypatch.setattr(smtp, "_CONTENT_TIMEOUT_S", 3.0)

    async def falls_silent(step: str, said: bytes) -> None:
        async with a_ledger(mongo_url) as db, a_post(db) as post:
            await _puts_off(post, step, said, is_unknown=step == "data")

    # Each waits for most of its time: all at once.
    steps = ("mail", "rcpt", "start", "data")
    await asyncio.gather(*(falls_silent(step, said) for step in steps for said in SILENCE.values()))


async def test_a_positive_answer_before_the_content_does_not_mean_sent(post: Post) -> None:
    await _puts_off(post, "start", YES["another yes"], is_unknown=False)


@pytest.mark.parametrize("step", ["mail", "rcpt"])
async def test_an_unsolicited_answer_is_not_taken_for_the_next_one(post: Post, step: str) -> None:
    await _puts_off(post, step, TWO_ANSWERS, is_unknown=False)
    assert await post.db["bouncing"].count_documents({}) == 0


async def test_an_answer_too_many_is_not_taken_for_the_answer_to_another_mail(post: Post) -> None:
    await _is_final(post, "data", TWO_ANSWERS, "sent")
    await _is_final(post, "none", None, "sent")
    assert await post.db["bouncing"].count_documents({}) == 0


# A connection that was kept is given up for a new one; who has no EHLO may have HELO.
_ALSO = {"noop": ("connect",), "ehlo": ("helo",)}


@pytest.mark.parametrize("step", ["connect", "ehlo", "noop"])
async def test_all_mails_wait_while_the_server_talks_nonsense(post: Post, step: str) -> None:
    await post.after_try(await post.queue(), 1)  # a connection that is kept, and asked whether it still lives
    for said in [*NO.values(), *NOT_NOW.values(), *NONSENSE.values()]:
        post.server.says = {"noop": None, **dict.fromkeys(_ALSO.get(step, ()), said), step: said}
        event = await post.queue()
        await post.once(event, lambda row: row["state"] == "queued" and row["updated_at"] > row["created_at"])
        post.server.says = {}
        row = await post.after_try(event, 1)
        assert row["state"] == "sent", (step, said)


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        (b"STARTTLS", b"454 4.7.0 \xff not now\r\n"),
        (b"STARTTLS", b"220 go\r\nplain text that somebody slipped in\r\n"),
        (b"STARTTLS", b"\xb7\xa2\r\n"),
        (b"STARTTLS", None),
        (b"AUTH CRAM-MD5", b"334 no base64: \xff\r\n"),
        (b"AUTH CRAM-MD5", b"334 \r\n"),
        (b"AUTH PLAIN", b"535 5.7.8 \xe9\r\n"),
        (b"AUTH PLAIN", b"999 x\r\n"),
        (b"AUTH LOGIN", b"334 \xff\r\n"),
        (b"AUTH", b""),
        (b"AUTH HOLOGRAM", b""),
    ],
)
async def test_a_failure_before_a_mail_is_tried_counts_against_the_server_only(
    post: Post, offer: bytes, said: bytes | None
) -> None:
    post.server.says = {"ehlo": b"250-smtp.example\r\n250 " + offer + b"\r\n", "other": said}
    url = post.server.url.replace("//", "//user:password@")
    tls = Tls.REQUIRED if offer == b"STARTTLS" else Tls.NONE
    with pytest.raises(MailServerUnavailable):
        await MailServer(url, own_host="portal.example", tls=tls).take()


async def test_an_old_server_that_knows_no_ehlo_gets_its_mails(post: Post) -> None:
    await _is_final(post, "ehlo", b"502 5.5.1 Command not implemented\r\n", "sent")
    assert any(line.startswith("HELO") for line in post.server.asked)


async def test_a_portal_without_a_name_greets_the_server_by_its_address(post: Post) -> None:
    mailer = Mailer(mail_from="portico@localhost", base_url="http://192.168.1.5:8080", secret_key=TEST_SECRET)
    connection = await MailServer(post.server.url, own_host=mailer.host).take()
    connection.close()
    assert "EHLO [192.168.1.5]" in post.server.asked


async def test_an_answer_is_recorded_as_far_as_it_can_be_read(post: Post) -> None:
    row = await _is_final(post, "rcpt", NO["black list in GBK"], "failed")
    assert row["smtp_reply"] == "550 5.7.1 black ip (\ufffd\ufffd\ufffd\ufffdIP)"
    row = await _is_final(post, "data", YES["with bytes that are no UTF-8"], "sent")
    assert row["smtp_reply"] == "250 2.0.0 Message accept\ufffd pour livraison"
    row = await _is_final(post, "rcpt", NO["NUL and escape"], "failed")
    assert row["smtp_reply"] == "550 5.7.1 \ufffd"


async def test_a_code_that_the_server_repeats_in_its_answer_is_not_recorded(post: Post) -> None:
    event = a_verification(an_email())
    code = digit_code(TEST_SECRET, Purpose.VERIFICATION, event.verification_id, event.generation)
    post.server.says = {"data": f"554 5.7.1 Spam: {code} is your code for Portico\r\n".encode()}
    await hear(subscriptions(post.sender.put), post.db, event)
    row = await post.after_try(event, 1)
    assert (row["state"], row["smtp_reply"]) == ("failed", "554 5.7.1 Spam: … is your code for Portico")


async def test_copies_of_a_mail_whose_outcome_is_never_known_are_few(post: Post) -> None:
    post.server.says = {"data": None}
    event = await post.queue()
    waits = []
    for tries in range(1, 13):
        row = await post.after_try(event, tries)
        waits.append(_waited(row))
        await post.hurry(event)
    assert waits == [5.0 * 2**tries for tries in range(12)]


async def test_an_address_with_letters_beyond_ascii_gets_its_mail_or_its_refusal_at_once(post: Post) -> None:
    for utf8, state in ((True, "sent"), (False, "failed")):
        post.server.utf8 = utf8
        post.server.says = {"noop": None}  # so that the server is greeted anew
        email = f"jörg-{uuid4().hex[:6]}@example.com"
        await handlers.queue_account_mail(post.db, event := an_invitation(email))
        row = await post.after_try(event, 1)
        assert row["state"] == state, row
        if utf8:
            assert f"To: {email}\r\n".encode() in post.server.contents[-1]
            assert f"RCPT TO:<{email}>" in post.server.asked
        else:
            assert row["smtp_reply"].startswith("553 5.6.7 ")


async def test_a_domain_with_letters_beyond_ascii_needs_nothing_of_the_server(post: Post) -> None:
    local = f"ana-{uuid4().hex[:6]}"
    await handlers.queue_account_mail(post.db, event := an_invitation(f"{local}@bücher.example"))
    assert (await post.after_try(event, 1))["state"] == "sent"
    assert f"RCPT TO:<{local}@xn--bcher-kva.example>" in post.server.asked
    assert f"To: {local}@xn--bcher-kva.example\r\n".encode() in post.server.contents[-1]


_FACTS: Json = {"code_for": uuid7(), "generation": 1}


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({}, "KeyError"),
        ({"code_for": uuid7()}, "KeyError"),
        (_FACTS | {"generation": "three"}, "AttributeError"),
    ],
)
async def test_a_row_that_cannot_be_rendered_waits_longer_each_time_and_fails_in_the_end(
    post: Post, facts: Json, error: str
) -> None:
    event = a_verification(an_email(), expires_at=now() + timedelta(days=1))
    mail = Mail.to(
        event.email,
        event_id=event.id,
        kind="verification_code",
        name="\x00\ud800",
        language="en",
        company_id=None,
        facts=facts,
        request_id="",
        expires_at=event.expires_at,
    )
    await store.put_mails(post.db, [mail])
    waits = []
    for tries in range(1, MOST_STUMBLES):
        row = await post.after_try(event, tries)
        assert (row["state"], row["stumbles"], row["unknown_outcomes"]) == ("queued", tries, 0)
        waits.append(_waited(row))
        await post.hurry(event)
    assert waits == [5.0 * 2**tries for tries in range(MOST_STUMBLES - 1)]
    row = await post.after_try(event, MOST_STUMBLES)
    assert (row["state"], row["reason"], row["smtp_reply"], "due_at" in row) == ("failed", "unexpected", error, False)
    assert post.server.contents == []


async def test_a_row_that_this_version_cannot_read_holds_up_no_other_and_ends(post: Post) -> None:
    odd = await post.queue()
    await post.after_try(odd, 1)
    again: Json = {"state": "queued", "due_at": now(), "tries": 0, "kind": "hologram"}
    await post.db["mails"].update_one({"event_id": odd.id}, {"$set": again, "$unset": {"turn": 1, "priority": 1}})
    assert (await post.after_try(await post.queue(), 1))["state"] == "sent"
    for tries in range(1, MOST_STUMBLES):
        row = await post.after_try(odd, tries)
        assert _waited(row) == 5.0 * 2 ** (tries - 1)
        await post.hurry(odd)
    row = await post.after_try(odd, MOST_STUMBLES)
    assert (row["state"], row["reason"], row["smtp_reply"]) == ("failed", "unexpected", "ValidationError")


async def test_a_row_that_an_older_version_left_behind_is_sent_less_and_less_often(post: Post) -> None:
    event = await post.queue()
    await post.after_try(event, 1)
    left: Json = {"state": "sending", "due_at": now(), "lease": uuid4(), "tries": 40, "unknown_outcomes": 0}
    gone: Json = {"interruptions": 1, "stumbles": 1, "turn": 1, "priority": 1, "was_claimed": 1}
    for time, wait in enumerate((5.0, 10.0, 20.0)):
        changes: Json = {"$set": left | {"unknown_outcomes": time, "interruptions": time}}
        if time == 0:
            changes = {"$set": left, "$unset": gone}
        await post.db["mails"].update_one({"event_id": event.id}, changes)
        row = await post.once(event, lambda row: row["state"] == "queued")
        assert (row["unknown_outcomes"], row["interruptions"], _waited(row)) == (time + 1, time + 1, wait)
    await post.db["mails"].update_one({"event_id": event.id}, {"$set": left | {"expires_at": now()}})
    row = await post.once(event, lambda row: row["state"] in _FINAL)
    assert (row["state"], row["reason"]) == ("failed", "expired")
    assert len(post.server.contents) == 1


async def test_a_row_that_kills_its_senders_is_not_the_first_that_each_tries(post: Post) -> None:
    event = await post.queue()
    await post.after_try(event, 1)
    left: Json = {"state": "claimed", "due_at": now(), "lease": uuid4(), "interruptions": 3}
    await post.db["mails"].update_one({"event_id": event.id}, {"$set": left})
    row = await post.once(event, lambda row: row["state"] == "queued")
    assert (row["interruptions"], row["unknown_outcomes"], _waited(row)) == (4, 0, 40.0)


async def test_an_outcome_whose_text_the_database_refuses_is_recorded_without_it(post: Post, mongo_url: str) -> None:
    async with AsyncMongoClient[Json](mongo_url) as client:
        ledger = client[post.db.name]
        await ledger["bouncing"].drop()
        # Stands for whatever a database may find fault with.
        await ledger.create_collection("bouncing", validator={"never": {"$exists": True}})
        try:
            row = await _is_final(post, "rcpt", b"550 5.1.1 No such user\r\n", "failed")
        finally:
            await ledger["bouncing"].drop()
    assert (row["smtp_reply"], row["tries"]) == ("", 1)


async def test_a_positive_answer_after_the_end_of_the_lease_counts(post: Post) -> None:
    post.server.says = {"connect": None}
    event = await post.queue()
    row = await post.once(event, lambda row: row["updated_at"] > row["created_at"])
    late = store.load({**row, "lease": uuid4()})
    assert await store.mark_outcomes(post.db, [(late, Outcome(MailState.SENT, "250 OK"))]) == [True]
    row = await post.row(event)
    assert (row["state"], row["smtp_reply"], "due_at" in row) == ("sent", "250 OK", False)
