"""Changing where the equipment of a case is, and where its parts go."""

from typing import Any

import pytest
from uuid_utils.compat import uuid7

from shared.actor import Actor, Role, Visibility
from shared.events.identity import SiteChanged
from tests.builders import Json, an_actor, an_address
from tests.client import Answer
from tests.events import site_changed
from tests.service.cases.conftest import CasesApi
from tests.service.cases.test_pins import SECRET, a_contract, a_customer, a_device, a_pin, company_with, valid_in


async def a_site(cases: CasesApi, owner: Actor, name: str = "Lyon", **other: Any) -> SiteChanged:
    site = site_changed(owner.company_id, name=name, **other)
    await cases.hear(site)
    return site


async def move(cases: CasesApi, case: Json, by: Actor, **to: Any) -> Answer:
    return await cases.act(case["number"], by, action="change_site", version=case["version"], **to)


async def test_a_case_moves_to_another_site_with_its_address(cases: CasesApi) -> None:
    ana = an_actor()
    lyon, nice = await a_site(cases, ana), await a_site(cases, ana, "Nice", city="Nice")
    case = await cases.submitted(ana, site_id=str(lyon.site_id))
    answer = await move(cases, case, ana, site_id=str(nice.site_id))
    moved = answer.body
    assert (answer.status, moved["site_id"], moved["site_name"]) == (200, str(nice.site_id), "Nice")
    assert moved["equipment_address"]["city"] == "Nice"
    entry = moved["history"][-1]
    assert (entry["kind"], entry["changes"]) == ("site_changed", {"from": "Lyon", "to": "Nice"})
    assert await cases.listed(ana, site_id=str(nice.site_id)) == [case["number"]]
    assert await cases.listed(ana, site_id=str(lyon.site_id)) == []
    again = await move(cases, moved, ana, site_id=str(nice.site_id))
    assert (again.status, again.body["version"]) == (200, 2)


async def test_a_case_moves_to_an_address_that_is_no_site_and_back(cases: CasesApi) -> None:
    ana = an_actor()
    lyon = await a_site(cases, ana)
    case = await cases.submitted(ana, site_id=str(lyon.site_id))
    away = (await move(cases, case, ana, equipment_address=an_address(city="Metz", postal_code="57000"))).body
    assert (away["site_id"], away["site_name"], away["equipment_address"]["city"]) == (None, "", "Metz")
    line = "Acme SA, 1 rue de la Paix, 57000 Metz, FR"
    assert away["history"][-1]["changes"] == {"from": "Lyon", "to": line, "country_to": "FR"}
    back = (await move(cases, away, ana, site_id=str(lyon.site_id))).body
    assert (back["site_id"], back["equipment_address"]["city"]) == (str(lyon.site_id), "Lyon")
    assert back["history"][-1]["changes"] == {"from": line, "to": "Lyon", "country_from": "FR"}


async def test_no_other_companys_site_and_no_closed_one_is_taken(cases: CasesApi) -> None:
    ana, rival = an_actor(), an_actor()
    case = await cases.submitted(ana)
    others, closed = await a_site(cases, rival), await a_site(cases, ana, closed=True)
    for site_id in (others.site_id, closed.site_id, uuid7()):
        answer = await move(cases, case, ana, site_id=str(site_id))
        assert (answer.status, answer.code, answer.wrong_fields) == (409, "not_yet_known", {"site_id"})
    # The vendor's side moves it within the customer's company, too.
    own = await a_site(cases, ana)
    agent = an_actor(Role.AGENT)
    assert (await move(cases, case, agent, site_id=str(others.site_id))).code == "not_yet_known"
    assert (await move(cases, case, agent, site_id=str(own.site_id))).status == 200


@pytest.mark.parametrize("to", [{}, {"site_id": str(uuid7()), "equipment_address": an_address()}], ids=["none", "both"])
async def test_a_case_moves_to_exactly_one_place(cases: CasesApi, to: Json) -> None:
    ana = an_actor()
    answer = await move(cases, await cases.submitted(ana), ana, **to)
    assert answer.field_codes == dict.fromkeys(["site_id", "equipment_address"], "exactly_one")


async def test_members_see_the_cases_of_their_site_as_these_come_and_go(cases: CasesApi) -> None:
    ana = an_actor()
    lyon, nice = await a_site(cases, ana), await a_site(cases, ana, "Nice")
    luc = an_actor(Role.MEMBER, company_id=ana.company_id, visibility=Visibility.SITE, main_site_id=nice.site_id)
    case = await cases.submitted(ana, site_id=str(lyon.site_id))
    assert (await cases.get(case["number"], luc)).status == 404
    case = (await move(cases, case, ana, site_id=str(nice.site_id))).body
    assert await cases.listed(luc) == [case["number"]]
    case = (await move(cases, case, ana, site_id=str(lyon.site_id))).body
    assert await cases.listed(luc) == []
    # What is at no site is the whole company's.
    await move(cases, case, ana, equipment_address=an_address())
    assert await cases.listed(luc) == [case["number"]]


