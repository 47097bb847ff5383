"""Confidential cases: who may mark them, and who sees them then."""

import pytest

from shared.actor import Actor, Role
from tests.builders import a_contact, an_actor
from tests.events import user_changed
from tests.service.cases.conftest import CasesApi


async def people_of(cases: CasesApi, agent: Actor) -> tuple[str, dict[str, Actor]]:
    """A member's case, and each kind of person who sees it."""
    owner = an_actor(Role.MEMBER)
    colleague, contact, manager, admin = (
        an_actor(role, company_id=owner.company_id)
        for role in (Role.MEMBER, Role.MEMBER, Role.CASE_MANAGER, Role.COMPANY_ADMIN)
    )
    await cases.hear(user_changed(contact))
    number = (await cases.submitted(owner, contact=a_contact(email=contact.login_email)))["number"]
    people = {"owner": owner, "colleague": colleague, "contact": contact, "manager": manager, "admin": admin}
    return number, people | {"agent": agent}


@pytest.mark.parametrize(
    ("who", "may"),
    [("owner", True), ("admin", True), ("agent", True), ("manager", False), ("contact", False), ("colleague", False)],
)
async def test_owner_administrators_and_agents_mark_a_case_as_confidential(
    cases: CasesApi, agent: Actor, who: str, *, may: bool
) -> None:
    number, people = await people_of(cases, agent)
    offered = (await cases.get(number, people[who])).body["allowed_actions"]
    marked = await cases.act(number, people[who], action="mark_confidential")
    assert ("mark_confidential" in offered, marked.status) == (may, 200 if may else 403)
    if not may:
        return
    assert marked.body["confidential"] is True
    assert marked.body["history"][-1]["kind"] == "marked_confidential"
    assert {"mark_confidential", "unmark_confidential"} & set(marked.body["allowed_actions"]) == {"unmark_confidential"}
    again = await cases.act(number, people[who], action="mark_confidential")
    assert (again.status, again.body["version"]) == (200, marked.body["version"])


async def test_a_confidential_case_is_seen_by_its_own_people_administrators_and_the_vendor(
    cases: CasesApi, agent: Actor
) -> None:
    number, people = await people_of(cases, agent)

    async def seen_by() -> set[str]:
        got = {who for who, actor in people.items() if (await cases.get(number, actor)).status == 200}
        company = people["owner"].company_id
        listed = {
            who
            for who, actor in people.items()
            if number in await cases.listed(actor, **({"company_id": str(company)} if actor.is_vendor else {}))
        }
        assert got == listed
        return got

    everybody = set(people)
    assert await seen_by() == everybody
    await cases.act(number, people["owner"], action="mark_confidential")
    assert await seen_by() == everybody - {"colleague", "manager"}
    await cases.act(number, people["admin"], action="unmark_confidential")
    assert await seen_by() == everybody


async def test_a_manager_who_sees_a_confidential_case_as_its_contact_cannot_unmark_it(cases: CasesApi) -> None:
    owner = an_actor(Role.MEMBER)
    manager = an_actor(Role.CASE_MANAGER, company_id=owner.company_id)
    await cases.hear(user_changed(manager))
    contact = a_contact(email=manager.login_email)
    number = (await cases.submitted(owner, contact=contact, confidential=True))["number"]
    seen = (await cases.get(number, manager)).body
    assert "unmark_confidential" not in seen["allowed_actions"]
    assert "change_contact" in seen["allowed_actions"]
    assert (await cases.act(number, manager, action="unmark_confidential")).status == 403


async def test_an_ended_case_can_still_be_made_confidential(cases: CasesApi) -> None:
    ana = an_actor()
    luc = an_actor(Role.CASE_MANAGER, company_id=ana.company_id)
    number = (await cases.submitted(ana))["number"]
    await cases.act(number, ana, action="cancel", version=1, reason="Wrong device.")
    assert (await cases.act(number, ana, action="mark_confidential")).status == 200
    assert (await cases.get(number, luc)).status == 404
