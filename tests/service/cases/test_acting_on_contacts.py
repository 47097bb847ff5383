"""Changing whom to call about a case: who they are, and what they see of it."""

from typing import Any

import pytest
from uuid_utils.compat import uuid7

from shared.actor import Actor, Role, Visibility
from tests.builders import Json, a_contact, an_actor
from tests.events import user_changed
from tests.service.cases.conftest import CasesApi


async def a_member(cases: CasesApi, of: Actor, *, visibility: Visibility = Visibility.OWN) -> Actor:
    """A colleague whom the copies know, who sees only what is theirs."""
    member = an_actor(Role.MEMBER, company_id=of.company_id, name="Luc Petit", visibility=visibility)
    await cases.hear(user_changed(member))
    return member


async def change(cases: CasesApi, case: Json, by: Actor, *, action: str = "change_contact", **fields: Any) -> Json:
    answer = await cases.act(case["number"], by, action=action, version=case["version"], **fields)
    assert answer.status == 200, answer.body
    body: Json = answer.body
    return body


async def test_another_contact_stands_on_the_case_and_the_history_names_both(cases: CasesApi) -> None:
    ana = an_actor()
    case = await cases.submitted(ana)
    nina = a_contact(first_name="Nina", last_name="Roy", phone="+33 6 12 34 56 78", language="fr")
    changed = await change(cases, case, ana, contact=nina)
    assert changed["contact"] == nina | {"phone": "+33612345678", "user_id": None}
    assert changed["version"] == 2
    entry = changed["history"][-1]
    assert (entry["kind"], entry["changes"]) == ("contact_changed", {"from": "Luc Petit", "to": "Nina Roy"})
    again = await change(cases, changed, ana, contact=nina)
    assert (again["version"], len(again["history"])) == (2, 2)


async def test_another_number_of_the_same_person_is_told_from_the_old_one(cases: CasesApi) -> None:
    ana, contact = an_actor(), a_contact()
    case = await cases.submitted(ana, contact=contact)
    changed = await change(cases, case, ana, contact=contact | {"phone": "+33472000009"})
    named = f"Luc Petit, {contact['email']}"
    changes = {"from": f"{named}, +33472000000", "to": f"{named}, +33472000009"}
    assert changed["history"][-1]["changes"] == changes


async def test_a_secondary_contact_is_added_and_removed(cases: CasesApi) -> None:
    ana = an_actor()
    case = await cases.submitted(ana)
    added = await change(cases, case, ana, action="change_secondary_contact", contact=a_contact(first_name="Nina"))
    assert added["secondary_contact"]["first_name"] == "Nina"
    removed = await change(cases, added, ana, action="change_secondary_contact", contact=None)
    assert removed["secondary_contact"] is None
    assert [(entry["kind"], entry["changes"]) for entry in removed["history"][1:]] == [
        ("secondary_contact_changed", {"from": None, "to": "Nina Petit"}),
        ("secondary_contact_changed", {"from": "Nina Petit", "to": None}),
    ]


@pytest.mark.parametrize("action", ["change_contact", "change_secondary_contact"])
async def test_a_contact_sees_the_case_by_their_verified_login_and_whoever_is_replaced_does_not_any_more(
    cases: CasesApi, action: str
) -> None:
    ana = an_actor()
    luc, nina = await a_member(cases, ana), await a_member(cases, ana)
    case = await cases.submitted(ana)
    for before, after in ((None, luc), (luc, nina)):
        contact = a_contact(email=after.login_email)
        case = await change(cases, case, ana, action=action, contact=contact)
        assert (await cases.get(case["number"], after)).status == 200
        assert await cases.listed(after) == [case["number"]]
        if before is not None:
            assert (await cases.get(case["number"], before)).status == 404
            assert await cases.listed(before) == []


