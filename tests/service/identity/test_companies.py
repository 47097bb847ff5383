"""The vendor's customers, and a company's sites."""

import asyncio
from uuid import UUID, uuid4

import pytest

from services.identity.domain.companies import VENDOR_ID
from shared.actor import Role
from tests.builders import an_actor, an_address, signed
from tests.service.identity.conftest import IdentityApi

NOT_VENDOR_ADMINS = [Role.MEMBER, Role.CASE_MANAGER, Role.COMPANY_ADMIN, Role.AGENT]


async def test_a_new_company_is_told_to_others(identity: IdentityApi) -> None:
    company = await identity.a_company(name="Initech", time_zone="Europe/Paris", visibility="own")
    [said] = await identity.said("companies", company["id"])
    assert (said["type"], said["version"], said["is_vendor"]) == ("identity.company.changed.v1", 1, False)
    assert (said["name"], said["time_zone"], said["visibility"]) == ("Initech", "Europe/Paris", "own")


async def test_a_vendor_admin_finds_companies(identity: IdentityApi) -> None:
    vendor, company = an_actor(Role.VENDOR_ADMIN), await identity.a_company(name=f"Zenith {uuid4()}")
    one = await identity.get(f"/vendor/companies/{company['id']}", by=vendor)
    assert one.body == company
    newest = await identity.get("/vendor/companies?sort=-created_at&limit=200", by=vendor)
    assert company in newest.body["items"]
    assert (await identity.get(f"/vendor/companies/{uuid4()}", by=vendor)).status == 404
    assert (await identity.get("/vendor/companies/none", by=vendor)).status == 404


async def test_companies_and_their_sites_are_listed_as_people_sort_them(identity: IdentityApi) -> None:
    vendor, tag = an_actor(Role.VENDOR_ADMIN), uuid4().hex
    for name in ("Zoo", "zebra", "Édouard", "Edwin"):
        company = await identity.a_company(name=f"{name} {tag}")
    # Of this test alone: of all companies of all tests these may not be on the first page.
    by_name = await identity.find("/vendor/companies", by=vendor, sort="name", q=tag)
    names = [item["name"] for item in by_name.body["items"]]
    assert names == [f"{name} {tag}" for name in ("Édouard", "Edwin", "zebra", "Zoo")]
    of_company = f"/sites?company_id={company['id']}"
    for name, city in (("Zoo", "Édouard"), ("zebra", "Edwin"), ("Édouard", "zebra"), ("Edwin", "Zoo")):
        assert (await identity.post(of_company, an_address() | {"name": name, "city": city}, by=vendor)).status == 201
    for sort in ("name", "city"):
        sites = (await identity.get(f"{of_company}&sort={sort}", by=vendor)).body["items"]
        assert [site[sort] for site in sites] == ["Édouard", "Edwin", "zebra", "Zoo"]


@pytest.mark.parametrize("role", NOT_VENDOR_ADMINS)
async def test_only_vendor_admins_keep_companies(identity: IdentityApi, role: Role) -> None:
    actor, company = an_actor(role), await identity.a_company()
    answers = [
        await identity.get(f"/vendor/companies/{company['id']}/pins", by=actor),
        await identity.post("/vendor/companies", {"name": "Mine"}, by=actor),
        await identity.post("/vendor/companies", "not read", by=actor),
    ]
    assert {answer.status for answer in answers} == {403}


@pytest.mark.parametrize("role", [Role.MEMBER, Role.CASE_MANAGER, Role.COMPANY_ADMIN])
async def test_no_customer_sees_a_list_of_companies(identity: IdentityApi, role: Role) -> None:
    actor, company = an_actor(role), await identity.a_company()
    paths = ("/vendor/companies", f"/vendor/companies/{company['id']}", f"/vendor/companies/{uuid4()}")
    assert {(await identity.get(path, by=actor)).status for path in paths} == {403}


