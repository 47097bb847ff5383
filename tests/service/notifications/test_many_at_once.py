"""Mails that wait together are claimed, marked and recorded together; each has a verdict and an outcome of its own."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.notifications import handlers, sender, smtp, store
from services.notifications.consumers import SUBSCRIPTIONS
from services.notifications.domain import delivery, verdicts
from services.notifications.domain.delivery import Outcome
from services.notifications.domain.mails import Mail, MailState
from services.notifications.domain.verdicts import Verdict
from services.notifications.mailer import Mailer
from services.notifications.pace import Pace, Speed
from services.notifications.sender import Sender
from services.notifications.smtp import MailServer
from services.notifications.store import StrangerLimits
from shared.bus import Delivery
from shared.events.cases import CaseFact
from shared.logging import Origin
from shared.mongo import Database
from shared.schemas.notifications import PreferencesBody
from tests.builders import TEST_SECRET, Json, an_actor, an_email
from tests.events import hear
from tests.scripted_smtp import RawSmtp, ScriptedSmtp
from tests.service.notifications.conftest import (
    a_company,
    a_created_case,
    a_user,
    a_verification,
    named,
    now,
    stranger,
)

_MANY = 12
_RACES = 20


@pytest.fixture(autouse=True)
def _what_waits_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the test says that its time has come, however long the test takes."""
    monkeypatch.setattr(delivery, "_FIRST_WAIT_S", 300.0)


async def _queue(db: Database, events: Sequence[CaseFact], put: handlers.Put = store.put_mails) -> None:
    await handlers.queue_case_mails(db, [Delivery(event, Origin(str(event.id))) for event in events], put=put)


def _a_sender(url: str, limits: StrangerLimits | None = None) -> Sender:
    """One that knows the server as fast, so that it sends many over one connection."""
    mailer = Mailer(mail_from="portico@localhost", base_url="http://portal.example", secret_key=TEST_SECRET)
    pace = Pace(look_every_s=0.05, first_hold_s=0.01, longest_hold_s=0.05, user_unknown_s=300.0)
    one = Sender(mailer, MailServer(url, own_host="portal.example"), limits, pace)
    for _ in range(10):
        one._speed.note(0.0)
    return one


@asynccontextmanager
async def _sending(db: Database, url: str, limits: StrangerLimits | None = None) -> AsyncIterator[Sender]:
    one = _a_sender(url, limits)
    task = asyncio.create_task(one.run(db))
    try:
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _rows(db: Database) -> dict[str, Json]:
    return {row["email"]: row async for row in db["mails"].find()}


async def _settled(db: Database, *, but: Sequence[str] = ()) -> dict[str, Json]:
    """The rows by address, once nothing is left to do but for those that wait."""

    async def all_are() -> bool:
        left = {"email": {"$nin": list(but)}, "due_at": {"$exists": True}}
        return await db["mails"].find_one(left) is None

    assert await until(all_are, deadline_s=60, pause_s=0.02), await _rows(db)
    return await _rows(db)


async def test_events_that_come_together_are_written_once_each_with_its_own_request_and_turn(ledger: Database) -> None:
    cases = [a_created_case(company_id, stranger(an_email())) for company_id in (uuid7(), uuid7()) for _ in range(3)]
    await asyncio.gather(_queue(ledger, cases), _queue(ledger, cases[:4]))
    await _queue(ledger, cases)
    rows = [row async for row in ledger["mails"].find()]
    assert {(row["event_id"], row["request_id"]) for row in rows} == {(case.id, str(case.id)) for case in cases}
    assert len(rows) == len(cases)
    for company_id in {case.company_id for case in cases}:
        assert len({row["turn"] for row in rows if row["company_id"] == company_id}) == 3


async def test_a_row_says_from_the_start_who_it_is_for_and_only_the_first_of_a_person_does(ledger: Database) -> None:
    user = a_user()
    await handlers.copy_user(ledger, user)
    other = an_email()
    people = (named(user), stranger(user.login_email), stranger(other, "secondary_contact"))
    await _queue(ledger, [a_created_case(user.company_id, *people)])
    rows = {row["user_id"] or row["email"]: row.get("person") for row in [r async for r in ledger["mails"].find()]}
    assert rows == {
        user.login_email: f"user:{user.user_id}",
        user.user_id: None,
        other: f"address:{user.company_id}:{other}",
    }


