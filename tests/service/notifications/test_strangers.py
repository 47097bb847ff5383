"""An address with which nobody signs in may be anybody's: few mails about cases go there, and say little."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.notifications import handlers, store
from services.notifications.consumers import SUBSCRIPTIONS
from services.notifications.domain.mails import Mail
from services.notifications.mailer import Mailer
from services.notifications.pace import Pace
from services.notifications.sender import Sender
from services.notifications.smtp import MailServer
from services.notifications.store import StrangerLimits
from shared.events.base import Addressee
from shared.events.cases import CaseCreated
from shared.mongo import Database
from tests.builders import TEST_SECRET, Json, an_email
from tests.events import hear
from tests.scripted_smtp import ScriptedSmtp
from tests.service.notifications.conftest import a_closed_case, a_created_case, a_user, named, stranger

_TITLE = "URGENT: see https://phish.example/1"


@dataclass
class Post:
    """Senders with small limits."""

    db: Database
    smtp: ScriptedSmtp
    company_id: UUID

    async def submit(self, *people: Addressee, by: UUID, company_id: UUID | None = None) -> CaseCreated:
        case = a_created_case(company_id or self.company_id, *people)
        case = case.model_copy(update={"created_by": by, "title": _TITLE})
        await hear(SUBSCRIPTIONS, self.db, case)
        return case

    async def rows(self, *wanted: str) -> list[tuple[str, str | None]]:
        """State and reason of every row, or of those to these addresses, once all are settled."""
        await self.settled()
        query: Json = {"email": {"$in": wanted}} if wanted else {}
        return [(row["state"], row["reason"]) async for row in self.db["mails"].find(query).sort("_id")]

    async def settled(self) -> None:
        async def all_are() -> bool:
            return await self.db["mails"].count_documents({"due_at": {"$exists": True}}) == 0

        assert await until(all_are, deadline_s=15, pause_s=0.02)


@pytest.fixture
async def post(ledger: Database, smtp_server: ScriptedSmtp) -> AsyncIterator[Post]:
    mailer = Mailer(mail_from="portico@localhost", base_url="http://portal.example", secret_key=TEST_SECRET)
    servers = [MailServer(smtp_server.url, own_host="portal.example") for _ in range(2)]
    senders = [Sender(mailer, server, StrangerLimits(3, 5), Pace(look_every_s=0.02)) for server in servers]
    tasks = [asyncio.create_task(each.run(ledger)) for each in senders]
    yield Post(ledger, smtp_server, uuid7())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_user_can_cause_only_so_many_mails_to_strangers_in_an_hour(post: Post) -> None:
    user = uuid7()
    victim = an_email("victim")
    for _ in range(6):
        await post.submit(stranger(victim), by=user)
    assert sorted(await post.rows(), key=str) == [("sent", None)] * 3 + [("suppressed", "too_many")] * 3
    assert len(post.smtp.to(victim)) == 3
    # Somebody else is not held up by that.
    await post.submit(stranger(other := an_email()), by=uuid7())
    assert await post.rows(other) == [("sent", None)]


async def test_a_company_can_cause_only_so_many_mails_to_strangers_in_an_hour(post: Post) -> None:
    for _ in range(8):
        await post.submit(stranger(an_email()), by=uuid7())
    reasons = [reason for _, reason in await post.rows()]
    assert (reasons.count(None), reasons.count("too_many")) == (5, 3)
    await post.submit(stranger(other := an_email()), by=uuid7(), company_id=uuid7())
    assert await post.rows(other) == [("sent", None)]


async def test_a_mail_is_counted_once_however_often_its_event_comes_and_it_is_tried(post: Post) -> None:
    user = uuid7()
    puts_off = an_email()
    post.smtp.answer_recipient(puts_off, "451 4.7.1 Greylisted", times=2)
    case = await post.submit(stranger(puts_off), by=user)
    for _ in range(5):
        await hear(SUBSCRIPTIONS, post.db, case)

    async def is_sent() -> bool:
        await post.db["mails"].update_many({"state": "queued"}, [{"$set": {"due_at": "$created_at"}}])
        return await post.db["mails"].find_one({"state": "sent"}) is not None

    assert await until(is_sent, deadline_s=10, pause_s=0.05)
    counts = [each["count"] async for each in post.db["stranger_mails"].find()]
    assert counts == [1, 1]


async def test_mails_to_users_have_no_limit_and_show_the_title(post: Post) -> None:
    user = a_user(post.company_id)
    await handlers.copy_user(post.db, user)
    for _ in range(6):
        await post.submit(named(user), by=user.user_id)
    assert await post.rows() == [("sent", None)] * 6
    assert {mail.subject for mail in post.smtp.to(user.login_email)} == {f"[1000000009] {_TITLE}"}


async def test_a_user_of_another_company_is_no_stranger(post: Post) -> None:
    elsewhere = a_user()
    await handlers.copy_user(post.db, elsewhere)
    await post.submit(stranger(elsewhere.login_email), by=uuid7())
    await post.settled()
    (mail,) = post.smtp.to(elsewhere.login_email)
    assert mail.subject.endswith(_TITLE)
    assert await post.db["stranger_mails"].count_documents({}) == 0


async def test_an_unverified_address_of_a_profile_is_a_strangers(post: Post) -> None:
    victim = an_email("victim")
    user = a_user(post.company_id, contact_email=victim)
    await handlers.copy_user(post.db, user)
    for _ in range(5):
        await post.submit(named(user), by=user.user_id)
    assert [reason for _, reason in await post.rows()].count("too_many") == 2
    assert {mail.subject for mail in post.smtp.to(victim)} == {"[1000000009] Support case"}


async def test_what_the_vendors_people_close_counts_for_the_company_only(post: Post) -> None:
    agent = a_user()
    await handlers.copy_user(post.db, agent)
    for _ in range(4):
        created = a_created_case(post.company_id, stranger(an_email()))
        closed = a_closed_case(created).model_copy(update={"closed_by": agent.user_id, "title": _TITLE})
        await hear(SUBSCRIPTIONS, post.db, closed)
    assert await post.rows() == [("sent", None)] * 4
    assert {mail.subject for mail in post.smtp.mails} == {"[1000000009] Support case"}


async def test_an_hour_is_the_hour_in_which_a_mail_was_caused(post: Post) -> None:
    # However late it goes: what waited for a mail server is no storm when that is back.
    event = a_created_case(post.company_id, stranger("ana@example.com"))
    at = datetime(2026, 4, 24, 12, 59, 59, tzinfo=UTC)
    mail = Mail.to(
        "ana@example.com",
        event_id=event.id,
        kind="case_created",
        name="",
        language="en",
        company_id=post.company_id,
        facts={},
        request_id="",
        caused_by=event.created_by,
    )
    mails = [replace(mail, created_at=at)] * 4 + [replace(mail, created_at=at + timedelta(seconds=1))] * 2
    limits = StrangerLimits(3, 0)
    too_many = [
        await store.count_stranger_mails(post.db, [each], limits, of_users={each.id}) == {each.id} for each in mails
    ]
    assert too_many == [False, False, False, True, False, False]