@pytest.mark.parametrize("role", [Role.AGENT, Role.VENDOR_ADMIN])
async def test_the_vendors_side_finds_a_company_by_words_of_its_name(identity: IdentityApi, role: Role) -> None:
    company = await identity.a_company(name="Société Générale d’Œuvres & Großküchen (Łódź)")
    vendor = an_actor(role)
    assert (await identity.get(f"/vendor/companies/{company['id']}", by=vendor)).body == company
    for typed in (
        "générale",
        "GENERALE societe",
        "soc gen",
        "oeuvres",
        "Œuvres",
        "grosskuchen",
        "GROẞKÜCHEN",
        "lodz",
        "(ł",
        "Ge\u0301ne\u0301rale",
    ):
        found = (await identity.find("/vendor/companies", by=vendor, q=typed)).body
        assert company in found["items"], typed
    for typed in ("générales", "societe acme", "generale.*", "soc.et"):
        found = (await identity.find("/vendor/companies", by=vendor, q=typed)).body
        assert company not in found["items"], typed


async def test_the_vendors_own_company_is_in_no_list(identity: IdentityApi) -> None:
    agent = an_actor(Role.AGENT, company_id=VENDOR_ID)
    companies = identity.db["companies"]
    written = await companies.update_one(
        {"_id": VENDOR_ID}, {"$set": {"kind": "vendor", "name": "Portico Vendor"}}, upsert=True
    )
    try:
        found = (await identity.find("/vendor/companies", by=agent, q="Portico Vendor")).body
        assert found["items"] == []
        assert (await identity.get(f"/vendor/companies/{VENDOR_ID}", by=agent)).status == 404
    finally:
        if written.upserted_id is not None:  # it is no whole company, and others make the vendor's
            await companies.delete_one({"_id": VENDOR_ID})


async def test_creating_a_company_twice_with_one_key_makes_one(identity: IdentityApi) -> None:
    vendor = an_actor(Role.VENDOR_ADMIN)
    answers = await asyncio.gather(
        *(identity.post("/vendor/companies", {"name": "Once"}, by=vendor, idempotency_key="k") for _ in range(5))
    )
    assert {(answer.status, answer.body["id"]) for answer in answers} == {(201, answers[0].body["id"])}
    other = await identity.post("/vendor/companies", {"name": "Twice"}, by=vendor, idempotency_key="k")
    assert (other.status, other.code) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "A", "time_zone": "Mars/Olympus"}, "time_zone"),
        ({"name": "A", "visibility": "all"}, "visibility"),
        ({"name": "A", "kind": "vendor"}, "kind"),
    ],
)
async def test_a_bad_company_is_refused_by_field(identity: IdentityApi, body: object, field: str) -> None:
    answer = await identity.post("/vendor/companies", body, by=an_actor(Role.VENDOR_ADMIN))
    assert (answer.status, set(answer.field_codes)) == (422, {field})


async def test_a_new_site_is_told_to_others(identity: IdentityApi) -> None:
    admin = an_actor()
    answer = await identity.post("/sites", an_address(name="Lyon"), by=admin)
    assert (answer.status, answer.headers["ETag"]) == (201, '"1"')
    [said] = await identity.said("sites", answer.body["id"])
    assert (said["type"], said["version"]) == ("identity.site.changed.v1", 1)
    assert (said["site_id"], said["company_id"]) == (answer.body["id"], str(admin.company_id))
    assert {name: said[name] for name in an_address()} == an_address()


async def test_everybody_of_the_company_reads_its_sites(identity: IdentityApi) -> None:
    admin = an_actor()
    site = (await identity.post("/sites", an_address(name="Lyon"), by=admin)).body
    member = an_actor(Role.MEMBER, company_id=admin.company_id)
    assert (await identity.get("/sites", by=member)).body["items"] == [site]
    assert (await identity.get(f"/sites/{site['id']}", by=member)).body == site