async def test_an_event_whose_person_an_earlier_delivery_wrote_into_another_row_loses_no_row(ledger: Database) -> None:
    user = a_user(contact_email=an_email("office"))
    case = a_created_case(user.company_id, named(user), stranger(user.login_email))
    # As a crash leaves it in the middle of the first delivery: the contact's row, for whom the user was known to be.
    await handlers.copy_user(ledger, user)
    await _queue(ledger, [case])
    await ledger["mails"].delete_one({"user_id": user.user_id})
    await ledger["users"].delete_many({})
    await _queue(ledger, [case])
    assert await ledger["mails"].count_documents({"event_id": case.id}) == 2


async def test_each_mail_of_a_batch_has_a_verdict_of_its_own(ledger: Database, smtp_server: ScriptedSmtp) -> None:
    company_id, suspended = uuid7(), uuid7()
    good, opted_out, late = (a_user(company_id) for _ in range(3))
    gone = a_user(company_id, active=False)
    for user in (good, opted_out, gone):
        await handlers.copy_user(ledger, user)
    await handlers.copy_company(ledger, a_company(suspended, suspended=True))
    await handlers.change_preferences(ledger, an_actor(user_id=opted_out.user_id), PreferencesBody(case_emails=False))
    bouncing, unusable, many, refused, of_suspended = (an_email(name) for name in ("b", "u", "m", "r", "s"))
    unusable = f"ana@{'ü' * 80}.example"
    await store.put_bouncing(ledger, bouncing, reply="550 5.1.1 No such user")
    smtp_server.answer_recipient(refused, "554 5.7.1 Policy")
    cases = [a_created_case(company_id, named(user)) for user in (good, opted_out, gone, late)]
    cases += [a_created_case(company_id, stranger(email)) for email in (bouncing, unusable, refused)]
    cases += [a_created_case(suspended, stranger(of_suspended))]
    busy = a_created_case(uuid7(), *(stranger(f"{number}.{many}") for number in range(4)))
    await _queue(ledger, [*cases, busy])
    await hear(SUBSCRIPTIONS, ledger, expired := a_verification(an_email(), expires_at=now() - timedelta(seconds=1)))
    await hear(SUBSCRIPTIONS, ledger, odd := a_verification(an_email()))
    await ledger["mails"].update_one({"email": odd.email}, {"$set": {"kind": "hologram"}})
    waiting = (late.contact_email, odd.email)
    async with _sending(ledger, smtp_server.url, StrangerLimits(2, 2)):
        rows = await _settled(ledger, but=waiting)

        async def all_wait() -> bool:
            found = await _rows(ledger)
            rows = [found[each] for each in waiting]
            return all(row["state"] == "queued" and row["due_at"] > row["created_at"] for row in rows)

        assert await until(all_wait, deadline_s=60, pause_s=0.02)
        rows = await _rows(ledger)
        told = {email: (row["state"], row["reason"]) for email, row in rows.items()}
        of_many = [told.pop(f"{number}.{many}") for number in range(4)]
        assert sorted(of_many, key=str) == [("sent", None)] * 2 + [("suppressed", "too_many")] * 2
        assert told == {
            good.contact_email: ("sent", None),
            opted_out.contact_email: ("suppressed", "opted_out"),
            gone.contact_email: ("suppressed", "deactivated"),
            late.contact_email: ("queued", None),
            bouncing: ("suppressed", "bouncing"),
            unusable: ("failed", None),
            refused: ("failed", None),
            of_suspended: ("suppressed", "company_suspended"),
            expired.email: ("suppressed", "expired"),
            odd.email: ("queued", None),
        }
        assert (rows[late.contact_email]["tries"], rows[odd.email]["stumbles"]) == (0, 1)
    assert len(smtp_server.mails) == 3


