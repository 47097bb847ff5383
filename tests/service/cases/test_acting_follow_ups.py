"""Follow-ups: a new case that goes on from an ended or full one, linked both ways."""

import asyncio
from typing import Any

import pytest

from services.cases.cases.domain.case import MAX_ENTRIES
from shared.actor import Actor, Role, Visibility
from shared.events.contracts import ProductChanged
from tests.builders import Json, a_contact, a_serial, an_actor, an_address, an_email
from tests.client import Answer
from tests.events import agreement_changed, device_changed, site_changed, user_changed
from tests.service.cases.conftest import CasesApi
from tests.service.cases.test_pins import SECRET, a_pin, company_with

AGAIN = "It jams again, now in the second tray."
TAKEN_OVER = (
    *("title", "severity", "serial", "product_name", "product_number", "product_line", "contact", "secondary_contact"),
    *("site_id", "site_name", "equipment_address", "parts_address", "pin", "company_id", "company_name"),
    *("problem_type", "error_code", "operating_system", "own_reference", "preferred_channel", "preferred_hours"),
)


async def ended(cases: CasesApi, by: Actor, **fields: Any) -> Json:
    number = (await cases.submitted(by, **fields))["number"]
    body: Json = (await cases.act(number, by, action="cancel", version=1, reason="Later.")).body
    return body


async def follow_up(cases: CasesApi, number: str, by: Actor, *, key: str | None = None, **fields: Any) -> Answer:
    return await cases.act(number, by, key=key, action="follow_up", **{"description": AGAIN} | fields)


async def test_a_follow_up_is_a_new_case_with_all_that_is_known_of_the_old_one(cases: CasesApi, agent: Actor) -> None:
    ana, serial, contract = an_actor(), a_serial(), agreement_changed()
    site = site_changed(ana.company_id)
    for event in (contract, device_changed(ana.company_id, serial, contract), site, company_with(ana, a_pin("GOLD"))):
        await cases.hear(event)
    old = await ended(
        cases,
        ana,
        serial=serial,
        site_id=str(site.site_id),
        severity=2,
        pin="GOLD",
        troubleshooting="We cleaned it.",
        own_reference="INC-1",
        error_code="E13",
        preferred_channel="email",
        secondary_contact=a_contact(first_name="Nina"),
        parts_address=an_address(city="Metz"),
    )
    answer = await follow_up(cases, old["number"], ana)
    new = answer.body
    assert answer.status == 201
    assert new["number"] != old["number"]
    assert {name: new[name] for name in TAKEN_OVER} == {name: old[name] for name in TAKEN_OVER}
    assert (new["description"], new["troubleshooting"], new["follow_up_of"]) == (AGAIN, "", old["number"])
    assert (new["status"], new["version"], new["coverage"]["verdict"]) == ("new", 1, "covered")
    assert [entry["kind"] for entry in new["history"]] == ["created"]
    seen = (await cases.get(old["number"], ana)).body
    assert seen["follow_ups"] == [{"number": new["number"], "title": old["title"], "status": "new"}]
    assert (seen["version"], seen["history"]) == (old["version"], old["history"])
    assert (await cases.get(new["number"], ana)).body["follow_up_of"] == old["number"]
    assert (await cases.get(new["number"], agent)).body["pin_instructions"] == SECRET
    created, state = await cases.said(new["number"])
    assert (created["type"], state["type"]) == ("cases.case.created.v1", "cases.case.changed.v1")
    assert (created["description"], created["follow_up_of"]) == (AGAIN, old["number"])
    assert (await cases.said(old["number"]))[0]["follow_up_of"] == ""
    assert "follow_up" not in new["allowed_actions"]


async def test_a_follow_up_may_have_a_title_and_a_severity_of_its_own(cases: CasesApi) -> None:
    ana = an_actor()
    old = await ended(cases, ana)
    new = (await follow_up(cases, old["number"], ana, title="Jams again", severity=1)).body
    assert (new["title"], new["severity"]) == ("Jams again", 1)
    short = await follow_up(cases, old["number"], ana, description="Again.")
    assert short.field_codes == {"description": "string_too_short"}