@pytest.mark.parametrize("role", [Role.MEMBER, Role.CASE_MANAGER])
async def test_only_admins_write_sites(identity: IdentityApi, role: Role) -> None:
    admin = an_actor()
    site = (await identity.post("/sites", an_address(name="Lyon"), by=admin)).body
    colleague = an_actor(role, company_id=admin.company_id)
    path = f"/sites/{site['id']}"
    assert (await identity.post("/sites", an_address(name="Paris"), by=colleague)).status == 403
    assert (await identity.call("PATCH", path, {"name": "X"}, by=colleague, if_match='"1"')).status == 403


async def test_another_companys_site_does_not_exist(identity: IdentityApi) -> None:
    site = (await identity.post("/sites", an_address(name="Lyon"), by=an_actor())).body
    path = f"/sites/{site['id']}"
    for stranger in (an_actor(), an_actor(Role.MEMBER)):
        seen = await identity.get(path, by=stranger)
        changed = await identity.call("PATCH", path, {"name": "Mine"}, by=stranger, if_match='"1"')
        nowhere = await identity.get(f"/sites/{uuid4()}", by=stranger)
        assert (seen.status, changed.status) == (404, 404)
        assert {**seen.body, "request_id": ""} == {**nowhere.body, "request_id": ""}
        assert (await identity.get("/sites", by=stranger)).body["total"] == 0


async def test_a_vendor_admin_keeps_the_sites_of_every_company(identity: IdentityApi) -> None:
    vendor, company = an_actor(Role.VENDOR_ADMIN), await identity.a_company()
    admin = an_actor(company_id=UUID(company["id"]))
    site = (await identity.post("/sites", an_address(name="Lyon"), by=admin)).body
    closed = (await identity.post("/sites", an_address(name="Old Lyon"), by=admin)).body
    await identity.call("PATCH", f"/sites/{closed['id']}", {"closed": True}, by=vendor, if_match='"1"')
    path = f"/sites?company_id={company['id']}"
    assert (await identity.get(path, by=vendor)).body["items"] == [site]
    assert [one["id"] for one in (await identity.get(f"{path}&closed=1", by=vendor)).body["items"]] == [closed["id"]]
    assert (await identity.get(f"/sites/{site['id']}", by=vendor)).body == site
    changed = await identity.call("PATCH", f"/sites/{site['id']}", {"city": "Bron"}, by=vendor, if_match='"1"')
    assert changed.body == site | {"city": "Bron", "version": 2}
    # Those of the own company only, where no other is named.
    assert (await identity.get("/sites", by=vendor)).body["total"] == 0


async def test_a_site_changes_field_by_field(identity: IdentityApi) -> None:
    admin = an_actor()
    site = (await identity.post("/sites", an_address(name="Lyon", region="Rhône"), by=admin)).body
    path = f"/sites/{site['id']}"
    answer = await identity.call("PATCH", path, {"city": "Villeurbanne"}, by=admin, if_match='"1"')
    assert answer.body == site | {"city": "Villeurbanne", "version": 2}
    assert answer.headers["ETag"] == '"2"'
    assert [said["city"] for said in await identity.said("sites", site["id"])] == ["Lyon", "Villeurbanne"]
    same = await identity.call("PATCH", path, {"city": "Villeurbanne"}, by=admin, if_match='"2"')
    assert same.body["version"] == 2


async def test_null_empties_an_optional_field_of_a_site_and_is_refused_for_a_required_one(
    identity: IdentityApi,
) -> None:
    admin = an_actor()
    site = (await identity.post("/sites", an_address(name="Lyon", region=None), by=admin)).body
    path = f"/sites/{site['id']}"
    await identity.call("PATCH", path, {"region": "Rhône"}, by=admin, if_match='"1"')
    answer = await identity.call("PATCH", path, {"region": None}, by=admin, if_match='"2"')
    assert answer.body == site | {"region": "", "version": 3}
    for field in ("name", "city", "country", "closed"):
        refused = await identity.call("PATCH", path, {field: None}, by=admin, if_match='"3"')
        assert (refused.status, set(refused.field_codes)) == (422, {field})
    assert (await identity.get(path, by=admin)).body["version"] == 3


