"""What goes out first when mails wait: by urgency, then in fair turns between companies, then by age."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from pymongo import AsyncMongoClient
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.notifications import handlers, store
from services.notifications.consumers import SUBSCRIPTIONS
from services.notifications.domain.mails import Mail
from services.notifications.mailer import Mailer
from services.notifications.sender import Sender
from services.notifications.smtp import MailServer
from shared.mongo import Database
from tests.builders import MONGO_DRIVER, TEST_SECRET, Json, an_email
from tests.events import hear
from tests.scripted_smtp import ScriptedSmtp
from tests.service.notifications.conftest import a_created_case, a_verification, an_invitation, now, stranger


@pytest.fixture
def db(ledger: Database) -> Database:
    return ledger


async def _case_mails(db: Database, company_id: UUID, count: int) -> None:
    people = (stranger(an_email()) for _ in range(count))
    await hear(SUBSCRIPTIONS, db, a_created_case(company_id, *people))


async def _claimed(db: Database, count: int) -> list[Mail]:
    """The next mails, claimed one by one."""
    claimed: list[Mail] = []
    while len(claimed) < count:
        claims = await store.claim_mails(db, lease=uuid4(), in_hand=(), at_most=1)
        if claims is None:
            break
        mails = [claim.mail for claim in claims]
        await store.note_turns(db, mails)
        claimed += mails
    return claimed


async def test_the_index_of_older_versions_is_dropped_at_the_start(db: Database) -> None:
    await db[store.MAILS].create_index(["created_at", "due_at"], name="due")
    await asyncio.gather(*(store.create_indexes(db) for _ in range(3)))
    names = await db[store.MAILS].index_information()
    assert "turn" in names
    assert "due" not in names


async def test_codes_go_first_then_invitations_then_every_company_in_turn(db: Database) -> None:
    busy, quiet = uuid7(), uuid7()
    await _case_mails(db, busy, 500)
    await _claimed(db, 20)
    await _case_mails(db, quiet, 1)
    await handlers.queue_account_mail(db, an_invitation(an_email(), company_id=busy))
    await handlers.queue_account_mail(db, an_invitation(an_email(), company_id=quiet))
    await handlers.queue_account_mail(db, a_verification(an_email()))
    mails = await _claimed(db, 6)
    assert [mail.kind for mail in mails[:3]] == [
        "verification_code",
        "invitation",
        "invitation",
    ]
    assert quiet in {mail.company_id for mail in mails[3:]}


async def test_many_invitations_of_one_company_do_not_hold_up_another_companys_one(db: Database) -> None:
    busy, quiet = uuid7(), uuid7()
    for _ in range(60):
        await handlers.queue_account_mail(db, an_invitation(an_email(), company_id=busy))
    await _claimed(db, 8)
    await handlers.queue_account_mail(db, an_invitation(an_email(), company_id=quiet))
    assert quiet in {mail.company_id for mail in await _claimed(db, 2)}


async def test_companies_take_turns_and_cannot_save_turns_up(db: Database) -> None:
    first, second, third = uuid7(), uuid7(), uuid7()
    await _case_mails(db, first, 100)
    await _claimed(db, 60)  # the others had nothing to send meanwhile
    await _case_mails(db, second, 20)
    await _case_mails(db, third, 20)
    companies = [mail.company_id for mail in await _claimed(db, 60)]
    for start in range(0, 60, 3):
        assert set(companies[start : start + 3]) == {first, second, third}


async def test_within_a_company_the_oldest_goes_first_also_when_it_is_due_again(db: Database) -> None:
    company = uuid7()
    for _ in range(10):
        await _case_mails(db, company, 1)
    mails = await _claimed(db, 10)
    assert [mail.created_at for mail in mails] == sorted(mail.created_at for mail in mails if mail.created_at)
    for mail in (mails[7], mails[2], mails[5]):
        assert await store.mark(db, [store.due_again(mail, wait_s=0)]) == 1
    await _case_mails(db, company, 1)
    again = await _claimed(db, 4)
    assert [mail.id for mail in again[:3]] == [mails[2].id, mails[5].id, mails[7].id]


async def test_a_code_and_an_invitation_pass_hundreds_of_waiting_mails(db: Database, smtp_server: ScriptedSmtp) -> None:
    smtp_server.reply_delay_s = 0.02
    await _case_mails(db, uuid7(), 400)
    mailer = Mailer(mail_from="portico@localhost", base_url="http://portal.example", secret_key=TEST_SECRET)
    one = Sender(mailer, MailServer(smtp_server.url, own_host="portal.example"))
    task = asyncio.create_task(one.run(db))

    async def has_begun() -> bool:
        return len(smtp_server.tried) > 20

    assert await until(has_begun, deadline_s=60, pause_s=0.01)
    smtp_server.hold()  # however long queueing takes, none goes out meanwhile
    quiet = uuid7()
    code, invitation = a_verification(an_email()), an_invitation(an_email(), company_id=quiet)
    before = len(smtp_server.tried)
    await handlers.queue_account_mail(db, code)
    await handlers.queue_account_mail(db, invitation)
    await _case_mails(db, quiet, 1)
    row = await db["mails"].find_one({"company_id": quiet, "kind": "case_created"})
    assert row is not None
    smtp_server.go_on()
    emails = (code.email, invitation.email, row["email"])
    for email in emails:
        await smtp_server.wait_for(email)
    passed_by = max(map(smtp_server.tried.index, emails)) - before
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    # Some six for each of eight connections are in hand at any time.
    assert passed_by < 100


async def test_many_who_queue_at_once_get_turns_of_their_own(db: Database) -> None:
    company = uuid7()
    await asyncio.gather(*(_case_mails(db, company, 3) for _ in range(30)))
    turns = [row["turn"] async for row in db["mails"].find({}, {"turn": 1})]
    assert sorted(turns) == list(range(1, 91))


async def test_many_senders_claim_each_mail_once(db: Database) -> None:
    for _ in range(4):
        await _case_mails(db, uuid7(), 25)
    claimed = await asyncio.gather(*(_claimed(db, 30) for _ in range(4)))
    ids = [mail.id for mails in claimed for mail in mails]
    assert len(ids) == len(set(ids)) == 100


async def test_rows_of_an_older_version_are_sent_too(db: Database) -> None:
    await _case_mails(db, uuid7(), 3)
    await db["mails"].update_many({}, {"$unset": {"turn": 1, "priority": 1, "interruptions": 1, "stumbles": 1}})
    await _case_mails(db, uuid7(), 1)
    assert len(await _claimed(db, 5)) == 4


@pytest.mark.skipif(MONGO_DRIVER == "motor", reason="the database is asked, not the driver")
async def test_a_claim_reads_no_row_but_those_it_takes_however_many_wait(db: Database, mongo_url: str) -> None:
    for _ in range(3):
        await _case_mails(db, uuid7(), 500)
    # The first thousand have been tried, and are not due.
    rows = [row["_id"] async for row in db["mails"].find({}, {"_id": 1}).sort("turn").limit(1000)]
    later = {"due_at": now() + timedelta(hours=1)}
    await db["mails"].update_many({"_id": {"$in": rows}}, {"$set": later})
    async with AsyncMongoClient[Json](mongo_url) as client:
        profiled = client[db.name]
        await profiled.command("planCacheClear", "mails")  # not a plan for what other tests had there
        await profiled.command("profile", 2)
        claimed = await store.claim_mails(db, lease=uuid4(), in_hand=[rows[-1], rows[-2]], at_most=10)
        await profiled.command("profile", 0)
        found = profiled["system.profile"].find({"ns": f"{db.name}.mails", "op": {"$in": ["query", "update"]}})
        commands = [(each["op"], each["planSummary"], each["docsExamined"]) async for each in found.sort("ts")]
        await profiled["system.profile"].drop()
    assert claimed is not None
    assert len(claimed) == 10
    by_turn = "IXSCAN { priority: 1, turn: 1, created_at: 1, due_at: 1 }"
    assert commands[:2] == [("query", by_turn, 10), ("update", "IXSCAN { _id: 1 }", 10)]
    assert {plan for _, plan, _ in commands[2:]} == {"IXSCAN { _id: 1 }"}
