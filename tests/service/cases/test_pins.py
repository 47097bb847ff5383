"""PINs on cases: which are valid, and the instructions that only agents read."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from services.cases.cases import store
from shared.actor import Actor, Role
from shared.events.contracts import AgreementChanged
from shared.events.identity import CompanyChanged, CompanyPin
from tests.builders import Json, a_serial, an_actor
from tests.events import agreement_changed, company_changed, device_changed, site_changed, user_changed
from tests.service.cases.conftest import CasesApi, a_case

NOW = datetime.now(UTC)
SECRET = "Call the account manager first."


def company_with(owner: Actor, *pins: CompanyPin, version: int = 1) -> CompanyChanged:
    return company_changed(owner.company_id, pins=pins, version=version)


def a_pin(pin: str = "GOLD", **other: Any) -> CompanyPin:
    return CompanyPin(**({"pin": pin, "label": f"{pin} support", "instructions": SECRET} | other))


async def a_contract(cases: CasesApi, company_id: UUID, said: str) -> AgreementChanged:
    contract = agreement_changed(said=said, company_id=company_id)
    await cases.hear(contract)
    return contract


async def a_device(cases: CasesApi, company_id: UUID, *contracts: AgreementChanged) -> str:
    device = device_changed(company_id, a_serial(), *contracts)
    await cases.hear(device)
    return device.serial


async def a_customer(cases: CasesApi, *pins: CompanyPin) -> Actor:
    ana = an_actor()
    await cases.hear(company_with(ana, *pins))
    return ana


def valid_in(body: Json) -> list[str]:
    return [pin["pin"] for pin in body["current"]["valid_pins"]]


async def test_a_case_keeps_the_pin_it_was_submitted_with(cases: CasesApi) -> None:
    ana = await a_customer(cases, a_pin("GOLD"), a_pin("STD"))
    case = await cases.submitted(ana, pin="gold")
    assert case["pin"] == "GOLD"
    [row] = (await cases.call("GET", "/cases", ana)).body["items"]
    assert row["pin"] == "GOLD"
    assert (await cases.submitted(ana))["pin"] is None


async def test_another_companys_pin_is_refused_with_the_companys_own(cases: CasesApi) -> None:
    await a_customer(cases, a_pin("SILVER"))
    ana = await a_customer(cases, a_pin("GOLD"), a_pin("STD"))
    answer = await cases.submit(ana, pin="SILVER")
    assert (answer.status, answer.code, answer.wrong_fields) == (422, "pin_not_valid", {"pin"})
    assert valid_in(answer.body) == ["GOLD", "STD"]
    assert "GOLD (GOLD support)" in answer.body["errors"][0]["message"]
    assert SECRET not in str(answer.body)
    assert await cases.listed(ana) == []


async def test_a_pin_of_a_company_not_yet_copied_is_not_yet_known(cases: CasesApi) -> None:
    answer = await cases.submit(an_actor(), pin="GOLD")
    assert (answer.status, answer.code, answer.wrong_fields) == (409, "not_yet_known", {"pin"})


async def test_a_pin_bound_to_a_contract_is_valid_only_under_it(cases: CasesApi) -> None:
    ana = await a_customer(cases, a_pin("GOLD", said="SA-1"), a_pin("STD", said="SA-2"))
    one, other = [await a_contract(cases, ana.company_id, said) for said in ("SA-1", "SA-2")]
    under_one = await a_device(cases, ana.company_id, one)
    under_both = await a_device(cases, ana.company_id, one, other)
    under_none = await a_device(cases, ana.company_id)
    for start, valid in [
        ({"serial": under_one}, ["GOLD"]),
        ({"serial": under_both}, ["GOLD", "STD"]),
        ({"serial": under_none}, []),
        ({"serial": a_serial()}, []),
        ({"said": "SA-2"}, ["STD"]),
    ]:
        for pin in ("GOLD", "STD"):
            answer = await cases.submit(ana, pin=pin, **start)
            if pin in valid:
                assert (answer.status, answer.body["pin"]) == (201, pin)
            else:
                assert (answer.status, answer.code, valid_in(answer.body)) == (422, "pin_not_valid", valid)


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_pin_bound_to_a_site_is_valid_only_there(cases: CasesApi, place: int) -> None:
    ana = an_actor()
    sites = [site_changed(ana.company_id) for _ in range(3)]
    for site in sites:
        await cases.hear(site)
    pins = (a_pin("A", site_id=sites[0].site_id), a_pin("B", site_id=sites[1].site_id))
    await cases.hear(company_with(ana, *pins))
    valid = [pin.pin for pin in pins if pin.site_id == sites[place].site_id]
    for pin in ("A", "B"):
        answer = await cases.submit(ana, pin=pin, site_id=str(sites[place].site_id))
        if pin in valid:
            assert answer.status == 201
        else:
            assert (answer.status, answer.code, valid_in(answer.body)) == (422, "pin_not_valid", valid)
    elsewhere = await cases.submit(ana, pin="A")
    assert (elsewhere.status, valid_in(elsewhere.body)) == (422, [])


async def test_on_behalf_the_pins_of_the_submitters_company_are_valid(cases: CasesApi, agent: Actor) -> None:
    ana = await a_customer(cases, a_pin("GOLD"))
    await cases.hear(user_changed(ana))
    case = await cases.submitted(agent, submitter_id=str(ana.user_id), pin="GOLD")
    assert (case["pin"], case["company_id"]) == ("GOLD", str(ana.company_id))


async def test_only_the_vendors_side_reads_the_handling_instructions(cases: CasesApi, agent: Actor) -> None:
    ana = await a_customer(cases, a_pin("GOLD"))
    created = await cases.submitted(ana, pin="GOLD")
    number = created["number"]
    commented = await cases.act(number, ana, action="comment", text="Any news?")
    doors = [
        created,
        commented.body,
        (await cases.get(number, ana)).body,
        (await cases.call("GET", "/cases", ana)).body,
        (await cases.call("GET", "/cases/facets", ana)).body,
        *await cases.said(number),
    ]
    assert not [door for door in doors if SECRET in str(door)]
    assert (await cases.get(number, ana)).body["pin_instructions"] is None
    assert (await cases.get(number, agent)).body["pin_instructions"] == SECRET
    answered = await cases.agent_act(number, agent, action="reply", text="Soon.")
    assert answered.body["pin_instructions"] == SECRET


async def test_agents_read_the_newest_instructions_or_the_last_ones_of_a_revoked_pin(
    cases: CasesApi, agent: Actor
) -> None:
    ana = await a_customer(cases, a_pin("GOLD"))
    number = (await cases.submitted(ana, pin="GOLD"))["number"]
    await cases.hear(company_with(ana, a_pin("GOLD", instructions="Call the depot."), version=2))
    assert (await cases.get(number, agent)).body["pin_instructions"] == "Call the depot."
    await cases.hear(company_with(ana, version=3))
    case = (await cases.get(number, agent)).body
    assert (case["pin"], case["pin_instructions"]) == ("GOLD", SECRET)


async def test_a_repeated_submission_gets_its_case_though_the_pin_was_revoked(cases: CasesApi) -> None:
    ana, body = await a_customer(cases, a_pin("GOLD")), a_case(pin="GOLD")
    first = await cases.call("POST", "/cases", ana, key="k", json=body)
    await cases.hear(company_with(ana, version=2))
    again = await cases.call("POST", "/cases", ana, key="k", json=body)
    assert (again.status, again.body["number"]) == (201, first.body["number"])
    other = await cases.call("POST", "/cases", ana, key="k", json=body | {"title": "Another"})
    assert (other.status, other.code) == (422, "idempotency_key_reused")


async def test_a_queue_is_filtered_by_pin(cases: CasesApi, agent: Actor) -> None:
    ana = await a_customer(cases, a_pin("GOLD"), a_pin("STD"))
    numbers = {pin: (await cases.submitted(ana, pin=pin))["number"] for pin in ("GOLD", "STD")}
    await cases.submitted(ana)
    query = {"company_id": str(ana.company_id), "pin": "gold"}
    found = await cases.call("GET", "/agent/cases", agent, params=query)
    assert [(row["number"], row["pin"]) for row in found.body["items"]] == [(numbers["GOLD"], "GOLD")]
    assert (await cases.call("GET", "/agent/cases", agent, params=query | {"pin": "$"})).status == 422
    assert (await cases.call("GET", "/agent/cases", an_actor(Role.MEMBER), params=query)).status == 403


async def test_a_queue_by_pin_is_found_by_its_index(cases: CasesApi) -> None:
    await store.create_indexes(cases.db)
    wanted = {"$and": [{}, {"status": {"$in": ["new", "in_progress"]}}, {"pin": "GOLD"}]}
    order = store.read_order("created_at")
    found = cases.db["cases"].find(wanted, collation=order.collation).sort(order.keys)
    assert "'indexName': 'pin_alphabetical'" in str(await found.explain())


@pytest.mark.parametrize("pin", ["", "A B", "x" * 21, {"$ne": None}, ["GOLD"], 7])
async def test_a_pin_in_a_wrong_form_is_named(cases: CasesApi, pin: object) -> None:
    answer = await cases.submit(an_actor(), pin=pin)
    assert (answer.status, answer.wrong_fields) == (422, {"pin"})
