"""Who gets a mail, how often, and what the ledger says of it."""

import asyncio
from datetime import date, timedelta
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.notifications import commands, handlers, store
from services.notifications.consumers import SUBSCRIPTIONS, subscriptions
from services.notifications.domain.delivery import Outcome
from services.notifications.domain.mails import KEPT_FOR, MailState
from services.notifications.mailer import Mailer
from services.notifications.pace import Pace
from services.notifications.sender import Sender
from services.notifications.smtp import MailServer
from shared.coverage import Verdict
from shared.logging import Origin, origin
from shared.mongo import Database
from shared.schemas.notifications import PreferencesBody
from tests.builders import MONGO_DRIVER, TEST_SECRET, an_actor, an_email
from tests.events import hear
from tests.scripted_smtp import ScriptedSmtp
from tests.service.notifications.conftest import (
    Notifications,
    a_closed_case,
    a_company,
    a_created_case,
    a_user,
    a_verification,
    an_invitation,
    named,
    now,
    stranger,
)


async def test_everybody_on_a_case_gets_one_mail_however_often_the_event_comes(notifications: Notifications) -> None:
    user = a_user()
    contact = an_email("luc")
    created = a_created_case(user.company_id, named(user), named(user, "owner"), stranger(contact))
    closed = a_closed_case(created)
    # Late, twice, at once, and in the wrong order.
    await notifications.hear(closed, created, closed)
    await asyncio.gather(*(notifications.hear(created) for _ in range(5)))
    await notifications.hear(user)
    rows = [*(await notifications.settled(created)).values(), *(await notifications.settled(closed)).values()]
    assert {row["state"] for row in rows} == {"sent"}
    # A redelivery after all was sent: the rows are not due again.
    await notifications.hear(created, closed)
    again = [*await notifications.rows(created), *await notifications.rows(closed)]
    assert sorted(rows, key=str) == sorted(again, key=str)
    subjects = {
        address: sorted(mail.subject for mail in notifications.smtp.to(address))
        for address in (user.contact_email, contact)
    }
    assert subjects == {
        user.contact_email: ["[1000000009] It smokes", "[1000000009] It smokes"],
        contact: ["[1000000009] Support case", "[1000000009] Support case"],
    }


@pytest.mark.parametrize(("label", "shown"), [("CN-B7 K2", "CN-B7 K2"), (None, "CNB7K2")])
async def test_a_mail_names_the_serial_as_it_stands_on_the_device_where_it_is_told(
    notifications: Notifications, label: str | None, shown: str
) -> None:
    user = a_user()
    created = a_created_case(user.company_id, named(user))
    await notifications.hear(user, created.model_copy(update={"serial": "CNB7K2", "serial_label": label}))
    await notifications.settled(created)
    (mail,) = notifications.smtp.to(user.contact_email)
    for part in mail.message.walk():
        if part.get_content_maintype() == "text":
            assert shown in part.get_content()


async def test_a_sent_row_has_the_servers_answer_and_the_request_it_came_from(notifications: Notifications) -> None:
    token = origin.set(Origin("request-of-the-click"))
    try:
        await notifications.hear(invitation := an_invitation(an_email()))
    finally:
        origin.reset(token)
    row = (await notifications.settled(invitation))[invitation.email]
    assert (row["state"], row["smtp_reply"], row["tries"]) == ("sent", "250 2.0.0 OK", 1)
    assert row["request_id"] == "request-of-the-click"
    assert "due_at" not in row
    (mail,) = notifications.smtp.to(invitation.email)
    assert mail.message["X-Request-Id"] == "request-of-the-click"
    assert mail.message["Message-ID"] == f"<{row['_id']}@portal.example>"
    assert mail.sender == "portico@localhost"


async def test_the_mail_about_a_new_case_repeats_what_was_submitted(notifications: Notifications) -> None:
    contact = an_email()
    created = a_created_case(uuid7(), stranger(contact)).model_copy(
        update={
            "description": "It smokes\nwhenever it is warm.",
            "coverage": Verdict.COVERED,
            "coverage_until": date(2028, 12, 31),
        }
    )
    await notifications.hear(created)
    (mail,) = await notifications.smtp.wait_for(contact)
    assert "It smokes\n  whenever it is warm." in mail.text.replace("\r\n", "\n")
    assert "Coverage: Covered until 31 Dec 2028" in mail.text


