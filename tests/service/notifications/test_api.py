"""Preferences and the ledger, through HTTP."""

import asyncio
import random
from dataclasses import replace
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.notifications import store
from shared.actor import Role
from tests.builders import an_actor, an_email, signed
from tests.service.notifications.conftest import (
    ALL_ON,
    Notifications,
    a_closed_case,
    a_created_case,
    a_user,
    an_invitation,
    named,
    stranger,
)

_RACES = 40


async def test_everybody_starts_opted_in(notifications: Notifications) -> None:
    answered = await notifications.switches(an_actor(Role.MEMBER))
    assert answered == {"case_emails": True, "kinds": ALL_ON}


async def test_each_switch_has_its_label_in_both_languages(notifications: Notifications) -> None:
    answered = await notifications.get("/notification-preferences", an_actor(Role.MEMBER))
    assert list(answered["labels"]) == list(ALL_ON)
    assert answered["labels"]["case_created"] == {"en": "A case was created", "fr": "Un dossier a été créé"}


async def test_a_kind_that_is_left_out_stays_as_it_is(notifications: Notifications) -> None:
    actor = an_actor()
    answered = await notifications.opt_out(actor, case_closed=False)
    assert answered == {"case_emails": True, "kinds": ALL_ON | {"case_closed": False}}
    answered = await notifications.opt_out(actor)
    assert answered == {"case_emails": False, "kinds": ALL_ON | {"case_closed": False}}
    assert await notifications.switches(actor) == answered


@pytest.mark.parametrize(
    "body",
    [{}, {"case_emails": "maybe"}, {"case_emails": True, "kinds": {"invitation": False}}, {"case_emails": 1, "x": 2}],
)
async def test_a_wrong_preference_is_refused(notifications: Notifications, body: dict[str, object]) -> None:
    refusal = await notifications.refused("PUT", "/notification-preferences", an_actor(), json=body)
    assert refusal == (422, "invalid")


async def test_strangers_and_readers_change_nothing(notifications: Notifications) -> None:
    body = {"case_emails": False}
    refusal = await notifications.refused("PUT", "/notification-preferences", None, json=body)
    assert refusal == (401, "not_signed_in")
    reader = an_actor(may_write=False)
    refusal = await notifications.refused("PUT", "/notification-preferences", reader, json=body)
    assert refusal == (403, "forbidden")
    assert await notifications.refused("GET", "/notification-preferences", None) == (401, "not_signed_in")


async def test_an_opt_out_before_anything_is_known_of_the_user_holds(notifications: Notifications) -> None:
    user = a_user()
    await notifications.opt_out(an_actor(user_id=user.user_id))
    await notifications.hear(created := a_created_case(user.company_id, named(user)))
    await notifications.hear(user)
    row = (await notifications.settled(created))[user.contact_email]
    assert (row["state"], row["reason"]) == ("suppressed", "opted_out")


async def test_an_opt_out_of_one_kind_leaves_the_others(notifications: Notifications) -> None:
    user = a_user()
    await notifications.opt_out(an_actor(user_id=user.user_id), case_created=False)
    created = a_created_case(user.company_id, named(user))
    await notifications.hear(user, created, closed := a_closed_case(created))
    assert (await notifications.settled(created))[user.contact_email]["reason"] == "opted_out"
    assert (await notifications.settled(closed))[user.contact_email]["state"] == "sent"


async def test_an_opt_out_holds_for_the_users_address_as_well(notifications: Notifications) -> None:
    user = a_user(contact_email=an_email("office"))
    await notifications.opt_out(an_actor(user_id=user.user_id))
    await notifications.hear(user, created := a_created_case(user.company_id, stranger(user.contact_email)))
    assert (await notifications.settled(created))[user.contact_email]["reason"] == "opted_out"


async def test_account_mails_cannot_be_opted_out_of(notifications: Notifications) -> None:
    user = a_user()
    await notifications.opt_out(an_actor(user_id=user.user_id))
    await notifications.hear(user, invitation := an_invitation(user.login_email, company_id=user.company_id))
    assert (await notifications.settled(invitation))[user.login_email]["state"] == "sent"