async def test_answers_that_come_together_are_recorded_each_with_its_own_row(ledger: Database) -> None:
    await _queue(ledger, [a_created_case(uuid7(), stranger(an_email())) for _ in range(6)])
    claims = await store.claim_mails(ledger, lease=uuid4(), in_hand=(), at_most=6)
    assert claims is not None
    mails = [claim.mail for claim in claims]
    assert len(await store.mark_sending(ledger, mails)) == 6
    # The last two have been claimed anew: one of them waits again, the other is being sent.
    for mail, state in ((mails[4], "queued"), (mails[5], "sending")):
        await ledger["mails"].update_one({"_id": mail.id}, {"$set": {"lease": uuid4(), "state": state}})
    replies = ["250 first", "250 $state {}", "554 no", "451 later", "250 late", "250 too late"]
    states = [MailState.SENT, MailState.SENT, MailState.FAILED, MailState.QUEUED, MailState.SENT, MailState.SENT]
    outcomes = [Outcome(state, reply) for state, reply in zip(states, replies, strict=True)]
    recorded = await store.mark_outcomes(ledger, list(zip(mails, outcomes, strict=True)))
    assert recorded == [True] * 5 + [False]
    rows = {row["_id"]: row async for row in ledger["mails"].find()}
    found = [rows[mail.id] for mail in mails]
    assert [(row["state"], row["smtp_reply"]) for row in found] == [
        *zip(states[:5], replies[:5], strict=True),
        ("sending", None),
    ]
    assert ["due_at" in row for row in found] == [False, False, False, True, False, True]
    assert ["sent_at" in row for row in found] == [True, True, False, False, True, False]


@pytest.mark.parametrize("is_claimed", [False, True])
async def test_whoever_opts_out_while_many_mails_go_is_sent_none_that_is_not_marked_yet(
    ledger: Database, smtp_server: ScriptedSmtp, *, is_claimed: bool
) -> None:
    sent = suppressed = 0
    async with _sending(ledger, smtp_server.url) as one:
        for race in range(_RACES):
            user, other = a_user(), a_user()
            for each in (user, other):
                await handlers.copy_user(ledger, each)
            cases = [a_created_case(user.company_id, named(user), named(other, "contact")) for _ in range(6)]
            queueing = asyncio.create_task(_queue(ledger, cases, one.put if is_claimed else store.put_mails))
            if race % 4 > 1:
                await queueing
                await asyncio.sleep(random.uniform(0, 0.1))
            elif (
                race % 4
            ):  # a busy machine may have sent all of them before anybody opts out, but not before it has them
                await asyncio.sleep(0)
            else:  # on a busy machine nothing may have been sent by then
                await smtp_server.wait_for(user.contact_email)
            actor = an_actor(user_id=user.user_id)
            await handlers.change_preferences(ledger, actor, PreferencesBody(case_emails=False))
            answered = await ledger["preferences"].find_one({"_id": user.user_id}, {"now": "$$NOW"})
            assert answered is not None
            await queueing
            await _settled(ledger)
            async for row in ledger["mails"].find({"user_id": user.user_id}):
                if row["state"] == "sent":
                    sent += 1
                    assert row["sending_at"] <= answered["now"]
                else:
                    suppressed += 1
                    assert row["reason"] == "opted_out"
            others = ledger["mails"].find({"user_id": other.user_id})
            assert [row["state"] async for row in others] == ["sent"] * 6
    assert sent
    assert suppressed


@dataclass
class CuttingSmtp(RawSmtp):
    """Says something else at one step of its third mail, once."""

    step: str = ""
    instead: bytes | None = None
    came: int = 0

    async def _say(self, writer: asyncio.StreamWriter, step: str) -> bytes:
        if step == self.step:
            self.came += 1
            if self.came == 3:
                self.says = {step: self.instead}
        try:
            return await super()._say(writer, step)
        finally:
            self.says = {}