async def test_no_row_holds_a_code(notifications: Notifications) -> None:
    verification = a_verification(an_email())
    await notifications.hear(verification)
    await notifications.settled(verification)
    (mail,) = notifications.smtp.to(verification.email)
    code = next(line for line in mail.text.splitlines() if line.isdigit())
    (row,) = await notifications.rows(verification)
    assert len(code) == 6
    assert code not in {str(value) for value in (*row.values(), *row["facts"].values())}


async def test_a_user_is_the_same_person_under_each_of_their_addresses(notifications: Notifications) -> None:
    user = a_user(contact_email=an_email("office"))
    people = (named(user), stranger(user.login_email), stranger(user.contact_email, "secondary_contact"))
    await notifications.hear(user, created := a_created_case(user.company_id, *people))
    await notifications.settled(created)
    states = sorted((row["state"], row["reason"] or "") for row in await notifications.rows(created))
    assert states == [("sent", ""), ("suppressed", "same_person"), ("suppressed", "same_person")]
    mails = notifications.smtp.to(user.login_email) + notifications.smtp.to(user.contact_email)
    assert len(mails) == 1


async def test_case_mail_goes_to_the_address_on_the_case(notifications: Notifications) -> None:
    user = a_user()
    on_the_case = an_email("desk")
    await notifications.hear(user, created := a_created_case(user.company_id, named(user, email=on_the_case)))
    await notifications.settled(created)
    assert len(notifications.smtp.to(on_the_case)) == 1
    assert notifications.smtp.to(user.contact_email) == []


async def test_a_user_named_twice_is_written_to_at_the_address_that_was_typed_into_the_case(
    notifications: Notifications,
) -> None:
    user = a_user(contact_email=an_email("office"))
    typed = named(user, "contact", email=user.login_email)
    for people in ((named(user), typed), (typed, named(user)), (named(user), stranger(user.login_email))):
        await notifications.hear(user, created := a_created_case(user.company_id, *people))
        rows = await notifications.settled(created)
        assert rows[user.login_email]["state"] == "sent"
        assert {row["state"] for email, row in rows.items() if email != user.login_email} <= {"suppressed"}
    assert notifications.smtp.to(user.contact_email) == []


@pytest.mark.parametrize("bounces", ["before", "now"])
@pytest.mark.parametrize("first", ["contact", "secondary_contact"])
async def test_an_address_that_bounces_keeps_no_other_of_its_person_from_being_told(
    notifications: Notifications, first: str, bounces: str
) -> None:
    for _ in range(5):
        user = a_user(contact_email=an_email("office"))
        gone, good = user.login_email, user.contact_email
        if bounces == "before":
            await notifications.db["bouncing"].insert_one({"_id": gone, "reply": "550 5.1.1 No such user", "at": now()})
        else:
            notifications.smtp.answer_recipient(gone, "550 5.1.1 No such user")
        emails = (gone, good) if first == "contact" else (good, gone)
        people = (stranger(emails[0]), stranger(emails[1], "secondary_contact"))
        await notifications.hear(user, created := a_created_case(user.company_id, *people))
        rows = await notifications.settled(created)
        assert (rows[good]["state"], len(notifications.smtp.to(good))) == ("sent", 1)
        not_asked = ("suppressed", "same_person")
        refused = ("suppressed", "bouncing") if bounces == "before" else ("failed", None)
        assert (rows[gone]["state"], rows[gone]["reason"]) == (refused if first == "contact" else not_asked)


async def test_an_address_that_cannot_be_written_keeps_no_other_of_its_person_from_being_told(
    notifications: Notifications,
) -> None:
    user = a_user(contact_email=f"ana@{'ü' * 80}.example")
    people = (stranger(user.contact_email), stranger(user.login_email, "secondary_contact"))
    await notifications.hear(user, created := a_created_case(user.company_id, *people))
    rows = await notifications.settled(created)
    assert {email: row["state"] for email, row in rows.items()} == {
        user.contact_email: "failed",
        user.login_email: "sent",
    }


async def test_the_address_of_another_companys_user_is_another_person(notifications: Notifications) -> None:
    user = a_user()
    await notifications.opt_out(an_actor(user_id=user.user_id))
    await notifications.hear(user, created := a_created_case(uuid7(), stranger(user.login_email)))
    assert (await notifications.settled(created))[user.login_email]["state"] == "sent"


