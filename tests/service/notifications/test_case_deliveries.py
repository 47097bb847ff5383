"""Who was told of a case: for whoever has a pass of cases, which says what of it they see."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from shared.actor import Actor, Role
from shared.case_passes import CASE_HEADER, CasePass, pass_key, sign_pass
from tests.builders import TEST_SECRET, Json, an_actor, an_email, signed
from tests.client import Answer, answer_of
from tests.service.notifications.conftest import Notifications, a_closed_case, a_created_case, stranger

NUMBER = "1000000009"
PATH = f"/cases/{NUMBER}/deliveries"


def a_pass(actor: Actor, company_id: UUID | None = None, *emails: str, **signed_with: Any) -> str:
    granted = CasePass(
        actor.user_id, company_id or actor.company_id, signed_with.get("number", NUMBER), frozenset(emails)
    )
    secret, now = signed_with.get("secret", TEST_SECRET), signed_with.get("now", datetime.now(UTC))
    return sign_pass(granted, key=pass_key(secret), now=now)


async def ask(notifications: Notifications, actor: Actor, token: str, path: str = PATH, **query: str) -> Answer:
    headers = signed(actor) | ({CASE_HEADER: token} if token else {})
    async with notifications.client.get(path, headers=headers, params=query) as response:
        return await answer_of(response)


async def told(notifications: Notifications, actor: Actor, token: str, **query: str) -> list[Json]:
    answer = await ask(notifications, actor, token, **query)
    assert answer.status == 200, answer.text
    items: list[Json] = answer.body["items"]
    return items


async def test_a_reader_of_a_case_sees_who_was_told_of_it_and_of_no_other(notifications: Notifications) -> None:
    acme, rival = uuid7(), uuid7()
    first, second, foreign = an_email("first"), an_email("second"), an_email("foreign")
    notifications.smtp.answer_recipient(second, "550 5.1.1 No such user")
    await notifications.hear(created := a_created_case(acme, stranger(first), stranger(second, "secondary_contact")))
    await notifications.settled(created)
    await notifications.hear(closed := a_closed_case(created))
    await notifications.settled(closed)
    # The same number in another company, and another number in the same one.
    await notifications.hear(other := a_created_case(rival, stranger(foreign)))
    another = a_created_case(acme, stranger(foreign)).model_copy(update={"number": "1000000017"})
    await notifications.hear(another)
    await notifications.settled(other)
    await notifications.settled(another)
    admin = an_actor(Role.COMPANY_ADMIN, company_id=acme)
    items = await told(notifications, admin, a_pass(admin))
    assert sorted(
        (item["kind"], item["email"], item["state"], item["reason"], item["smtp_reply"]) for item in items
    ) == [
        ("case_closed", first, "sent", None, "250 2.0.0 OK"),
        ("case_closed", second, "suppressed", "bouncing", None),
        ("case_created", first, "sent", None, "250 2.0.0 OK"),
        ("case_created", second, "failed", None, "550 5.1.1 No such user"),
    ]
    assert [item["kind"] for item in items] == ["case_closed"] * 2 + ["case_created"] * 2
    assert {item["event_id"] for item in items} == {str(created.id), str(closed.id)}
    assert {item["sent_at"] is not None for item in items if item["state"] == "sent"} == {True}
    assert {item["sent_at"] for item in items if item["state"] != "sent"} == {None}


async def test_it_comes_in_pages(notifications: Notifications) -> None:
    acme = uuid7()
    created = a_created_case(acme, *(stranger(an_email()) for _ in range(3)))
    await notifications.hear(created)
    await notifications.settled(created)
    reader = an_actor(Role.AGENT)
    token = a_pass(reader, acme)
    first = await ask(notifications, reader, token, limit="2")
    assert first.body["total"] == 3
    rest = await ask(notifications, reader, token, limit="2", cursor=first.body["next_cursor"])
    assert rest.body["next_cursor"] is None
    emails = [item["email"] for page in (first, rest) for item in page.body["items"]]
    assert sorted(emails) == sorted(row["email"] for row in await notifications.rows(created))
    for wrong in ({"limit": "0"}, {"sort": "smtp_reply"}, {"company_id": str(acme)}):
        assert (await ask(notifications, reader, token, **wrong)).status == 422


@pytest.mark.parametrize(
    ("role", "sees_all"),
    [
        (Role.MEMBER, False),
        (Role.CASE_MANAGER, False),
        (Role.COMPANY_ADMIN, True),
        (Role.AGENT, True),
        (Role.VENDOR_ADMIN, True),
    ],
)
async def test_addresses_are_shown_as_far_as_the_reader_sees_them_elsewhere(
    notifications: Notifications, role: Role, *, sees_all: bool
) -> None:
    acme = uuid7()
    on_case, removed, own = an_email("contact"), an_email("removed"), an_email("own")
    notifications.smtp.answer_recipient(removed, f"550 5.7.1 <{removed}>: behind@it.example does not take it")
    people = (stranger(on_case), stranger(removed, "secondary_contact"), stranger(own, "owner"))
    await notifications.hear(created := a_created_case(acme, *people))
    await notifications.settled(created)
    actor = an_actor(role) if role in (Role.AGENT, Role.VENDOR_ADMIN) else an_actor(role, company_id=acme)
    reader = replace(actor, email=own.upper())
    items = await told(notifications, reader, a_pass(reader, acme, on_case))
    assert {item["name"] for item in items} == {"Luc Petit"}
    shown = {item["email"]: item["smtp_reply"] for item in items}
    assert shown.keys() >= {on_case, own}
    if sees_all:
        assert shown[removed] == f"550 5.7.1 <{removed}>: behind@it.example does not take it"
    else:
        assert shown[None] == "550 5.7.1 <…>: … does not take it"
        assert removed.partition("@")[0] not in str(items)


async def test_nothing_is_shown_without_a_pass_that_is_good_for_this_reader_and_case(
    notifications: Notifications,
) -> None:
    acme = uuid7()
    await notifications.hear(created := a_created_case(acme, stranger(an_email())))
    await notifications.settled(created)
    admin, colleague = an_actor(Role.COMPANY_ADMIN, company_id=acme), an_actor(Role.COMPANY_ADMIN, company_id=acme)
    now = datetime.now(UTC)
    passes = {
        "none": "",
        "no token": "x",
        "of an actor": signed(admin)["X-Portico-Actor"],
        "of a colleague": a_pass(colleague),
        "of another case": a_pass(admin, number="1000000017"),
        "of another key": a_pass(admin, secret="another secret of thirty-two characters"),
        "run out": a_pass(admin, now=now - timedelta(seconds=121)),
        "of another company": a_pass(admin, uuid7()),
    }
    answers = {name: await ask(notifications, admin, token) for name, token in passes.items()}
    assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(passes, 404)
    assert len(await told(notifications, admin, a_pass(admin, now=now - timedelta(seconds=100)))) == 1