async def test_only_what_has_ended_or_is_full_is_followed_up(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    refused = await follow_up(cases, number, ana)
    assert (refused.status, refused.code) == (409, "follow_up_not_needed")
    document = await cases.db["cases"].find_one({"number": number})
    assert document is not None
    full = {"history": document["history"] * MAX_ENTRIES}
    await cases.db["cases"].update_one({"number": number}, {"$set": full})
    assert "follow_up" in (await cases.get(number, ana)).body["allowed_actions"]
    assert (await follow_up(cases, number, ana)).status == 201


async def test_the_same_request_makes_one_follow_up_even_at_once_and_after_reopening(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    old = (await cases.act(number, ana, action="close", version=1, reason="It prints.", resolved=True)).body
    answers = await asyncio.gather(*(follow_up(cases, number, ana, key="once") for _ in range(6)))
    assert {answer.status for answer in answers} == {201}
    await cases.act(number, ana, action="reopen", version=old["version"], reason="It jams.")
    answers.append(await follow_up(cases, number, ana, key="once"))
    assert len({answer.body["number"] for answer in answers}) == 1
    assert answers[-1].body["follow_up_of"] == number
    assert len((await cases.get(number, ana)).body["follow_ups"]) == 1
    other = await follow_up(cases, number, ana, key="once", title="Something else")
    assert (other.status, other.code) == (422, "idempotency_key_reused")


async def test_a_key_does_not_both_follow_a_case_up_and_do_something_else_to_it(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    close: Json = {"action": "close", "version": 1, "reason": "It prints.", "resolved": True, "key": "closed"}
    assert (await cases.act(number, ana, **close)).status == 200
    assert (await follow_up(cases, number, ana, key="followed")).status == 201
    others: list[Json] = [{"action": "comment", "text": "And again."}, {"action": "mark_confidential"}]
    refused = [await cases.act(number, ana, key="followed", **other) for other in others]
    refused.append(await follow_up(cases, number, ana, key="closed"))
    assert {(answer.status, answer.code) for answer in refused} == {(422, "idempotency_key_reused")}
    seen = (await cases.get(number, ana)).body
    assert (len(seen["follow_ups"]), seen["history_total"], seen["confidential"]) == (1, 2, False)


@pytest.mark.parametrize(
    ("role", "status"), [(Role.MEMBER, 403), (Role.CASE_MANAGER, 201), (Role.COMPANY_ADMIN, 201), (Role.AGENT, 201)]
)
async def test_who_may_change_a_case_follows_it_up(cases: CasesApi, role: Role, status: int) -> None:
    ana = an_actor(Role.MEMBER)
    by = an_actor(role) if role is Role.AGENT else an_actor(role, company_id=ana.company_id, name="Luc Petit")
    old = await ended(cases, ana)
    answer = await follow_up(cases, old["number"], by)
    assert answer.status == status
    if status == 201:
        # The vendor's side needs a customer's user: whoever submitted the old case.
        submitter = ana if by.is_vendor else by
        assert answer.body["submitter"]["user_id"] == str(submitter.user_id)
        assert answer.body["owner"]["user_id"] == str(submitter.user_id)
        assert answer.body["created_by"]["user_id"] == str(by.user_id)
        assert answer.body["company_id"] == str(ana.company_id)
    assert (await follow_up(cases, old["number"], an_actor())).status == 404


async def test_a_submitter_who_has_left_is_no_obstacle_for_an_agent(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor(Role.MEMBER)
    await cases.hear(user_changed(ana))
    old = await ended(cases, ana, contact=a_contact(email=ana.email, user_id=str(ana.user_id)))
    await cases.hear(user_changed(ana, active=False, name="Ana Dupont", version=2))
    new = (await follow_up(cases, old["number"], agent)).body
    assert new["submitter"] == {"user_id": str(ana.user_id), "name": "Ana Dupont"}
    assert (new["contact"]["email"], new["contact"]["user_id"]) == (ana.email, None)


async def test_a_follow_up_of_a_confidential_case_is_confidential_even_by_an_agent(
    cases: CasesApi, agent: Actor
) -> None:
    ana = an_actor(Role.MEMBER)
    manager = an_actor(Role.CASE_MANAGER, company_id=ana.company_id)
    old = await ended(cases, ana, confidential=True)
    new = (await follow_up(cases, old["number"], agent)).body
    assert new["confidential"] is True
    assert (await cases.get(new["number"], manager)).status == 404
    assert (await cases.get(new["number"], ana)).status == 200


async def test_of_linked_cases_one_sees_those_that_one_may_see(cases: CasesApi) -> None:
    ana = an_actor()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id, visibility=Visibility.COMPANY)
    old = await ended(cases, ana)
    new = (await follow_up(cases, old["number"], ana)).body
    assert [each["number"] for each in (await cases.get(old["number"], luc)).body["follow_ups"]] == [new["number"]]
    await cases.act(new["number"], ana, action="mark_confidential")
    assert (await cases.get(old["number"], luc)).body["follow_ups"] == []
    await cases.act(new["number"], ana, action="unmark_confidential")
    await cases.act(old["number"], ana, action="mark_confidential")
    assert (await cases.get(new["number"], luc)).body["follow_up_of"] is None
    assert (await cases.get(new["number"], ana)).body["follow_up_of"] == old["number"]


async def test_the_verdict_is_given_anew(cases: CasesApi) -> None:
    ana, serial, contract = an_actor(), a_serial(), agreement_changed()
    unknown = await ended(cases, ana, serial=serial)
    assert unknown["coverage"]["verdict"] == "unverified"
    await cases.hear(contract)
    await cases.hear(device_changed(ana.company_id, serial, contract))
    new = (await follow_up(cases, unknown["number"], ana)).body
    assert (new["coverage"]["verdict"], new["product_name"], new["serial"]) == ("covered", "LaserPress 600", serial)


async def test_a_case_about_a_product_or_an_agreement_is_followed_up_as_such(cases: CasesApi) -> None:
    ana = an_actor()
    number = a_serial()
    product = ProductChanged(
        product_id=ana.user_id,
        product_number=number,
        name="Toner",
        line="Supplies",
        has_serials=False,
        version=1,
        at=company_with(ana).at,
    )
    contract = agreement_changed(said=f"SA-{number}", company_id=ana.company_id, product_numbers=(number,))
    await cases.hear(product)
    of_product = await ended(cases, ana, product_number=number)
    assert (of_product["coverage"]["verdict"], of_product["said"]) == ("not_covered", None)
    await cases.hear(contract)
    new = (await follow_up(cases, of_product["number"], ana)).body
    assert (new["product_name"], new["product_line"], new["serial"]) == ("Toner", "Supplies", None)
    assert (new["coverage"]["verdict"], new["said"]) == ("covered", contract.said)
    of_said = await ended(cases, ana, said=contract.said)
    again = (await follow_up(cases, of_said["number"], ana)).body
    assert (again["said"], again["coverage"]["verdict"], again["product_number"]) == (contract.said, "covered", None)


async def test_a_pin_that_was_revoked_is_not_taken_over(cases: CasesApi) -> None:
    ana = an_actor()
    await cases.hear(company_with(ana, a_pin("GOLD")))
    old = await ended(cases, ana, pin="GOLD")
    await cases.hear(company_with(ana, version=2))
    new = await follow_up(cases, old["number"], ana)
    assert (new.status, new.body["pin"]) == (201, None)
    assert old["pin"] == "GOLD"


async def test_a_pin_that_does_not_fit_any_more_is_not_taken_over(cases: CasesApi) -> None:
    ana = an_actor()
    lyon, nice = site_changed(ana.company_id, name="Lyon"), site_changed(ana.company_id, name="Nice")
    for event in (lyon, nice, company_with(ana, a_pin("GOLD", site_id=lyon.site_id))):
        await cases.hear(event)
    old = await ended(cases, ana, site_id=str(lyon.site_id), pin="GOLD")
    assert (await follow_up(cases, old["number"], ana)).body["pin"] == "GOLD"
    await cases.hear(company_with(ana, a_pin("GOLD", site_id=nice.site_id), version=2))
    new = await follow_up(cases, old["number"], ana)
    assert (new.status, new.body["pin"]) == (201, None)


async def test_a_contact_stays_the_user_who_was_picked_by_whichever_address(cases: CasesApi) -> None:
    ana = an_actor()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id, login_email=an_email("luc"), visibility=Visibility.OWN)
    await cases.hear(user_changed(luc))
    old = await ended(cases, ana, contact=a_contact(user_id=str(luc.user_id), email=luc.email))
    new = (await follow_up(cases, old["number"], ana)).body
    assert (await cases.get(new["number"], luc)).status == 200


async def test_a_contact_who_has_become_a_user_sees_the_follow_up(cases: CasesApi) -> None:
    ana = an_actor()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id, visibility=Visibility.OWN)
    old = await ended(cases, ana, contact=a_contact(email=luc.login_email))
    await cases.hear(user_changed(luc))
    assert (await cases.get(old["number"], luc)).status == 404
    new = (await follow_up(cases, old["number"], ana)).body
    assert (await cases.get(new["number"], luc)).status == 200


async def test_a_follow_up_counts_as_a_case_that_was_created(cases: CasesApi) -> None:
    ana = an_actor()
    old = await ended(cases, ana)
    new = (await follow_up(cases, old["number"], ana)).body
    assert set(await cases.listed(ana, view="submitted")) == {old["number"], new["number"]}