async def test_a_mail_waits_for_the_copy_of_its_user(notifications: Notifications) -> None:
    user = a_user(active=False)
    await notifications.hear(created := a_created_case(user.company_id, named(user)))
    await notifications.once(created, lambda row: row["state"] == "queued" and row["due_at"] > row["created_at"])
    await notifications.hear(user)
    row = (await notifications.settled(created))[user.contact_email]
    assert (row["state"], row["reason"], row["tries"]) == ("suppressed", "deactivated", 0)


async def test_a_deactivated_user_gets_no_mail_under_any_address(notifications: Notifications) -> None:
    user = a_user(active=False)
    await notifications.hear(user, created := a_created_case(user.company_id, named(user), stranger(user.login_email)))
    await notifications.settled(created)
    reasons = sorted(row["reason"] for row in await notifications.rows(created))
    assert reasons == ["deactivated", "same_person"]
    assert notifications.smtp.to(user.contact_email) == []


async def test_a_removed_user_can_be_invited_again(notifications: Notifications) -> None:
    user = a_user(active=False)
    await notifications.hear(user, invitation := an_invitation(user.login_email, company_id=user.company_id))
    assert (await notifications.settled(invitation))[user.login_email]["state"] == "sent"


async def test_a_suspended_company_gets_no_case_mail_until_it_is_lifted(notifications: Notifications) -> None:
    user = a_user()
    await notifications.hear(user, a_company(user.company_id, suspended=True))
    await notifications.hear(created := a_created_case(user.company_id, named(user)))
    await notifications.hear(invitation := an_invitation(an_email(), company_id=user.company_id))
    row = (await notifications.settled(created))[user.contact_email]
    assert (row["state"], row["reason"]) == ("suppressed", "company_suspended")
    assert (await notifications.settled(invitation))[invitation.email]["state"] == "sent"
    await notifications.hear(a_company(user.company_id, version=2), closed := a_closed_case(created))
    assert (await notifications.settled(closed))[user.contact_email]["state"] == "sent"


async def test_a_recipient_refused_permanently_bounces_and_is_not_tried_again(notifications: Notifications) -> None:
    contact, other = an_email(), an_email()
    notifications.smtp.answer_recipient(contact, "550 5.1.1 No such user")
    created = a_created_case(uuid7(), stranger(contact), stranger(other))
    await notifications.hear(created)
    rows = await notifications.settled(created)
    assert (rows[contact]["state"], rows[contact]["smtp_reply"]) == ("failed", "550 5.1.1 No such user")
    assert rows[other]["state"] == "sent"
    await notifications.hear(closed := a_closed_case(created))
    rows = await notifications.settled(closed)
    assert (rows[contact]["state"], rows[contact]["reason"]) == ("suppressed", "bouncing")
    assert notifications.smtp.tried.count(contact) == 1