async def test_who_is_contact_twice_keeps_sight_until_both_are_changed(cases: CasesApi) -> None:
    ana = an_actor()
    luc = await a_member(cases, ana)
    contact = a_contact(email=luc.login_email)
    case = await cases.submitted(ana, contact=contact, secondary_contact=contact)
    case = await change(cases, case, ana, contact=a_contact())
    assert (await cases.get(case["number"], luc)).status == 200
    case = await change(cases, case, ana, action="change_secondary_contact", contact=None)
    assert (await cases.get(case["number"], luc)).status == 404


async def test_a_picked_user_is_fixed_and_an_address_that_they_take_later_is_not_matched(cases: CasesApi) -> None:
    ana = an_actor()
    luc, later = await a_member(cases, ana), an_actor(Role.MEMBER, company_id=ana.company_id, visibility="own")
    case = await cases.submitted(ana)
    picked = await change(cases, case, ana, contact=a_contact(email=luc.email, user_id=str(luc.user_id)))
    assert picked["contact"]["user_id"] == str(luc.user_id)
    await cases.hear(user_changed(luc, login_email="another@example.com", version=2))
    assert (await cases.get(case["number"], luc)).status == 200
    typed = await change(cases, picked, ana, contact=a_contact(email=later.login_email))
    await cases.hear(user_changed(later))
    assert typed["contact"]["user_id"] is None
    assert (await cases.get(case["number"], later)).status == 404


async def test_another_companys_user_is_not_picked_and_their_login_not_matched(cases: CasesApi) -> None:
    ana, rival = an_actor(), an_actor(Role.MEMBER)
    await cases.hear(user_changed(rival))
    case = await cases.submitted(ana)
    fields: Json = {"action": "change_contact", "version": 1}
    for user_id in (rival.user_id, uuid7()):
        contact = a_contact(email=rival.email, user_id=str(user_id))
        answer = await cases.act(case["number"], ana, **fields, contact=contact)
        assert (answer.status, answer.code, answer.wrong_fields) == (409, "not_yet_known", {"contact.user_id"})
    changed = await change(cases, case, ana, contact=a_contact(email=rival.login_email))
    assert changed["contact"]["user_id"] is None
    assert (await cases.get(case["number"], rival)).status == 404


async def test_who_gives_away_their_only_reason_to_see_the_case_gets_it_once_more(cases: CasesApi) -> None:
    ana, here = an_actor(), uuid7()
    manager = an_actor(Role.CASE_MANAGER, company_id=ana.company_id, site_ids=frozenset({here}))
    await cases.hear(user_changed(manager))
    contact = a_contact(email=manager.email, user_id=str(manager.user_id))
    case = await cases.submitted(ana, contact=contact, confidential=True)
    change: Json = {"action": "change_contact", "version": 1, "contact": a_contact(first_name="Nina")}
    answer = await cases.act(case["number"], manager, key="away", **change)
    assert (answer.status, answer.body["contact"]["first_name"]) == (200, "Nina")
    assert answer.body["allowed_actions"] == []
    assert (await cases.get(case["number"], manager)).status == 404
    assert (await cases.act(case["number"], manager, key="away", **change)).status == 404


async def test_a_contact_is_checked_as_in_a_new_case(cases: CasesApi) -> None:
    ana = an_actor()
    case = await cases.submitted(ana)
    wrong = a_contact(email="nobody", phone="1", first_name="", age=3)
    for action in ("change_contact", "change_secondary_contact"):
        answer = await cases.act(case["number"], ana, action=action, version=1, contact=wrong)
        assert answer.status == 422
        assert answer.wrong_fields == {"contact.email", "contact.phone", "contact.first_name", "contact.age"}


async def test_the_mails_of_a_case_go_to_whoever_is_its_contact_by_then(cases: CasesApi) -> None:
    ana, contact = an_actor(), a_contact(first_name="Nina")
    case = await change(cases, await cases.submitted(ana), ana, contact=contact)
    await change(cases, case, ana, action="close", reason="It prints.", resolved=True)
    closed = next(said for said in await cases.said(case["number"]) if said["type"] == "cases.case.closed.v1")
    assert contact["email"] in {person["email"] for person in closed["people"]}
    assert case["number"] == closed["number"]
    assert {person["email"] for person in closed["people"]} == {ana.email, contact["email"]}
