"""Stopping e-mails by the link that came with one (RFC 8058)."""

import asyncio
import logging
import random
from uuid import uuid4

import pytest
from aiohttp import FormData
from uuid_utils.compat import uuid7

from shared.codes import Purpose, link_code
from shared.events.base import Event
from shared.events.cases import CaseCreated
from tests.builders import TEST_SECRET, Json, an_actor, an_email
from tests.logged import Logged
from tests.scripted_smtp import ReceivedMail
from tests.service.notifications.conftest import (
    ALL_ON,
    Notifications,
    a_closed_case,
    a_created_case,
    a_user,
    a_verification,
    an_invitation,
    named,
    stranger,
)

_RACES = 25
_ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def path_in(mail: ReceivedMail) -> str:
    """The path of the mail's unsubscribe link."""
    link = str(mail.message["List-Unsubscribe"])
    start = "<http://portal.example/unsubscribe/"
    assert link.startswith(start)
    assert link.endswith(">")
    return "/unsubscribe/" + link.removeprefix(start).removesuffix(">")


async def a_told_case(notifications: Notifications, email: str, created: CaseCreated) -> str:
    """The unsubscribe path of the mail that this address got about the new case."""
    await notifications.hear(created)
    await notifications.settled(created)
    return path_in(notifications.smtp.to(email)[-1])


async def click(notifications: Notifications, path: str, **request: object) -> Json:
    """What a mail provider does when its user presses *unsubscribe*."""
    wanted = request or {"data": _ONE_CLICK}
    async with notifications.client.post(path, **wanted) as response:  # type: ignore[arg-type]  # a test's shorthand
        body: Json = await response.json()
        assert response.status == 200, body
        return body


async def became_of(notifications: Notifications, event: Event, email: str) -> str:
    row = (await notifications.settled(event))[email]
    return str(row["reason"] or row["state"])


async def test_one_click_stops_that_kind_for_that_user_and_nothing_else(notifications: Notifications) -> None:
    user, colleague = a_user(), an_email()
    created = a_created_case(user.company_id, named(user), stranger(colleague))
    await notifications.hear(user)
    path = await a_told_case(notifications, user.contact_email, created)
    await click(notifications, path)
    again, closed = a_created_case(user.company_id, named(user), stranger(colleague)), a_closed_case(created)
    invitation = an_invitation(user.login_email, company_id=user.company_id)
    verification = a_verification(user.login_email)
    await notifications.hear(again, closed, invitation, verification)
    assert await became_of(notifications, again, user.contact_email) == "opted_out"
    assert await became_of(notifications, again, colleague) == "sent"
    assert await became_of(notifications, closed, user.contact_email) == "sent"
    assert await became_of(notifications, invitation, user.login_email) == "sent"
    assert await became_of(notifications, verification, user.login_email) == "sent"
    preferences = await notifications.switches(an_actor(user_id=user.user_id))
    assert preferences == {"case_emails": True, "kinds": ALL_ON | {"case_created": False}}


@pytest.mark.parametrize("as_multipart", [False, True])
async def test_providers_send_their_form_in_either_type(notifications: Notifications, *, as_multipart: bool) -> None:
    email, company_id = an_email(), uuid7()
    path = await a_told_case(notifications, email, a_created_case(company_id, stranger(email)))
    form = FormData(_ONE_CLICK, default_to_multipart=as_multipart)
    await click(notifications, path, data=form)
    await notifications.hear(again := a_created_case(company_id, stranger(email)))
    assert await became_of(notifications, again, email) == "opted_out"


async def test_looking_at_the_link_changes_nothing_and_shows_little(notifications: Notifications) -> None:
    email, company_id = an_email(), uuid7()
    path = await a_told_case(notifications, email, a_created_case(company_id, stranger(email)))
    for _ in range(3):
        async with notifications.client.get(path) as response:
            assert await response.json() == {
                "kind": "case_created",
                "stop_label": {
                    "en": "Stop e-mails about new cases",
                    "fr": "Ne plus recevoir d’e-mails à la création des dossiers",
                },
                "email": "a…@example.com",
                "is_wanted": True,
            }
        async with notifications.client.head(path) as response:
            assert response.status == 200
    assert await notifications.db["preferences"].find_one({"_id": f"address:{company_id}:{email}"}) is None
    await click(notifications, path)
    async with notifications.client.get(path) as response:
        assert (await response.json())["is_wanted"] is False


