"""Naming a company: the vendor's side says whose things it means by `?company_id=`, and agents may only read."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.actor import Role
from tests.builders import Json, an_actor, an_address, an_email
from tests.service.identity.conftest import IdentityApi

LISTS = ("/sites", "/users", "/invitations", "/pins")
CUSTOMERS = (Role.MEMBER, Role.CASE_MANAGER, Role.COMPANY_ADMIN)


def a_site() -> Json:
    return an_address(name="Lyon")


def an_invitation() -> Json:
    return {"invitations": [{"email": an_email(), "role": "member"}]}


CHANGES = {"/sites": a_site, "/invitations": an_invitation}


def without_request_id(body: Any) -> Json:
    return {**body, "request_id": ""}


@pytest.mark.parametrize("role", [Role.VENDOR_ADMIN, Role.AGENT])
async def test_the_vendors_side_reads_the_things_of_the_company_it_names(identity: IdentityApi, role: Role) -> None:
    company = await identity.a_company()
    admin = an_actor(company_id=UUID(company["id"]))
    site = (await identity.post("/sites", a_site(), by=admin)).body
    invited = (await identity.post("/invitations", an_invitation(), by=admin)).body["items"]
    vendor = an_actor(role)
    named = f"company_id={company['id']}"
    assert (await identity.get(f"/sites?{named}", by=vendor)).body["items"] == [site]
    assert (await identity.get(f"/sites/{site['id']}", by=vendor)).body == site
    assert (await identity.get(f"/invitations?{named}", by=vendor)).body["items"] == invited
    for path in LISTS:
        seen = await identity.get(f"{path}?{named}", by=vendor)
        assert (seen.status, seen.body["items"]) == (200, (await identity.get(path, by=admin)).body["items"])


@pytest.mark.parametrize("path", CHANGES)
async def test_a_vendor_admin_changes_the_company_that_is_named_and_an_agent_may_not(
    identity: IdentityApi, path: str
) -> None:
    company = await identity.a_company()
    named = f"{path}?company_id={company['id']}"
    assert (await identity.post(named, CHANGES[path](), by=an_actor(Role.AGENT))).status == 403
    admin = an_actor(company_id=UUID(company["id"]))
    assert (await identity.get(path, by=admin)).body["total"] == 0
    assert (await identity.post(named, CHANGES[path](), by=an_actor(Role.VENDOR_ADMIN))).status == 201
    assert (await identity.get(path, by=admin)).body["total"] == 1


async def test_the_same_key_at_two_companies_makes_a_site_of_each(identity: IdentityApi) -> None:
    vendor, body, key = an_actor(Role.VENDOR_ADMIN), a_site(), uuid4().hex
    companies = [await identity.a_company() for _ in range(2)]
    for company in [*companies, *companies]:
        made = await identity.post(f"/sites?company_id={company['id']}", body, by=vendor, Idempotency_Key=key)
        assert made.status == 201
    for company in companies:
        assert (await identity.get(f"/sites?company_id={company['id']}", by=vendor)).body["total"] == 1


@pytest.mark.parametrize("path", LISTS)
async def test_another_company_does_not_exist_for_customers_and_one_that_is_not_there_for_nobody(
    identity: IdentityApi, path: str
) -> None:
    theirs, nobodys = (await identity.a_company())["id"], uuid4()
    for role in CUSTOMERS:
        customer = an_actor(role)
        not_theirs = await identity.get(f"{path}?company_id={theirs}", by=customer)
        not_there = await identity.get(f"{path}?company_id={nobodys}", by=customer)
        assert (not_theirs.status, not_there.status) == (404, 404)
        assert without_request_id(not_theirs.body) == without_request_id(not_there.body)
    for role in (Role.AGENT, Role.VENDOR_ADMIN):
        assert (await identity.get(f"{path}?company_id={nobodys}", by=an_actor(role))).status == 404


@pytest.mark.parametrize("path", CHANGES)
async def test_nothing_is_added_to_a_company_that_is_not_ones_own_or_not_there(
    identity: IdentityApi, path: str
) -> None:
    company = await identity.a_company()
    named = f"{path}?company_id={company['id']}"
    assert (await identity.post(named, CHANGES[path](), by=an_actor())).status == 404
    nowhere = f"{path}?company_id={uuid4()}"
    assert (await identity.post(nowhere, CHANGES[path](), by=an_actor(Role.VENDOR_ADMIN))).status == 404
    assert (await identity.get(path, by=an_actor(company_id=UUID(company["id"])))).body["total"] == 0


@pytest.mark.parametrize("path", LISTS)
async def test_naming_the_own_company_is_as_naming_none(identity: IdentityApi, path: str) -> None:
    company = await identity.a_company()
    for role in CUSTOMERS:
        customer = an_actor(role, company_id=UUID(company["id"]))
        named = await identity.get(f"{path}?company_id={company['id']}", by=customer)
        unnamed = await identity.get(path, by=customer)
        assert (named.status, without_request_id(named.body)) == (unnamed.status, without_request_id(unnamed.body))