async def test_a_closed_site_is_no_longer_offered(identity: IdentityApi) -> None:
    admin = an_actor()
    site = (await identity.post("/sites", an_address(name="Lyon"), by=admin)).body
    await identity.call("PATCH", f"/sites/{site['id']}", {"closed": True}, by=admin, if_match='"1"')
    assert (await identity.get("/sites", by=admin)).body["items"] == []
    assert [item["id"] for item in (await identity.get("/sites?closed=1", by=admin)).body["items"]] == [site["id"]]
    assert (await identity.said("sites", site["id"]))[-1]["closed"] is True


@pytest.mark.parametrize("written", ['"1"', ' "1" ', "1", 'W/"1"', '"1-gzip"', '"1--gzip"', 'W/"1-zstd"'])
async def test_a_version_is_read_as_proxies_and_programs_write_it(identity: IdentityApi, written: str) -> None:
    admin = an_actor()
    path = f"/sites/{(await identity.post('/sites', an_address(name='Lyon'), by=admin)).body['id']}"
    for status in (200, 412):
        answer = await identity.call("PATCH", path, {"name": "Paris"}, by=admin, if_match=written)
        assert answer.status == status


@pytest.mark.parametrize("written", ["", "*", "one", '"1', '1"', '"1", "2"', '"1-"', "-1", '"\u0661"'])
async def test_what_is_no_version_is_refused(identity: IdentityApi, written: str) -> None:
    admin = an_actor()
    path = f"/sites/{(await identity.post('/sites', an_address(name='Lyon'), by=admin)).body['id']}"
    answer = await identity.call("PATCH", path, {"name": "Paris"}, by=admin, if_match=written)
    assert (answer.status, answer.code) == (412, "precondition_failed")


async def test_a_stale_site_is_not_overwritten(identity: IdentityApi) -> None:
    admin = an_actor()
    site = (await identity.post("/sites", an_address(name="Lyon"), by=admin)).body
    path = f"/sites/{site['id']}"
    names = [f"Site {number}" for number in range(6)]
    answers = await asyncio.gather(
        *(identity.call("PATCH", path, {"name": name}, by=admin, if_match='"1"') for name in names)
    )
    assert sorted(answer.status for answer in answers) == [200] + [412] * 5
    assert (await identity.call("PATCH", path, {"name": "X"}, by=admin)).status == 428
    assert (await identity.call("PATCH", path, {"name": "X"}, by=admin, if_match="*")).status == 412


async def test_a_site_sent_twice_is_one_site(identity: IdentityApi) -> None:
    admin, body = an_actor(), an_address(name="Lyon")
    answers = [await identity.post("/sites", body, by=admin, idempotency_key="s") for _ in range(2)]
    assert answers[0].body == answers[1].body
    assert (await identity.get("/sites", by=admin)).body["total"] == 1


@pytest.mark.parametrize("field", ["name", *an_address()])
async def test_a_site_needs_a_whole_address(identity: IdentityApi, field: str) -> None:
    body = an_address(name="Lyon")
    del body[field]
    answer = await identity.post("/sites", body, by=an_actor())
    assert (answer.status, answer.field_codes) == (422, {field: "missing"})


async def test_bodies_that_are_no_json_object_are_refused(identity: IdentityApi) -> None:
    bodies = {b"{": 400, b"[]": 422, b'{"name": NaN}': 422, b"[" * 9_000: 400, b"\xff": 400, b"": 400}
    for body, status in bodies.items():
        headers = {"Content-Type": "application/json"} | signed(an_actor())
        async with identity.client.post("/sites", data=body, headers=headers) as response:
            assert response.status == status, body[:20]