@pytest.mark.parametrize("step", ["mail", "rcpt", "start", "data"])
@pytest.mark.parametrize("instead", [None, b"421 4.3.2 Shutting down\r\n", b"451 4.3.0 Later\r\n", b"999 x\r\n"])
async def test_what_happens_to_one_mail_of_a_connection_counts_for_no_other(
    ledger: Database, step: str, instead: bytes | None
) -> None:
    server = CuttingSmtp(step=step, instead=instead)
    await server.start()
    emails = [an_email() for _ in range(_MANY)]
    await _queue(ledger, [a_created_case(uuid7(), stranger(email)) for email in emails])
    async with _sending(ledger, server.url):

        async def only_one_waits() -> bool:
            return await ledger["mails"].count_documents({"state": "sent"}) == _MANY - 1

        assert await until(only_one_waits, deadline_s=60, pause_s=0.02), await _rows(ledger)
        assert await until(lambda: _waits_again(ledger), deadline_s=60, pause_s=0.02), await _rows(ledger)
        rows = list((await _rows(ledger)).values())
        (hit,) = [row for row in rows if row["state"] != "sent"]
        is_unknown = step == "data" and instead in (None, b"999 x\r\n")
        assert (hit["state"], hit["tries"], hit["unknown_outcomes"]) == ("queued", 1, int(is_unknown))
        # Those that had stood marked behind it, too, were tried once only.
        assert {(row["tries"], row["unknown_outcomes"]) for row in rows if row is not hit} == {(1, 0)}
        await ledger["mails"].update_one({"_id": hit["_id"]}, {"$set": {"due_at": now()}})
        await _settled(ledger)
    await server.stop()
    copies = [sum(row["_id"].encode() in each for each in server.contents) for row in rows]
    assert sum(copies) == _MANY + (step == "data")


async def test_a_refusal_in_the_midst_of_many_mails_counts_for_that_mail_only(
    ledger: Database, smtp_server: ScriptedSmtp
) -> None:
    emails = [an_email() for _ in range(_MANY)]
    never, later, bounces = emails[3], emails[5], emails[7]
    smtp_server.answer_recipient(never, "554 5.7.1 Policy")
    smtp_server.answer_recipient(later, "451 4.7.1 Greylisted", times=1)
    smtp_server.answer_recipient(bounces, "550 5.1.1 No such user")
    await _queue(ledger, [a_created_case(uuid7(), stranger(email)) for email in emails])
    async with _sending(ledger, smtp_server.url):
        await _settled(ledger, but=[later])
        assert await until(lambda: _waits_again(ledger), deadline_s=60, pause_s=0.02)
        rows = await _rows(ledger)
    states = {email: row["state"] for email, row in rows.items()}
    assert states == dict.fromkeys(emails, "sent") | {never: "failed", bounces: "failed", later: "queued"}
    assert await store.find_bouncing(ledger, emails) == {bounces: "550 5.1.1 No such user"}


