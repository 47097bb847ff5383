"""The people for whom a case may be created: who may see them, and how one is found among many."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from services.identity.domain.companies import VENDOR_ID
from shared.actor import Actor, Role
from tests.builders import Json, an_actor
from tests.service.identity.conftest import IdentityApi

CREATES_FOR_COLLEAGUES = (Role.CASE_MANAGER, Role.COMPANY_ADMIN)
VENDORS = (Role.AGENT, Role.VENDOR_ADMIN)


async def named(identity: IdentityApi, company: Json, first_name: str, last_name: str, **profile: str) -> Actor:
    """A user of the company with this name."""
    user = await identity.a_user(company, role=Role.MEMBER)
    fields = {"first_name": first_name, "last_name": last_name} | profile
    changes = {f"profile.{field}": value for field, value in fields.items()}
    await identity.db["users"].update_one({"_id": user.user_id}, {"$set": changes})
    return replace(user, name=f"{first_name} {last_name}")


async def deactivate(identity: IdentityApi, user: Actor) -> None:
    await identity.db["users"].update_one({"_id": user.user_id}, {"$set": {"active": False}})


def ids(body: Json) -> list[UUID]:
    return [UUID(item["id"]) for item in body["items"]]


@pytest.mark.parametrize("role", CREATES_FOR_COLLEAGUES)
async def test_who_creates_for_colleagues_sees_them_with_what_fills_in_the_form(
    identity: IdentityApi, role: Role
) -> None:
    company = await identity.a_company(name="Initech")
    luc = await named(identity, company, "Luc", "Petit", phone="+33472000007", email="luc@work.example")
    await named(identity, await identity.a_company(), "Somebody", "Else")
    by = an_actor(role, company_id=UUID(company["id"]))
    listed = (await identity.get("/submitters", by=by)).body
    expected = {
        "id": str(luc.user_id),
        "name": "Luc Petit",
        "first_name": "Luc",
        "last_name": "Petit",
        "email": "luc@work.example",
        "phone": "+33472000007",
        "site_id": None,
        "pin": None,
        "company_id": company["id"],
        "company_name": "Initech",
        "company_suspended": False,
    }
    assert listed["items"] == [expected]
    assert (await identity.get(f"/submitters/{luc.user_id}", by=by)).body == expected


async def test_a_member_creates_for_nobody_and_sees_nobody(identity: IdentityApi) -> None:
    company = await identity.a_company()
    luc = await named(identity, company, "Luc", "Petit")
    member = an_actor(Role.MEMBER, company_id=UUID(company["id"]))
    for path in ("/submitters", f"/submitters/{luc.user_id}", f"/submitters/{uuid4()}"):
        refused = await identity.get(path, by=member)
        assert (refused.status, refused.body["params"]) == (403, {"reason": "for_colleague"})


@pytest.mark.parametrize("role", VENDORS)
async def test_the_vendors_side_names_the_company_and_sees_its_users(identity: IdentityApi, role: Role) -> None:
    company = await identity.a_company()
    luc, vendor = await named(identity, company, "Luc", "Petit"), an_actor(role, company_id=VENDOR_ID)
    assert ids((await identity.find("/submitters", by=vendor, company_id=company["id"])).body) == [luc.user_id]
    assert (await identity.get(f"/submitters/{luc.user_id}", by=vendor)).body["company_id"] == company["id"]
    unnamed = await identity.get("/submitters", by=vendor)
    assert (unnamed.status, unnamed.body["errors"][0]["field"]) == (422, "company_id")
    for nobodys in (uuid4(), VENDOR_ID):
        assert (await identity.find("/submitters", by=vendor, company_id=str(nobodys))).status == 404


async def test_nobody_creates_a_case_for_somebody_of_the_vendor(identity: IdentityApi) -> None:
    agent = await named(identity, await identity.a_company(), "Arno", "Keller")
    await identity.db["users"].update_one({"_id": agent.user_id}, {"$set": {"company_id": VENDOR_ID}})
    assert (await identity.get(f"/submitters/{agent.user_id}", by=an_actor(Role.AGENT))).status == 404


async def test_another_companys_user_is_as_one_that_is_not_there(identity: IdentityApi) -> None:
    theirs = await named(identity, await identity.a_company(), "Luc", "Petit")
    by = an_actor(Role.COMPANY_ADMIN, company_id=UUID((await identity.a_company())["id"]))
    not_theirs = await identity.get(f"/submitters/{theirs.user_id}", by=by)
    not_there = await identity.get(f"/submitters/{uuid4()}", by=by)
    assert (not_theirs.status, not_there.status) == (404, 404)
    assert not_theirs.body | {"request_id": ""} == not_there.body | {"request_id": ""}
    named_company = await identity.find("/submitters", by=by, company_id=str(theirs.company_id))
    assert named_company.status == 404


@pytest.mark.parametrize("role", [Role.COMPANY_ADMIN, Role.AGENT])
async def test_who_was_deactivated_is_offered_to_nobody(identity: IdentityApi, role: Role) -> None:
    company = await identity.a_company()
    gone, there = await named(identity, company, "Luc", "Petit"), await named(identity, company, "Lea", "Petit")
    await deactivate(identity, gone)
    by = an_actor(role, company_id=VENDOR_ID if role is Role.AGENT else UUID(company["id"]))
    assert ids((await identity.find("/submitters", by=by, company_id=company["id"])).body) == [there.user_id]
    assert (await identity.get(f"/submitters/{gone.user_id}", by=by)).status == 404


async def test_a_person_is_found_by_words_of_the_name_or_the_address(identity: IdentityApi) -> None:
    company = await identity.a_company()
    zoe = await named(identity, company, "Zoë", "Strauß-Łukasz", email="zs@work.example")
    other = await named(identity, company, "Émile", "Çelik")
    by = an_actor(Role.COMPANY_ADMIN, company_id=UUID(company["id"]))
    for typed in ("zoe", "STRAUSS zoë", "lukasz", "zs@work", zoe.login_email, zoe.login_email.upper()):
        assert ids((await identity.find("/submitters", by=by, q=typed)).body) == [zoe.user_id], typed
    for typed in ("emile", "CELIK É", "Çel"):
        assert ids((await identity.find("/submitters", by=by, q=typed)).body) == [other.user_id], typed
    for typed in ("zoe celik", ".*", "work(example", "z.e"):
        assert ids((await identity.find("/submitters", by=by, q=typed)).body) == [], typed


@pytest.mark.parametrize("pasted", ["ß" * 500, "o" * 500, "zq " * 166, "é" * 250 + " b" * 125, "(" * 500])
async def test_no_words_are_too_long_or_too_many_to_look_for(identity: IdentityApi, pasted: str) -> None:
    company = await identity.a_company()
    await named(identity, company, "Luc", "Petit")
    admin = an_actor(Role.COMPANY_ADMIN, company_id=UUID(company["id"]))
    assert ids((await identity.find("/submitters", by=admin, q=pasted)).body) == []
    assert ids((await identity.find("/vendor/companies", by=an_actor(Role.AGENT), q=pasted)).body) == []


async def test_a_company_of_many_users_is_listed_in_pages(identity: IdentityApi) -> None:
    company = await identity.a_company()
    people = [await named(identity, company, "Ana", f"Of {place}") for place in range(3)]
    by = an_actor(Role.CASE_MANAGER, company_id=UUID(company["id"]))
    first = (await identity.find("/submitters", by=by, limit="2")).body
    assert (len(first["items"]), first["total"]) == (2, 3)
    rest = (await identity.find("/submitters", by=by, limit="2", cursor=first["next_cursor"])).body
    assert ids(first) + ids(rest) == [person.user_id for person in people]


async def test_a_suspended_company_says_so_to_the_vendors_side_which_goes_on(identity: IdentityApi) -> None:
    company = await identity.a_company()
    luc = await named(identity, company, "Luc", "Petit")
    await identity.db["companies"].update_one({"_id": UUID(company["id"])}, {"$set": {"suspended": True}})
    shown = await identity.get(f"/submitters/{luc.user_id}", by=an_actor(Role.AGENT))
    assert (shown.status, shown.body["company_suspended"]) == (200, True)