async def test_a_bouncing_address_that_is_cleared_gets_mail_again(
    notifications: Notifications, mongo_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MONGO_URL", mongo_url)
    monkeypatch.setenv("MONGO_DRIVER", MONGO_DRIVER)
    contact = an_email()
    notifications.smtp.answer_recipient(contact, "550 5.1.1 No such user", times=1)
    await notifications.hear(created := a_created_case(uuid7(), stranger(contact)))
    assert (await notifications.settled(created))[contact]["state"] == "failed"
    arguments = ("clear-bouncing", "--email", contact.upper())
    assert await asyncio.to_thread(commands.run, arguments) == 0
    await notifications.hear(closed := a_closed_case(created))
    assert (await notifications.settled(closed))[contact]["state"] == "sent"
    assert await asyncio.to_thread(commands.run, arguments) == 1
    assert "is not bouncing" in capsys.readouterr().err


async def test_an_invalid_address_is_refused_before_the_database_is_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        commands.run(("clear-bouncing", "--email", "nobody"))
    assert "invalid address value: 'nobody'" in capsys.readouterr().err


async def test_a_refused_sender_marks_no_address_as_bouncing_and_loses_no_mail(notifications: Notifications) -> None:
    contact = an_email()
    notifications.smtp.answer_sender("550 5.1.0 <portico@localhost> sender rejected", times=2)
    await notifications.hear(created := a_created_case(uuid7(), stranger(contact)))
    row = (await notifications.settled(created))[contact]
    assert (row["state"], row["tries"]) == ("sent", 3)
    await notifications.hear(closed := a_closed_case(created))
    assert (await notifications.settled(closed))[contact]["state"] == "sent"


async def test_another_permanent_refusal_fails_that_mail_only(notifications: Notifications) -> None:
    contact = an_email()
    notifications.smtp.answer_recipient(contact, "554 5.7.1 Policy", times=1)
    await notifications.hear(created := a_created_case(uuid7(), stranger(contact)))
    assert (await notifications.settled(created))[contact]["state"] == "failed"
    await notifications.hear(closed := a_closed_case(created))
    assert (await notifications.settled(closed))[contact]["state"] == "sent"


async def test_a_greylisted_mail_is_tried_again_until_it_is_accepted(notifications: Notifications) -> None:
    contact = an_email()
    notifications.smtp.answer_recipient(contact, "451 4.7.1 Greylisted", times=2)
    await notifications.hear(created := a_created_case(uuid7(), stranger(contact)))
    row = (await notifications.settled(created))[contact]
    assert (row["state"], row["tries"], row["unknown_outcomes"]) == ("sent", 3, 0)
    assert notifications.smtp.tried.count(contact) == 3


async def test_a_refusal_of_the_content_is_recorded(notifications: Notifications) -> None:
    contact = an_email()
    notifications.smtp.answer_data("452 4.3.1 Disk full")
    await notifications.hear(created := a_created_case(uuid7(), stranger(contact)))
    row = (await notifications.settled(created))[contact]
    assert (row["state"], row["tries"]) == ("sent", 2)


async def test_mails_wait_while_the_server_is_unavailable_and_go_in_order_of_age(notifications: Notifications) -> None:
    await notifications.smtp.stop()
    invitations = [an_invitation(an_email()) for _ in range(60)]
    await notifications.hear(*invitations)
    await asyncio.gather(*(notifications.once(each, lambda row: row["state"] == "queued") for each in invitations))
    # So slow that they go one by one: of what goes together over a connection, all is as late as the connection.
    notifications.smtp.reply_delay_s = 0.3
    await notifications.smtp.start()
    for invitation in invitations:
        row = (await notifications.settled(invitation))[invitation.email]
        assert (row["state"], row["tries"]) == ("sent", 1)
    tried = [notifications.smtp.tried.index(invitation.email) for invitation in invitations]
    # Eight connections carry them, so neighbours may overtake each other; and on a busy machine one may be held up.
    assert sum(abs(place - index) >= 16 for index, place in enumerate(tried)) <= 8


async def test_a_connection_cut_before_the_answer_leaves_an_unknown_outcome_and_the_same_message_id(
    notifications: Notifications,
) -> None:
    contact = an_email()
    notifications.smtp.cut_after_data()
    await notifications.hear(created := a_created_case(uuid7(), stranger(contact)))
    row = (await notifications.settled(created))[contact]
    assert (row["state"], row["tries"], row["unknown_outcomes"]) == ("sent", 2, 1)
    first, second = notifications.smtp.to(contact)
    assert first.message["Message-ID"] == second.message["Message-ID"]


async def test_a_mail_whose_sender_died_while_sending_goes_again_with_the_same_message_id(
    notifications: Notifications,
) -> None:
    await notifications.smtp.stop()
    await notifications.hear(invitation := an_invitation(an_email()))
    (row,) = await notifications.rows(invitation)
    # As a process leaves it that is killed between the final dot and the record of the answer.
    died = {"state": "sending", "lease": uuid4(), "tries": 1, "due_at": now() - timedelta(seconds=1)}
    await notifications.db["mails"].update_one({"_id": row["_id"]}, {"$set": died})
    await notifications.smtp.start()
    row = (await notifications.settled(invitation))[invitation.email]
    assert (row["state"], row["tries"], row["unknown_outcomes"]) == ("sent", 2, 1)
    (mail,) = notifications.smtp.to(invitation.email)
    assert mail.message["Message-ID"] == f"<{row['_id']}@portal.example>"


async def test_a_sender_whose_lease_has_ended_changes_nothing(notifications: Notifications) -> None:
    await notifications.smtp.stop()
    await notifications.hear(invitation := an_invitation(an_email()))
    (row,) = await notifications.rows(invitation)
    zombie = store.load({**row, "lease": uuid4()})
    refused = Outcome(MailState.FAILED, "550 late")
    assert await store.mark_outcomes(notifications.db, [(zombie, refused)]) == [False]
    assert await store.mark_sending(notifications.db, [zombie]) == set()
    await notifications.smtp.start()
    assert (await notifications.settled(invitation))[invitation.email]["state"] == "sent"


async def test_a_sender_that_read_the_old_preferences_finds_its_row_suppressed(ledger: Database) -> None:
    user = a_user()
    await handlers.copy_user(ledger, user)
    await hear(SUBSCRIPTIONS, ledger, a_created_case(user.company_id, stranger(user.login_email)))
    claims = await store.claim_mails(ledger, lease=uuid4(), in_hand=(), at_most=1)
    assert claims
    mail = claims[0].mail
    person = (await store.find_known(ledger, [mail])).person_of(mail)
    assert mail.person == person.key
    assert (await store.find_preferences(ledger, person)).allow(mail.kind)
    await handlers.change_preferences(ledger, an_actor(user_id=user.user_id), PreferencesBody(case_emails=False))
    assert await store.mark_sending(ledger, [mail]) == set()
    row = await ledger["mails"].find_one({"_id": mail.id})
    assert row is not None
    assert (row["state"], row["reason"]) == ("suppressed", "opted_out")


async def test_two_senders_send_each_mail_once(notifications: Notifications) -> None:
    _, task = _another_sender(notifications.db, notifications.smtp)
    invitations = [an_invitation(an_email()) for _ in range(60)]
    await asyncio.gather(*(notifications.hear(each) for each in invitations))
    for invitation in invitations:
        await notifications.settled(invitation)
    await _stopped(task)
    assert [len(notifications.smtp.to(each.email)) for each in invitations] == [1] * len(invitations)


async def test_an_expired_code_is_not_sent(notifications: Notifications) -> None:
    expired = a_verification(an_email(), expires_at=now() - timedelta(seconds=1))
    await notifications.hear(expired)
    row = (await notifications.settled(expired))[expired.email]
    assert (row["state"], row["reason"]) == ("suppressed", "expired")
    assert notifications.smtp.tried == []


async def test_a_mail_that_the_server_defers_for_48_hours_fails_with_the_last_answer(
    notifications: Notifications,
) -> None:
    contact = an_email()
    notifications.smtp.answer_recipient(contact, "451 4.7.1 Come back")
    await notifications.hear(created := a_created_case(uuid7(), stranger(contact)))
    await notifications.once(created, lambda row: row["tries"] > 0)
    (row,) = await notifications.rows(created)
    assert row["expires_at"] - row["created_at"] == KEPT_FOR
    await notifications.db["mails"].update_one({"_id": row["_id"]}, {"$set": {"expires_at": now()}})
    row = (await notifications.settled(created))[contact]
    assert (row["state"], row["reason"], row["smtp_reply"]) == ("failed", "expired", "451 4.7.1 Come back")


async def test_what_a_handler_queues_is_sent_without_waiting_for_the_next_look(
    ledger: Database, smtp_server: ScriptedSmtp
) -> None:
    waker, task = _another_sender(ledger, smtp_server, Pace(look_every_s=60.0))
    for _ in range(3):  # it looks once when it starts, but not for the next ones
        invitation = an_invitation(an_email())
        await hear(subscriptions(waker.put), ledger, invitation)
        await smtp_server.wait_for(invitation.email)
    await _stopped(task)


async def test_a_graceful_stop_lets_the_mail_in_hand_get_its_answer(
    ledger: Database, smtp_server: ScriptedSmtp
) -> None:
    smtp_server.reply_delay_s = 0.5
    smtp_server.hold()
    await handlers.queue_account_mail(ledger, invitation := an_invitation(an_email()))
    _, task = _another_sender(ledger, smtp_server)
    mails = ledger["mails"]

    async def is_sending() -> bool:
        return await mails.find_one({"state": "sending"}) is not None

    assert await until(is_sending, deadline_s=60, pause_s=0.01)
    task.cancel()
    smtp_server.go_on()
    await _stopped(task)
    row = await mails.find_one({"email": invitation.email})
    assert row is not None
    assert row["state"] == "sent"
    assert len(smtp_server.to(invitation.email)) == 1


def _another_sender(db: Database, server: ScriptedSmtp, pace: Pace | None = None) -> tuple[Sender, asyncio.Task[None]]:
    mailer = Mailer(mail_from="portico@localhost", base_url="http://portal.example", secret_key=TEST_SECRET)
    another = Sender(mailer, MailServer(server.url, own_host="portal.example"), pace=pace)
    return another, asyncio.create_task(another.run(db))


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
