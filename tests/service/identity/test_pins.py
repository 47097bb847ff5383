"""PINs: assigned by the vendor, read by the company, chosen in a profile."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.actor import Role
from tests.builders import Json, an_actor, an_address
from tests.client import Answer
from tests.service.identity.conftest import IdentityApi
from tests.service.identity.test_profiles import a_profile, put

VENDOR = an_actor(Role.VENDOR_ADMIN)
NOT_VENDOR_ADMINS = [Role.MEMBER, Role.CASE_MANAGER, Role.COMPANY_ADMIN, Role.AGENT]
SECRET = "Call the account manager first."


def a_pin(pin: str = "GOLD", **other: Any) -> Json:
    return {"pin": pin, "label": f"{pin} support", "instructions": SECRET} | other


async def assign(identity: IdentityApi, company: Json, *pins: Json, version: int | None = None) -> Answer:
    path = f"/vendor/companies/{company['id']}/pins"
    if version is None:
        version = (await identity.get(path, by=VENDOR)).body["version"]
    return await identity.call("PUT", path, {"pins": list(pins)}, by=VENDOR, if_match=f'"{version}"')


async def test_a_company_has_no_pins_until_the_vendor_assigns_some(identity: IdentityApi) -> None:
    company = await identity.a_company()
    none = await identity.get(f"/vendor/companies/{company['id']}/pins", by=VENDOR)
    assert (none.status, none.headers["ETag"], none.body["items"], none.body["total"]) == (200, '"1"', [], 0)
    answer = await assign(identity, company, a_pin("gold", said="sa-204 118"), a_pin("STD"))
    assert (answer.status, answer.headers["ETag"], answer.body["version"]) == (200, '"2"', 2)
    assert [(pin["pin"], pin["said"], pin["instructions"]) for pin in answer.body["items"]] == [
        ("GOLD", "SA-204118", SECRET),
        ("STD", None, SECRET),
    ]
    again = await identity.get(f"/vendor/companies/{company['id']}/pins", by=VENDOR)
    assert again.body == answer.body


async def test_assigned_pins_are_told_to_others_once(identity: IdentityApi) -> None:
    company = await identity.a_company()
    for _ in range(2):
        assert (await assign(identity, company, a_pin())).body["version"] == 2
    first, second = await identity.said("companies", company["id"])
    assert (first["pins"], second["version"]) == ([], 2)
    assert second["pins"] == [a_pin() | {"said": None, "site_id": None}]
    assert (second["name"], second["is_vendor"]) == ("Acme SA", False)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.CASE_MANAGER, Role.COMPANY_ADMIN])
async def test_every_user_reads_the_companys_pins_but_never_the_instructions(identity: IdentityApi, role: Role) -> None:
    company = await identity.a_company()
    await assign(identity, company, a_pin())
    user = await identity.a_user(company, role=role)
    answer = await identity.get("/pins", by=user)
    assert answer.status == 200
    assert answer.body["items"] == [{"pin": "GOLD", "label": "GOLD support", "said": None, "site_id": None}]
    stranger = await identity.a_user()
    assert (await identity.get("/pins", by=stranger)).body["items"] == []


@pytest.mark.parametrize("role", NOT_VENDOR_ADMINS)
async def test_only_vendor_admins_assign_pins_and_read_their_instructions(identity: IdentityApi, role: Role) -> None:
    company = await identity.a_company()
    await assign(identity, company, a_pin())
    path, actor = f"/vendor/companies/{company['id']}/pins", an_actor(role, company_id=UUID(company["id"]))
    answers = [
        await identity.get(path, by=actor),
        await identity.call("PUT", path, {"pins": []}, by=actor, if_match='"2"'),
        await identity.call("PUT", path, "not read", by=actor),
    ]
    for answer in answers:
        assert answer.status == 403
        assert SECRET not in str(answer.body)
    assert (await identity.get(path, by=VENDOR)).body["total"] == 1


async def test_the_pins_of_a_company_are_listed_in_pages_as_people_sort_them(identity: IdentityApi) -> None:
    company = await identity.a_company()
    await assign(
        identity, company, a_pin("C", label="été"), a_pin("a", label="Zoo"), a_pin("B-2", label="eta"), a_pin("B-1")
    )
    user = an_actor(Role.MEMBER, company_id=UUID(company["id"]))
    orders = {"pin": ["A", "B-1", "B-2", "C"], "label": ["B-1", "B-2", "C", "A"]}
    for sort, pins in orders.items():
        for asked, expected in ((sort, pins), (f"-{sort}", pins[::-1])):
            found, query = [], {"sort": asked, "limit": "1"}
            while True:
                page = await identity.find("/pins", by=user, **query)
                assert (page.status, page.body["total"], len(page.body["items"])) == (200, 4, 1)
                found += [pin["pin"] for pin in page.body["items"]]
                if page.body["next_cursor"] is None:
                    break
                query["cursor"] = page.body["next_cursor"]
            assert found == expected
    assert [pin["pin"] for pin in (await identity.get("/pins", by=user)).body["items"]] == orders["pin"]


async def test_a_cursor_of_pins_counts_for_its_company_and_its_order_alone(identity: IdentityApi) -> None:
    users = []
    for _ in range(2):
        company = await identity.a_company()
        await assign(identity, company, a_pin("A"), a_pin("B"))
        users.append(an_actor(Role.MEMBER, company_id=UUID(company["id"])))
    cursor = (await identity.find("/pins", by=users[0], limit="1")).body["next_cursor"]
    for user, query in ((users[1], {}), (users[0], {"sort": "label"}), (users[0], {"sort": "-pin"})):
        refused = await identity.find("/pins", by=user, cursor=cursor, **query)
        assert (refused.status, refused.field_codes) == (422, {"cursor": "cursor"})
    for query in ({"limit": "0"}, {"limit": "201"}, {"sort": "instructions"}, {"page": "2"}):
        refused = await identity.find("/pins", by=users[0], **query)
        assert (refused.status, list(refused.field_codes)) == (422, list(query))


async def test_a_company_that_is_not_there_has_no_pins_to_assign(identity: IdentityApi) -> None:
    for company_id in (str(uuid4()), "none"):
        path = f"/vendor/companies/{company_id}/pins"
        assert (await identity.get(path, by=VENDOR)).status == 404
        assert (await identity.call("PUT", path, {"pins": []}, by=VENDOR, if_match='"1"')).status == 404


async def test_of_two_who_assign_at_once_one_wins(identity: IdentityApi) -> None:
    company = await identity.a_company()
    answers = await asyncio.gather(*(assign(identity, company, a_pin(f"P{n}"), version=1) for n in range(6)))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 5
    path = f"/vendor/companies/{company['id']}/pins"
    assert (await identity.call("PUT", path, {"pins": []}, by=VENDOR)).status == 428
    assert (await identity.call("PUT", path, {"pins": []}, by=VENDOR, if_match="*")).status == 412


async def test_a_pin_stands_in_the_list_once_however_it_is_spelled(identity: IdentityApi) -> None:
    answer = await assign(identity, await identity.a_company(), a_pin("Gold"), a_pin("STD"), a_pin("gOLD"))
    assert (answer.status, answer.field_codes) == (422, {"pins.2.pin": "duplicate_pin"})


async def test_a_pin_is_bound_to_a_site_of_the_company_only(identity: IdentityApi) -> None:
    company = await identity.a_company()
    admin, stranger = await identity.a_user(company), await identity.a_user()
    own = (await identity.post("/sites", an_address(name="Lyon"), by=admin)).body
    foreign = (await identity.post("/sites", an_address(name="Elsewhere"), by=stranger)).body
    bound = a_pin(site_id=own["id"])
    assert (await assign(identity, company, bound)).status == 200
    answer = await assign(identity, company, bound, a_pin("STD", site_id=foreign["id"]))
    assert (answer.status, answer.field_codes) == (422, {"pins.1.site_id": "unknown_site"})
    # The list is written whole: a site that was closed since keeps its row.
    await identity.call("PATCH", f"/sites/{own['id']}", {"closed": True}, by=admin, if_match='"1"')
    assert (await assign(identity, company, bound, a_pin("STD"))).status == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "pins"),
        ({"pins": None}, "pins"),
        ({"pins": [a_pin(f"P{n}") for n in range(101)]}, "pins"),
        ({"pins": ["GOLD"]}, "pins.0"),
        ({"pins": [a_pin("")]}, "pins.0.pin"),
        ({"pins": [a_pin("A" * 21)]}, "pins.0.pin"),
        ({"pins": [a_pin("A B")]}, "pins.0.pin"),
        ({"pins": [a_pin(label="")]}, "pins.0.label"),
        ({"pins": [a_pin(label={"$ne": None})]}, "pins.0.label"),
        ({"pins": [a_pin(instructions="x" * 2001)]}, "pins.0.instructions"),
        ({"pins": [a_pin(instructions="a" + "\u0301" * 31)]}, "pins.0.instructions"),
        ({"pins": [a_pin(said="")]}, "pins.0.said"),
        ({"pins": [a_pin(site_id="none")]}, "pins.0.site_id"),
        ({"pins": [a_pin(company_id=str(uuid4()))]}, "pins.0.company_id"),
        ({"pins": [], "name": "Mine"}, "name"),
    ],
)
async def test_a_bad_list_of_pins_is_refused_by_field(identity: IdentityApi, body: object, field: str) -> None:
    company = await identity.a_company()
    path = f"/vendor/companies/{company['id']}/pins"
    answer = await identity.call("PUT", path, body, by=VENDOR, if_match='"1"')
    assert (answer.status, set(answer.field_codes)) == (422, {field})


# In the profile


async def test_a_profile_takes_a_pin_of_the_company(identity: IdentityApi) -> None:
    company = await identity.a_company()
    await assign(identity, company, a_pin("GOLD"), a_pin("STD"))
    user = await identity.a_user(company)
    answer = await put(identity, a_profile(pin="gold"), user)
    assert (answer.status, answer.body["pin"]) == (200, "GOLD")
    assert (await put(identity, a_profile(), user)).body["pin"] is None


async def test_a_pin_that_is_not_the_companys_is_refused_with_those_that_are(identity: IdentityApi) -> None:
    company, rival = await identity.a_company(), await identity.a_company()
    await assign(identity, company, a_pin("GOLD"))
    await assign(identity, rival, a_pin("SILVER"))
    user = await identity.a_user(company)
    for query in ("", "?dry_run=1"):
        answer = await put(identity, a_profile(pin="SILVER"), user, query=query)
        assert (answer.status, answer.code, answer.field_codes) == (422, "pin_not_valid", {"pin": "pin_not_valid"})
        assert answer.body["current"] == {"valid_pins": [{"pin": "GOLD", "label": "GOLD support"}]}
    assert (await identity.get("/profile", by=user)).body["pin"] is None


async def test_a_profile_whose_pin_was_taken_away_can_still_be_saved(identity: IdentityApi) -> None:
    company = await identity.a_company()
    await assign(identity, company, a_pin("GOLD"), a_pin("STD"))
    user = await identity.a_user(company)
    await put(identity, a_profile(pin="GOLD"), user)
    await assign(identity, company, a_pin("STD"))
    kept = await put(identity, a_profile(pin="GOLD", phone="+33472000009"), user)
    assert (kept.status, kept.body["pin"], kept.body["phone"]) == (200, "GOLD", "+33472000009")
    assert (await put(identity, a_profile(pin="STD"), user)).status == 200
    # Once it was let go, it is like any other PIN that is not the company's.
    assert (await put(identity, a_profile(pin="GOLD"), user)).status == 422


@pytest.mark.parametrize("pin", ["", "A B", "x" * 21, {"$ne": None}, ["GOLD"], 7])
async def test_a_pin_in_a_wrong_form_is_named(identity: IdentityApi, pin: object) -> None:
    answer = await put(identity, a_profile(pin=pin), an_actor())
    assert (answer.status, set(answer.field_codes)) == (422, {"pin"})
