"""Rows that are written claimed already, by the sender that will send them; and when they are not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.notifications import handlers, sender, store
from services.notifications.consumers import SUBSCRIPTIONS, subscriptions
from services.notifications.domain.mails import Mail
from services.notifications.mailer import Mailer
from services.notifications.pace import Pace
from services.notifications.sender import Sender
from services.notifications.smtp import MailServer
from services.notifications.store import Claim, StrangerLimits
from shared.bus import Delivery
from shared.events.base import Event
from shared.logging import Origin
from shared.mongo import Database
from shared.schemas.notifications import PreferencesBody
from tests.builders import TEST_SECRET, Json, an_actor, an_email
from tests.events import hear
from tests.scripted_smtp import ScriptedSmtp
from tests.service.notifications.conftest import (
    a_created_case,
    a_user,
    a_verification,
    an_invitation,
    named,
    now,
    stranger,
)


class Replica:
    """A sender that knows its server as fast, and looks for rows when it starts, then seldom."""

    def __init__(self, db: Database, server: ScriptedSmtp, *, look_every_s: float = 60.0) -> None:
        mailer = Mailer(mail_from="portico@localhost", base_url="http://portal.example", secret_key=TEST_SECRET)
        pace = Pace(look_every_s=look_every_s, first_hold_s=60.0, longest_hold_s=60.0, user_unknown_s=0.0)
        one = MailServer(server.url, own_host="portal.example")
        self.sender = Sender(mailer, one, StrangerLimits(0, 0), pace)
        for _ in range(10):
            self.sender._speed.note(0.0)
        self.task = asyncio.create_task(self.sender.run(db))
        self._db = db

    async def has_looked(self) -> None:
        async def has() -> bool:
            return not self.sender._rows_wait

        assert await until(has, deadline_s=45, pause_s=0.01)

    async def has_let_go(self) -> None:
        async def has() -> bool:
            return not self.sender._in_hand

        assert await until(has, deadline_s=45, pause_s=0.01)

    async def has_met_no_server(self) -> None:
        async def has() -> bool:
            return bool(await self.sender.degraded(self._db)) and not self.sender._in_hand

        assert await until(has, deadline_s=45, pause_s=0.01)

    async def hear(self, event: Event) -> list[Json]:
        """The rows as they were written."""
        await hear(subscriptions(self.sender.put), self._db, event)
        return await self._db["mails"].find({"event_id": event.id}).to_list()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def replica(
    ledger: Database, smtp_server: ScriptedSmtp, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Replica]:
    monkeypatch.setattr(sender, "_PATIENCE_S", 60.0)  # nothing goes back because this machine is slow
    one = Replica(ledger, smtp_server)
    await one.has_looked()
    yield one
    await one.stop()


def _never(*_: Any, **__: Any) -> Any:
    raise AssertionError


async def _settled(db: Database) -> list[Json]:
    async def none_waits() -> bool:
        return await db["mails"].find_one({"due_at": {"$exists": True}}) is None

    assert await until(none_waits, deadline_s=60, pause_s=0.02), [
        (row["state"], row["tries"], row.get("due_at")) async for row in db["mails"].find({"due_at": {"$exists": True}})
    ]
    return [row async for row in db["mails"].find()]


async def test_mails_go_out_without_a_look_for_rows_where_none_wait(
    ledger: Database, replica: Replica, smtp_server: ScriptedSmtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "claim_mails", _never)
    user = a_user()
    await handlers.copy_user(ledger, user)
    case = a_created_case(user.company_id, named(user), stranger(an_email()))
    events = [a_verification(an_email()), an_invitation(an_email()), case]
    for event in events:
        await replica.hear(event)
    rows = await _settled(ledger)
    assert [(row["state"], row["tries"], row["interruptions"]) for row in rows] == [("sent", 1, 0)] * 4
    assert len(smtp_server.mails) == 4


async def test_an_event_that_comes_again_takes_no_row_from_whoever_has_it(
    ledger: Database, replica: Replica, smtp_server: ScriptedSmtp
) -> None:
    smtp_server.reply_delay_s = 0.05
    cases = [a_created_case(uuid7(), stranger(an_email()), stranger(an_email(), "owner")) for _ in range(5)]
    await asyncio.gather(*(replica.hear(case) for case in cases for _ in range(3)))
    await asyncio.gather(*(replica.hear(case) for case in cases))
    rows = await _settled(ledger)
    assert {(row["state"], row["tries"], row["interruptions"]) for row in rows} == {("sent", 1, 0)}
    assert len(smtp_server.mails) == len(rows) == 10


async def test_an_event_that_comes_twice_at_once_is_told_once(
    ledger: Database, replica: Replica, smtp_server: ScriptedSmtp
) -> None:
    case = a_created_case(uuid7(), stranger(an_email()), stranger(an_email(), "owner"))
    twice = [Delivery(case, Origin(str(case.id)))] * 2
    await handlers.queue_case_mails(ledger, twice, put=replica.sender.put)
    await _settled(ledger)
    await replica.has_let_go()
    assert len(smtp_server.mails) == 2


async def test_a_row_that_was_missing_after_a_crash_is_the_only_one_that_is_taken(
    ledger: Database, replica: Replica, smtp_server: ScriptedSmtp
) -> None:
    first, second = an_email(), an_email()
    case = a_created_case(uuid7(), stranger(first), stranger(second, "owner"))
    await hear(SUBSCRIPTIONS, ledger, case)
    await ledger["mails"].delete_one({"email": second})
    rows = {row["email"]: row["state"] for row in await replica.hear(case)}
    assert rows[first] == "queued"
    await smtp_server.wait_for(second)
    assert not smtp_server.to(first)


async def test_new_rows_queue_up_behind_those_that_wait(ledger: Database, smtp_server: ScriptedSmtp) -> None:
    replica = Replica(ledger, smtp_server, look_every_s=0.2)
    await replica.has_looked()
    smtp_server.reply_delay_s = 0.05
    smtp_server.hold()  # however long it takes to write the rows
    busy, quiet = uuid7(), uuid7()

    async def case_of(company_id: UUID, people: int) -> Event:
        event = a_created_case(company_id, *(stranger(an_email()) for _ in range(people)))
        await replica.hear(event)
        return event

    too_many = await case_of(busy, 300)  # more than may be in hand
    assert await ledger["mails"].count_documents({"event_id": too_many.id, "state": "claimed", "turn": 300}) == 0
    later = await replica.hear(a_created_case(busy, stranger(an_email())))
    assert [row["state"] for row in later] == ["queued"]
    code, of_quiet = a_verification(an_email()), a_created_case(quiet, stranger(an_email()))
    emails = [row["email"] for event in (code, of_quiet) for row in await replica.hear(event)]
    smtp_server.go_on()
    for email in emails:
        await smtp_server.wait_for(email)
    assert max(map(smtp_server.tried.index, emails)) < 250
    smtp_server.reply_delay_s = 0.0
    await _settled(ledger)
    # Nothing waits any more: the next goes at once.
    await replica.has_looked()
    await replica.has_let_go()
    (row,) = await replica.hear(a_created_case(busy, stranger(an_email())))
    assert row["state"] != "queued"
    await replica.stop()


async def test_new_rows_queue_up_behind_those_that_were_put_back(
    ledger: Database, replica: Replica, smtp_server: ScriptedSmtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_PATIENCE_S", 0.05)
    smtp_server.reply_delay_s = 1.0
    await replica.hear(a_created_case(uuid7(), *(stranger(an_email()) for _ in range(3))))

    async def are_put_back() -> bool:
        return await ledger["mails"].count_documents({"state": "queued"}) > 0 and replica.sender._rows_wait

    assert await until(are_put_back, deadline_s=60, pause_s=0.01)
    claim_mails, may_claim = store.claim_mails, asyncio.Event()

    async def claim_later(*args: Any, **options: Any) -> Any:
        await may_claim.wait()
        return await claim_mails(*args, **options)

    monkeypatch.setattr(store, "claim_mails", claim_later)  # not before the row was read as it was written
    (row,) = await replica.hear(a_created_case(uuid7(), stranger(an_email())))
    assert row["state"] == "queued"
    may_claim.set()
    monkeypatch.undo()
    smtp_server.reply_delay_s = 0.0
    rows = await _settled(ledger)
    assert {(row["state"], row["tries"]) for row in rows} == {("sent", 1)}


async def test_while_the_mail_server_is_away_rows_are_written_for_whoever_finds_it_again(
    ledger: Database, replica: Replica, smtp_server: ScriptedSmtp
) -> None:
    await smtp_server.stop()
    await replica.hear(a_verification(an_email()))

    await replica.has_met_no_server()
    (row,) = await replica.hear(a_verification(an_email()))
    assert row["state"] == "queued"
    await smtp_server.start()
    another = Replica(ledger, smtp_server)
    rows = await _settled(ledger)
    await another.stop()
    assert {(row["state"], row["tries"], row["interruptions"]) for row in rows} == {("sent", 1, 0)}


async def test_new_rows_queue_up_behind_those_for_which_there_was_no_connection(
    ledger: Database, replica: Replica, smtp_server: ScriptedSmtp
) -> None:
    await smtp_server.stop()
    await replica.hear(a_verification(an_email()))
    await replica.has_met_no_server()
    await smtp_server.start()
    replica.sender._gate.open()  # as another connection does that has found the server
    (row,) = await replica.hear(a_verification(an_email()))
    assert row["state"] == "queued"


async def test_a_row_whose_writer_dies_is_due_when_its_lease_ends_and_no_try_is_counted(
    ledger: Database, replica: Replica, smtp_server: ScriptedSmtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sender, "_begin", lambda *_: None)  # it dies here
    (row,) = await replica.hear(a_verification(an_email()))
    assert (row["state"], row["due_at"] - row["created_at"]) == ("claimed", timedelta(seconds=30))
    await ledger["mails"].update_one({"_id": row["_id"]}, {"$set": {"due_at": now()}})
    monkeypatch.undo()
    another = Replica(ledger, smtp_server)

    async def is_put_off() -> bool:
        return await ledger["mails"].find_one({"state": "queued", "interruptions": 1}) is not None

    assert await until(is_put_off, deadline_s=45, pause_s=0.02)
    await ledger["mails"].update_one({"_id": row["_id"]}, {"$set": {"due_at": now()}})
    another.sender._woken.set()
    (row,) = await _settled(ledger)
    await another.stop()
    assert (row["state"], row["tries"], row["unknown_outcomes"]) == ("sent", 1, 0)


async def test_a_row_that_is_written_while_its_sender_stops_goes_back(
    ledger: Database, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_claimed = store.put_claimed

    async def slow(db: Database, mails: Sequence[Mail], *, lease: UUID) -> list[Claim]:
        claims = await put_claimed(db, mails, lease=lease)
        await replica.stop()
        return claims

    monkeypatch.setattr(store, "put_claimed", slow)
    (row,) = await replica.hear(a_verification(an_email()))
    assert (row["state"], row["interruptions"], row["due_at"] <= row["updated_at"]) == ("queued", 0, True)
    (row,) = await replica.hear(a_verification(an_email()))
    assert row["state"] == "queued"


async def test_whoever_opts_out_when_the_row_is_written_gets_no_mail(
    ledger: Database, replica: Replica, smtp_server: ScriptedSmtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = a_user()
    await handlers.copy_user(ledger, user)
    put_claimed = store.put_claimed

    async def opted_out_meanwhile(db: Database, mails: Sequence[Mail], *, lease: UUID) -> list[Claim]:
        claims = await put_claimed(db, mails, lease=lease)
        assert [claim.mail.person for claim in claims] == [f"user:{user.user_id}"]
        actor = an_actor(user_id=user.user_id)
        await handlers.change_preferences(db, actor, PreferencesBody(case_emails=False))
        await ledger["preferences"].delete_many({})  # so that the sender reads what was chosen before
        return claims

    monkeypatch.setattr(store, "put_claimed", opted_out_meanwhile)
    await replica.hear(a_created_case(user.company_id, named(user)))
    (row,) = await _settled(ledger)
    assert (row["state"], row["reason"]) == ("suppressed", "opted_out")
    await replica.has_let_go()
    assert not smtp_server.mails
