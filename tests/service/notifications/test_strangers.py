"""An address with which nobody signs in may be anybody's: few mails about cases go there, and say little."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from uuid import UUID, uuid4

import pytest
from pymongo.read_concern import ReadConcern
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
_HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


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

        assert await until(all_are, deadline_s=60, pause_s=0.02)


@pytest.fixture
async def post(ledger: Database, smtp_server: ScriptedSmtp) -> AsyncIterator[Post]:
    assert await until(_an_hour_goes_on, deadline_s=60)
    mailer = Mailer(mail_from="portico@localhost", base_url="http://portal.example", secret_key=TEST_SECRET)
    servers = [MailServer(smtp_server.url, own_host="portal.example") for _ in range(2)]
    senders = [Sender(mailer, server, StrangerLimits(3, 5), Pace(look_every_s=0.02)) for server in servers]
    tasks = [asyncio.create_task(each.run(ledger)) for each in senders]
    yield Post(ledger, smtp_server, uuid7())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _an_hour_goes_on() -> bool:
    """Longer than a test takes, which would count in two of them."""
    now = datetime.now(UTC)
    return (now.minute, now.second) < (59, 40)


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

    assert await until(is_sent, deadline_s=60, pause_s=0.05)
    counts = [(each["count"], each["users"]) async for each in post.db["stranger_mails"].find()]
    assert counts == [(1, {str(case.created_by): 1})]


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
    user = uuid7()
    mails = [_a_mail(post, _HOUR + timedelta(minutes=59, seconds=59), by=user) for _ in range(4)]
    mails += [_a_mail(post, _HOUR + timedelta(hours=1), by=user) for _ in range(2)]
    assert await _too_many(post, mails, StrangerLimits(3, 0)) == {mails[3].id}


async def test_many_who_count_at_once_let_just_as_many_through_as_are_allowed(post: Post) -> None:
    users = [uuid7(), uuid7(), uuid7()]
    batches = [[_a_mail(post, _HOUR, by=user) for user in users] for _ in range(10)]
    refused = await asyncio.gather(*(_too_many(post, mails, StrangerLimits(5, 12)) for mails in batches))
    went = Counter(mail.caused_by for mail in chain(*batches) if mail.id not in set().union(*refused))
    assert went.total() == 12
    assert max(went.values()) <= 5


async def test_what_is_too_many_for_its_company_does_not_count_for_its_user(post: Post) -> None:
    user = uuid7()
    mails = [_a_mail(post, _HOUR, by=user) for _ in range(3)]
    assert await _too_many(post, mails, StrangerLimits(3, 1)) == {mails[1].id, mails[2].id}
    mails = [_a_mail(post, _HOUR, by=user) for _ in range(3)]
    assert await _too_many(post, mails, StrangerLimits(3, 10)) == {mails[2].id}


async def test_without_a_bound_nothing_is_counted(post: Post) -> None:
    mails = [_a_mail(post, _HOUR, by=uuid7()) for _ in range(3)]
    assert await _too_many(post, mails, StrangerLimits(0, 0)) == set()
    counted = post.db["stranger_mails"].with_options(read_concern=ReadConcern("local"))
    assert await counted.count_documents({}) == 0


async def test_what_an_older_version_counted_for_a_company_counts(post: Post) -> None:
    mail = _a_mail(post, _HOUR + timedelta(minutes=30), by=uuid7())
    old = {"_id": f"company:{mail.company_id}:{_HOUR:%Y-%m-%dT%H}", "count": 5, "taken_by": uuid4()}
    await post.db["stranger_mails"].insert_one(old)
    assert await _too_many(post, [mail], StrangerLimits(3, 5)) == {mail.id}
    assert await _too_many(post, [mail], StrangerLimits(3, 6)) == set()


async def _too_many(post: Post, mails: list[Mail], limits: StrangerLimits) -> set[str]:
    return await store.count_stranger_mails(post.db, mails, limits, of_users={mail.id for mail in mails})


def _a_mail(post: Post, at: datetime, *, by: UUID) -> Mail:
    mail = Mail.to(
        email := an_email(),
        event_id=a_created_case(post.company_id, stranger(email)).id,
        kind="case_created",
        name="",
        language="en",
        company_id=post.company_id,
        facts={},
        request_id="",
        caused_by=by,
    )
    return replace(mail, created_at=at)