async def test_a_server_that_is_slow_with_one_mail_holds_up_none_of_those_behind_it(
    ledger: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_PATIENCE_S", 0.2)
    server = CuttingSmtp(step="data", instead=b"")  # it says nothing more on that connection
    await server.start()
    emails = [an_email() for _ in range(_MANY)]
    await _queue(ledger, [a_created_case(uuid7(), stranger(email)) for email in emails])
    async with _sending(ledger, server.url):

        async def only_one_waits() -> bool:
            return await ledger["mails"].count_documents({"state": "sent"}) == _MANY - 1

        assert await until(only_one_waits, deadline_s=60, pause_s=0.02), await _rows(ledger)
        monkeypatch.setattr(sender, "_STOP_GRACE_S", 0.0)
    rows = (await _rows(ledger)).values()
    assert {(row["state"], row["tries"]) for row in rows} == {("sent", 1), ("sending", 1)}
    await server.stop()


async def test_an_answer_that_comes_while_those_behind_it_are_put_back_leaves_none_of_them_marked(
    ledger: Database, smtp_server: ScriptedSmtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(Speed, "mails_at_once", _MANY)
    send, put_back = smtp.send, store.put_back
    is_putting_back, has_answered = asyncio.Event(), asyncio.Event()

    async def answered_late(*args: Any, **options: Any) -> Outcome:
        await is_putting_back.wait()
        outcome = await send(*args, **options)
        has_answered.set()
        return outcome

    async def slow(db: Database, mails: Sequence[Mail]) -> None:
        is_putting_back.set()
        await has_answered.wait()
        await put_back(db, mails)

    monkeypatch.setattr(smtp, "send", answered_late)
    monkeypatch.setattr(store, "put_back", slow)
    await _queue(ledger, [a_created_case(uuid7(), stranger(an_email())) for _ in range(_MANY)])
    async with _sending(ledger, smtp_server.url):
        rows = await _settled(ledger)
    assert {(row["state"], row["tries"], row["unknown_outcomes"]) for row in rows.values()} == {("sent", 1, 0)}


async def test_senders_that_are_killed_double_at_most_what_was_being_sent_and_say_so(
    ledger: Database, smtp_server: ScriptedSmtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_STOP_GRACE_S", 0.0)  # cancelled in the midst, as if killed
    smtp_server.reply_delay_s = 0.01
    emails = [an_email() for _ in range(60)]
    await _queue(ledger, [a_created_case(uuid7(), stranger(email)) for email in emails])
    for _ in range(3):
        tasks = [asyncio.create_task(_a_sender(smtp_server.url).run(ledger)) for _ in range(2)]
        await asyncio.sleep(random.uniform(0.1, 0.4))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Their leases have ended.
        await ledger["mails"].update_many({"due_at": {"$exists": True}}, {"$set": {"due_at": now()}})
    smtp_server.reply_delay_s = 0.0

    async def all_are_sent() -> bool:
        waiting: Json = {"state": "queued", "due_at": {"$exists": True}}
        await ledger["mails"].update_many(waiting, {"$set": {"due_at": now()}})
        return await ledger["mails"].count_documents({"state": "sent"}) == len(emails)

    async with _sending(ledger, smtp_server.url):
        # Longer than a lease: what a killed sender had asked of the database may come after what the test has written.
        assert await until(all_are_sent, deadline_s=90, pause_s=0.05), await _rows(ledger)
    rows = await _rows(ledger)
    for email in emails:
        assert 1 <= len(smtp_server.to(email)) <= 1 + rows[email]["unknown_outcomes"]


async def test_a_mail_about_which_nothing_can_be_decided_holds_up_no_other(
    ledger: Database, smtp_server: ScriptedSmtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    emails = [an_email() for _ in range(_MANY)]
    odd = emails[4]

    def judge(mail: Mail, *args: Any, **other: Any) -> Verdict:
        if mail.email == odd:
            raise KeyError
        return verdicts.judge(mail, *args, **other)

    monkeypatch.setattr(sender, "judge", judge)
    await _queue(ledger, [a_created_case(uuid7(), stranger(email)) for email in emails])
    async with _sending(ledger, smtp_server.url):
        rows = await _settled(ledger, but=[odd])
        assert await until(lambda: _has_stumbled(ledger, odd), deadline_s=60, pause_s=0.02)
    assert {email: row["state"] for email, row in rows.items() if email != odd} == dict.fromkeys(
        set(emails) - {odd}, "sent"
    )


async def _waits_again(db: Database) -> bool:
    return await db["mails"].count_documents({"state": "queued", "tries": 1}) == 1


async def _has_stumbled(db: Database, email: str) -> bool:
    return await db["mails"].find_one({"email": email, "state": "queued", "stumbles": 1, "tries": 1}) is not None


async def test_two_senders_share_what_waits(
    ledger: Database, smtp_server: ScriptedSmtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_PATIENCE_S", 60.0)
    await _queue(ledger, [a_created_case(uuid7(), stranger(an_email())) for _ in range(160)])
    another = ScriptedSmtp(reply_delay_s=0.005)
    await another.start()
    smtp_server.reply_delay_s = 0.005

    async def all_are_in_hand() -> bool:
        return await ledger["mails"].find_one({"state": "queued"}) is None

    # Neither is done with its own before the other has begun.
    smtp_server.hold()
    another.hold()
    async with _sending(ledger, smtp_server.url), _sending(ledger, another.url):
        assert await until(all_are_in_hand, deadline_s=60, pause_s=0.02)
        smtp_server.go_on()
        another.go_on()
        await _settled(ledger)
    await another.stop()
    assert len(smtp_server.mails) + len(another.mails) == 160
    assert min(len(smtp_server.mails), len(another.mails)) > 16