async def test_clicking_twice_is_clicking_once(notifications: Notifications) -> None:
    user = a_user()
    await notifications.hear(user)
    path = await a_told_case(notifications, user.contact_email, a_created_case(user.company_id, named(user)))
    answers = await asyncio.gather(*(click(notifications, path) for _ in range(6)))
    assert answers == [{}] * 6
    actor = an_actor(user_id=user.user_id)
    preferences = await notifications.switches(actor)
    assert preferences == {"case_emails": True, "kinds": ALL_ON | {"case_created": False}}


async def test_a_wrong_token_is_answered_like_a_right_one_and_changes_nothing(notifications: Notifications) -> None:
    email = an_email()
    path = await a_told_case(notifications, email, a_created_case(uuid7(), stranger(email)))
    await notifications.hear(invitation := an_invitation(an_email()))
    (row,) = (await notifications.settled(invitation)).values()
    # What cannot be opted out of has no link; one that was made for it all the same stops nothing.
    row_id = type(invitation.id)(hex=row["_id"][:32])
    before = await notifications.db["preferences"].find().to_list()
    wrong = [
        link_code(TEST_SECRET, Purpose.UNSUBSCRIBE, row_id, 1),
        link_code(TEST_SECRET, Purpose.UNSUBSCRIBE, uuid4(), 1),
        link_code(TEST_SECRET, Purpose.INVITATION, uuid4(), 1),
        path.rpartition("/")[2][:-1],
        path.rpartition("/")[2] + "A",
        "%00",
        "é",
        "x" * 3000,
    ]
    for token in wrong:
        assert await click(notifications, f"/unsubscribe/{token}") == {}
        assert await notifications.refused("GET", f"/unsubscribe/{token}", None) == (404, "not_found")
    assert await notifications.db["preferences"].find().to_list() == before
    assert await click(notifications, path) == {}


async def test_an_address_without_a_user_can_stop_its_mails_too(notifications: Notifications) -> None:
    email, company_id = an_email(), uuid7()
    created = a_created_case(company_id, stranger(email))
    path = await a_told_case(notifications, email, created)
    await click(notifications, path)
    again, closed = a_created_case(company_id, stranger(email)), a_closed_case(created)
    elsewhere = a_created_case(uuid7(), stranger(email))
    await notifications.hear(again, closed, elsewhere)
    assert await became_of(notifications, again, email) == "opted_out"
    assert await became_of(notifications, closed, email) == "sent"
    assert await became_of(notifications, elsewhere, email) == "sent"


async def test_all_case_mails_can_be_stopped_at_once(notifications: Notifications) -> None:
    email, company_id = an_email(), uuid7()
    created = a_created_case(company_id, stranger(email))
    await click(notifications, await a_told_case(notifications, email, created), json={"scope": "case_emails"})
    again, closed = a_created_case(company_id, stranger(email)), a_closed_case(created)
    await notifications.hear(again, closed)
    assert await became_of(notifications, again, email) == "opted_out"
    assert await became_of(notifications, closed, email) == "opted_out"


async def test_no_scope_in_json_is_the_mails_own_kind_and_an_unknown_one_is_refused(
    notifications: Notifications,
) -> None:
    user = a_user()
    await notifications.hear(user)
    path = await a_told_case(notifications, user.contact_email, a_created_case(user.company_id, named(user)))
    for body in ({"scope": "everything"}, {"kind": "invitation"}):
        assert await notifications.refused("POST", path, None, json=body) == (422, "invalid")
    await click(notifications, path, json={})
    preferences = await notifications.switches(an_actor(user_id=user.user_id))
    assert preferences == {"case_emails": True, "kinds": ALL_ON | {"case_created": False}}


async def test_the_link_of_a_users_address_stops_the_users_mails(notifications: Notifications) -> None:
    # The row names an address only; whose it was, was found when the mail was sent.
    user = a_user()
    await notifications.hear(user)
    created = a_created_case(user.company_id, stranger(user.login_email))
    await click(notifications, await a_told_case(notifications, user.login_email, created))
    await notifications.hear(again := a_created_case(user.company_id, named(user, email=an_email("desk"))))
    assert {row["reason"] for row in (await notifications.settled(again)).values()} == {"opted_out"}