async def test_waiting_mails_are_suppressed_before_the_opt_out_is_answered(notifications: Notifications) -> None:
    user, other = a_user(), an_email()
    await notifications.smtp.stop()
    created = a_created_case(user.company_id, named(user), stranger(other))
    await notifications.hear(user, created)
    await notifications.opt_out(an_actor(user_id=user.user_id))
    rows = {row["email"]: row for row in await notifications.rows(created)}
    assert (rows[user.contact_email]["state"], rows[user.contact_email]["reason"]) == ("suppressed", "opted_out")
    await notifications.smtp.start()
    await notifications.settled(created)
    assert {address: len(notifications.smtp.to(address)) for address in rows} == {user.contact_email: 0, other: 1}


async def test_no_mail_is_marked_as_being_sent_after_the_opt_out_was_answered(notifications: Notifications) -> None:
    # The row names the user's address only: whose it is, the sender finds out in the middle of the race.
    sent = suppressed = 0
    for race in range(_RACES):
        user = a_user()
        await notifications.hear(user)
        events = [a_created_case(user.company_id, stranger(user.login_email)) for _ in range(4)]
        # However fast or slow this machine is: now and then one has been sent by then, or one comes afterwards.
        late = events[3:] if race % 4 == 0 else []
        await notifications.hear(*events[: len(events) - len(late)])
        if race % 4 == 1:
            await notifications.smtp.wait_for(user.login_email)
        else:
            await asyncio.sleep(random.uniform(0, 0.06))
        await notifications.opt_out(an_actor(user_id=user.user_id))
        answered_at = await _database_time(notifications, user.user_id)
        await notifications.hear(*late)
        for event in events:
            row = (await notifications.settled(event))[user.login_email]
            if row["state"] == "sent":
                sent += 1
                assert row["sending_at"] <= answered_at
            else:
                suppressed += 1
                assert row["reason"] == "opted_out"
    assert sent
    assert suppressed


async def _database_time(notifications: Notifications, user_id: UUID) -> datetime:
    document = await notifications.db["preferences"].find_one({"_id": user_id}, {"now": "$$NOW"})
    assert document is not None
    now: datetime = document["now"]
    return now


async def test_the_ledger_shows_an_admin_the_own_company_newest_first(notifications: Notifications) -> None:
    acme, rival = uuid7(), uuid7()
    first, second = an_email(), an_email()
    await notifications.hear(created := a_created_case(acme, stranger(first)))
    await notifications.settled(created)
    await notifications.hear(invitation := an_invitation(second, company_id=acme))
    await notifications.hear(foreign := a_created_case(rival, stranger(an_email())))
    await notifications.settled(invitation)
    await notifications.settled(foreign)
    admin = an_actor(Role.COMPANY_ADMIN, company_id=acme)
    page = await notifications.get("/deliveries", admin, limit="1")
    assert [item["email"] for item in page["items"]] == [second]
    assert page["total"] == 2
    rest = await notifications.get("/deliveries", admin, limit="1", cursor=page["next_cursor"])
    (item,) = rest["items"]
    assert (item["email"], item["kind"], item["state"], item["case_number"]) == (
        first,
        "case_created",
        "sent",
        created.number,
    )
    assert (item["smtp_reply"], item["tries"], rest["next_cursor"]) == ("250 2.0.0 OK", 1, None)
    everything = await notifications.get("/deliveries", an_actor(Role.VENDOR_ADMIN))
    assert everything["total"] == 3


async def test_the_ledger_can_be_asked_for_an_address_a_kind_and_a_state(notifications: Notifications) -> None:
    acme = uuid7()
    gone, fine, no = an_email("gone"), an_email(), "550 5.1.1 No such user"
    notifications.smtp.answer_recipient(gone, no)
    await notifications.hear(invitation := an_invitation(gone, company_id=acme))
    await notifications.settled(invitation)
    await notifications.hear(again := an_invitation(gone, company_id=acme))
    await notifications.hear(created := a_created_case(acme, stranger(gone), stranger(fine)))
    for event in (again, created):
        await notifications.settled(event)
    admin = an_actor(Role.COMPANY_ADMIN, company_id=acme)

    async def asked(**query: str) -> list[tuple[str, str, str | None, str | None]]:
        items = (await notifications.get("/deliveries", admin, **query))["items"]
        return sorted((item["kind"], item["state"], item["reason"], item["bouncing_reply"]) for item in items)

    assert await asked(email=gone.upper()) == [
        ("case_created", "suppressed", "bouncing", no),
        ("invitation", "failed", None, no),
        ("invitation", "suppressed", "bouncing", no),
    ]
    assert await asked(kind="case_created", state="sent") == [("case_created", "sent", None, None)]
    assert await asked(email=fine, kind="invitation") == []
    foreign = an_actor(Role.COMPANY_ADMIN)
    assert (await notifications.get("/deliveries", foreign, email=gone))["items"] == []
    for wrong in ({"kind": "hologram"}, {"state": "lost"}, {"email": "nobody"}):
        refusal = await notifications.refused("GET", "/deliveries", admin, params=wrong)
        assert refusal == (422, "invalid")