async def test_who_is_limited_to_sites_moves_a_colleagues_case_only_among_these(cases: CasesApi) -> None:
    ana = an_actor()
    lyon, nice, metz = [await a_site(cases, ana, name) for name in ("Lyon", "Nice", "Metz")]
    scope = frozenset({lyon.site_id, nice.site_id})
    manager = an_actor(Role.CASE_MANAGER, company_id=ana.company_id, site_ids=scope)
    case = await cases.submitted(ana, site_id=str(lyon.site_id))
    refused = await move(cases, case, manager, site_id=str(metz.site_id))
    assert (refused.status, refused.field_codes) == (422, {"site_id": "out_of_scope"})
    assert (await move(cases, case, manager, site_id=str(nice.site_id))).status == 200
    own = await cases.submitted(manager, site_id=str(lyon.site_id))
    assert (await move(cases, own, manager, site_id=str(metz.site_id))).status == 200


async def test_a_pin_that_is_bound_to_the_old_site_is_refused_at_another_with_those_that_are_valid_there(
    cases: CasesApi,
) -> None:
    ana = an_actor()
    lyon, nice = await a_site(cases, ana), await a_site(cases, ana, "Nice")
    at_lyon, at_nice, anywhere = a_pin("LYON", site_id=lyon.site_id), a_pin("NICE", site_id=nice.site_id), a_pin("ANY")
    await cases.hear(company_with(ana, at_lyon, at_nice, anywhere))
    case = await cases.submitted(ana, site_id=str(lyon.site_id), pin="LYON")
    refused = await move(cases, case, ana, site_id=str(nice.site_id))
    assert (refused.status, refused.code, refused.wrong_fields) == (422, "pin_not_valid", {"pin"})
    assert valid_in(refused.body) == ["NICE", "ANY"]
    refused = await move(cases, case, ana, equipment_address=an_address())
    assert valid_in(refused.body) == ["ANY"]
    moved = (await move(cases, case, ana, site_id=str(nice.site_id), pin="nice")).body
    assert (moved["pin"], moved["site_name"]) == ("NICE", "Nice")
    changes = {"from": "Lyon", "to": "Nice", "pin_from": "LYON", "pin_to": "NICE"}
    assert moved["history"][-1]["changes"] == changes
    without = (await move(cases, moved, ana, site_id=str(lyon.site_id), pin="")).body
    assert (without["pin"], without["site_name"]) == (None, "Lyon")


async def test_a_pin_that_is_bound_to_no_site_moves_along(cases: CasesApi) -> None:
    ana = await a_customer(cases, a_pin("GOLD", said="SA-1"))
    contract = await a_contract(cases, ana.company_id, "SA-1")
    nice = await a_site(cases, ana, "Nice")
    for start in ({"serial": await a_device(cases, ana.company_id, contract)}, {"said": "SA-1"}):
        case = await cases.submitted(ana, pin="GOLD", **start)
        moved = await move(cases, case, ana, site_id=str(nice.site_id))
        assert (moved.status, moved.body["pin"]) == (200, "GOLD")


async def test_a_revoked_pin_stays_with_its_instructions_wherever_the_case_moves(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    lyon, nice = await a_site(cases, ana), await a_site(cases, ana, "Nice")
    await cases.hear(company_with(ana, a_pin("LYON", site_id=lyon.site_id)))
    case = await cases.submitted(ana, site_id=str(lyon.site_id), pin="LYON")
    await cases.hear(company_with(ana, version=2))
    moved = await move(cases, case, ana, site_id=str(nice.site_id))
    assert (moved.status, moved.body["pin"]) == (200, "LYON")
    assert SECRET not in moved.text
    assert (await cases.get(case["number"], agent)).body["pin_instructions"] == SECRET


async def test_the_address_for_parts_is_set_changed_and_taken_back(cases: CasesApi) -> None:
    ana = an_actor()
    case = await cases.submitted(ana)
    told = []
    for address in (an_address(city="Metz"), an_address(city="Brest"), None):
        fields = {"action": "change_parts_address", "version": case["version"], "parts_address": address}
        case = (await cases.act(case["number"], ana, **fields)).body
        assert (case["parts_address"] or {}).get("city") == (address or {}).get("city")
        told.append(case["history"][-1]["changes"])
    metz, brest = (f"Acme SA, 1 rue de la Paix, 69001 {city}, FR" for city in ("Metz", "Brest"))
    assert told == [
        {"from": None, "to": metz, "country_to": "FR"},
        {"from": metz, "to": brest, "country_from": "FR", "country_to": "FR"},
        {"from": brest, "to": None, "country_from": "FR"},
    ]
    assert {entry["kind"] for entry in case["history"][1:]} == {"parts_address_changed"}


async def test_an_address_is_checked_as_in_a_new_case(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    wrong = an_address(country="XX", city="", floor="3")
    for action, field in (("change_site", "equipment_address"), ("change_parts_address", "parts_address")):
        answer = await cases.act(number, ana, action=action, version=1, key=None, **{field: wrong})
        assert answer.wrong_fields == {f"{field}.country", f"{field}.city", f"{field}.floor"}


async def test_with_another_pin_come_its_instructions_which_outlive_it(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    nice = await a_site(cases, ana, "Nice")
    await cases.hear(company_with(ana, a_pin("LYON"), a_pin("NICE", instructions="Ring at the gate.")))
    case = await cases.submitted(ana, pin="LYON")
    moved = await move(cases, case, ana, site_id=str(nice.site_id), pin="NICE")
    assert (moved.status, moved.body["pin"]) == (200, "NICE")
    await cases.hear(company_with(ana, version=2))
    assert (await cases.get(case["number"], agent)).body["pin_instructions"] == "Ring at the gate."