async def test_the_choice_of_an_address_holds_for_its_user_until_the_user_chooses(
    notifications: Notifications,
) -> None:
    user = a_user()
    actor = an_actor(user_id=user.user_id)
    created = a_created_case(user.company_id, stranger(user.login_email))
    await click(notifications, await a_told_case(notifications, user.login_email, created))
    await notifications.hear(user)
    preferences = await notifications.switches(actor)
    assert preferences == {"case_emails": True, "kinds": ALL_ON | {"case_created": False}}
    await notifications.hear(again := a_created_case(user.company_id, named(user)))
    assert await became_of(notifications, again, user.contact_email) == "opted_out"
    await notifications.opt_out(actor, case_created=True)
    await notifications.hear(user.model_copy(update={"version": 2}))
    await notifications.hear(third := a_created_case(user.company_id, named(user)))
    assert await became_of(notifications, third, user.contact_email) == "sent"


async def test_the_choice_of_an_address_holds_while_its_user_is_being_copied(notifications: Notifications) -> None:
    user = a_user()
    created = a_created_case(user.company_id, stranger(user.login_email))
    await click(notifications, await a_told_case(notifications, user.login_email, created))
    await notifications.hear(user)
    # As it stands between the two writes of the copy.
    await notifications.db["preferences"].delete_one({"_id": user.user_id})
    await notifications.hear(again := a_created_case(user.company_id, named(user)))
    assert await became_of(notifications, again, user.contact_email) == "opted_out"


async def test_unsubscribing_as_the_address_of_a_user_counts_for_the_user(notifications: Notifications) -> None:
    user = a_user()
    actor = an_actor(user_id=user.user_id)
    created = a_created_case(user.company_id, stranger(user.login_email))
    path = await a_told_case(notifications, user.login_email, created)
    await notifications.hear(user)
    await notifications.opt_out(actor, case_closed=False)
    await click(notifications, path)
    preferences = await notifications.switches(actor)
    assert preferences == {"case_emails": True, "kinds": ALL_ON | {"case_created": False, "case_closed": False}}


async def test_waiting_mails_are_suppressed_before_the_click_is_answered(notifications: Notifications) -> None:
    user, contact = a_user(), an_email("luc")
    await notifications.hear(user)
    created = a_created_case(user.company_id, named(user), stranger(contact))
    path = await a_told_case(notifications, user.contact_email, created)
    contacts_path = path_in(notifications.smtp.to(contact)[-1])
    await notifications.smtp.stop()
    await notifications.hear(waiting := a_created_case(user.company_id, named(user), stranger(contact)))
    await notifications.once(waiting, lambda row: row.get("person") is not None)
    for each in (path, contacts_path):
        await click(notifications, each)
    rows = await notifications.rows(waiting)
    assert [(row["state"], row["reason"]) for row in rows] == [("suppressed", "opted_out")] * 2


async def test_no_mail_to_an_address_is_marked_as_being_sent_after_the_click_was_answered(
    notifications: Notifications,
) -> None:
    sent = suppressed = 0
    for race in range(_RACES):
        email, company_id = an_email(), uuid7()
        path = await a_told_case(notifications, email, a_created_case(company_id, stranger(email)))
        events = [a_created_case(company_id, stranger(email)) for _ in range(4)]
        # However fast or slow this machine is: now and then one has been sent by then, or one comes afterwards.
        late = events[3:] if race % 4 == 0 else []
        await notifications.hear(*events[: len(events) - len(late)])
        if race % 4 == 1:
            await notifications.smtp.wait_for(email, count=2)
        else:
            await asyncio.sleep(random.uniform(0, 0.06))
        await click(notifications, path)
        answered = await notifications.db["preferences"].find_one(
            {"_id": f"address:{company_id}:{email}"}, {"now": "$$NOW"}
        )
        assert answered is not None
        await notifications.hear(*late)
        for event in events:
            row = (await notifications.settled(event))[email]
            if row["state"] == "sent":
                sent += 1
                assert row["sending_at"] <= answered["now"]
            else:
                suppressed += 1
                assert row["reason"] == "opted_out"
    assert sent
    assert suppressed


async def test_the_token_does_not_reveal_the_address_and_is_not_logged(
    notifications: Notifications, logged: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    # The test server writes an access log; `serve` does not.
    caplog.set_level(logging.WARNING, "aiohttp.access")
    email = an_email()
    path = await a_told_case(notifications, email, a_created_case(uuid7(), stranger(email)))
    token = path.rpartition("/")[2]
    await click(notifications, path)
    async with notifications.client.get(path) as response:
        assert response.status == 200
    said = str(logged.lines())
    assert "/unsubscribe/{token}" in said
    assert token not in said
    assert email not in said