async def test_an_admin_learns_which_addresses_bounce_and_a_vendor_admin_clears_them(
    notifications: Notifications,
) -> None:
    gone, fine = an_email("gone"), an_email()
    notifications.smtp.answer_recipient(gone, "550 5.1.1 Unbekannt: \xe4", times=1)
    await notifications.hear(invitation := an_invitation(gone))
    await notifications.settled(invitation)
    admin, vendor = an_actor(Role.COMPANY_ADMIN), an_actor(Role.VENDOR_ADMIN)
    path = f"/bouncing-addresses?email={quote(gone.upper())}&email={quote(fine)}"
    assert await notifications.get(path, admin) == {
        "items": [{"email": gone, "smtp_reply": "550 5.1.1 Unbekannt: \xe4"}]
    }
    assert (await notifications.get(f"/bouncing-addresses?email={quote(fine)}", vendor))["items"] == []
    clear = f"/vendor/bouncing-addresses/{quote(gone)}"
    for other in (an_actor(Role.AGENT), admin):
        assert await notifications.refused("DELETE", clear, other) == (403, "forbidden")
    assert await notifications.refused("GET", path, an_actor(Role.MEMBER)) == (403, "forbidden")
    assert await notifications.refused("GET", "/bouncing-addresses", admin) == (422, "invalid")
    async with notifications.client.delete(clear, headers=signed(vendor)) as response:
        assert response.status == 204
    assert await notifications.refused("DELETE", clear, vendor) == (404, "not_found")
    assert await notifications.refused("DELETE", "/vendor/bouncing-addresses/nobody", vendor) == (404, "not_found")
    await notifications.hear(again := an_invitation(gone))
    assert (await notifications.settled(again))[gone]["state"] == "sent"


@pytest.mark.parametrize("role", [Role.MEMBER, Role.CASE_MANAGER, Role.AGENT])
async def test_everybody_learns_whether_an_address_of_their_own_bounces(
    notifications: Notifications, role: Role
) -> None:
    gone, other = an_email("gone"), an_email()
    actor = replace(an_actor(role), email=gone.capitalize())
    for email in (gone, other):
        await store.put_bouncing(notifications.db, email, reply="550 5.1.1 No such user")
    own = [("email", gone), ("email", actor.login_email)]
    async with notifications.client.get("/bouncing-addresses", params=own, headers=signed(actor)) as response:
        assert (await response.json())["items"] == [{"email": gone, "smtp_reply": "550 5.1.1 No such user"}]
    for asked in ([("email", other)], [*own, ("email", other)]):
        assert await notifications.refused("GET", "/bouncing-addresses", actor, params=asked) == (403, "forbidden")


@pytest.mark.parametrize("role", [Role.MEMBER, Role.CASE_MANAGER, Role.AGENT])
async def test_the_ledger_is_for_admins(notifications: Notifications, role: Role) -> None:
    assert await notifications.refused("GET", "/deliveries", an_actor(role)) == (403, "forbidden")
    assert await notifications.refused("GET", "/deliveries", None) == (401, "not_signed_in")


async def test_the_metrics_count_mails_by_outcome(notifications: Notifications) -> None:
    labels = {"kind": "invitation", "outcome": "sent"}
    before = REGISTRY.get_sample_value("portico_mails_total", labels) or 0
    await notifications.hear(invitation := an_invitation(an_email()))
    await notifications.settled(invitation)

    async def is_counted() -> bool:
        return REGISTRY.get_sample_value("portico_mails_total", labels) == before + 1

    # The row says so a moment before it is counted.
    assert await until(is_counted, deadline_s=30)
    async with notifications.client.get("/metrics") as response:
        assert 'portico_mails_total{kind="invitation",outcome="sent"}' in await response.text()
