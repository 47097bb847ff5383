"""The settings of a company: its working hours, for its administrators and those of the vendor."""

import asyncio
from uuid import UUID

import pytest

from shared.actor import Actor, Role
from tests.builders import Json, an_actor
from tests.client import Answer
from tests.service.identity.conftest import IdentityApi

VENDOR = an_actor(Role.VENDOR_ADMIN)
OFFICE = {"days": [1, 2, 3, 4, 5], "from": "08:00", "to": "18:00"}
NIGHT = {"days": [6, 7], "from": "18:30", "to": "24:00"}


def at(company: Json | None) -> str:
    return f"/company?company_id={company['id']}" if company else "/company"


async def change(identity: IdentityApi, hours: Json, *, by: Actor, of: Json | None = None, version: int = 1) -> Answer:
    return await identity.call("PATCH", at(of), {"working_hours": hours}, by=by, if_match=f'"{version}"')


def of(company: Json, role: Role) -> Actor:
    return an_actor(role, company_id=UUID(company["id"]))


async def test_a_company_works_from_monday_to_friday_until_its_administrator_says_otherwise(
    identity: IdentityApi,
) -> None:
    company = await identity.a_company()
    admin = of(company, Role.COMPANY_ADMIN)
    before = await identity.get("/company", by=admin)
    assert (before.status, before.body["name"], before.body["working_hours"]) == (200, company["name"], OFFICE)
    version = before.body["version"]
    assert before.headers["ETag"] == f'"{version}"'
    changed = await change(identity, NIGHT | {"days": [7, 6, 7]}, version=version, by=admin)
    assert (changed.status, changed.body["working_hours"], changed.body["version"]) == (200, NIGHT, version + 1)
    assert (await identity.get("/company", by=admin)).body == changed.body


async def test_new_working_hours_are_told_to_others_once(identity: IdentityApi) -> None:
    company = await identity.a_company()
    for version in (1, 2):
        assert (await change(identity, NIGHT, version=version, by=VENDOR, of=company)).body["version"] == 2
    first, second = await identity.said("companies", company["id"])
    assert first["working_hours"] == {"days": [1, 2, 3, 4, 5], "start": "08:00", "end": "18:00"}
    assert second["working_hours"] == {"days": [6, 7], "start": "18:30", "end": "24:00"}


async def test_a_company_of_an_older_version_has_the_usual_hours(identity: IdentityApi) -> None:
    company = await identity.a_company()
    await identity.db["companies"].update_one({"_id": UUID(company["id"])}, {"$unset": {"working_hours": 1}})
    found = await identity.get(at(company), by=VENDOR)
    assert found.body["working_hours"] == OFFICE


async def test_of_two_who_change_it_at_once_one_is_told(identity: IdentityApi) -> None:
    company = await identity.a_company()
    answers = await asyncio.gather(
        *(change(identity, OFFICE | {"from": f"0{hour}:00"}, by=VENDOR, of=company) for hour in (6, 7))
    )
    assert sorted(answer.status for answer in answers) == [200, 412]
    assert (await change(identity, NIGHT, version=1, by=VENDOR, of=company)).status == 412
    without = await identity.call("PATCH", at(company), {"working_hours": NIGHT}, by=VENDOR)
    assert without.status == 428


@pytest.mark.parametrize(
    ("hours", "wrong"),
    [
        ({"days": []}, "working_hours.days"),
        ({"days": [0]}, "working_hours.days.0"),
        ({"days": [8]}, "working_hours.days.0"),
        ({"from": "8:00"}, "working_hours.from"),
        ({"from": "24:00"}, "working_hours.from"),
        ({"to": "18:60"}, "working_hours.to"),
        ({"to": "08:00"}, "working_hours.to"),
        ({"until": "19:00"}, "working_hours.until"),
    ],
)
async def test_hours_that_no_company_has_are_refused_at_their_field(
    identity: IdentityApi, hours: Json, wrong: str
) -> None:
    company = await identity.a_company()
    answer = await change(identity, OFFICE | hours, by=VENDOR, of=company)
    assert (answer.status, answer.wrong_fields) == (422, {wrong})


async def test_only_administrators_see_and_change_the_settings_and_of_their_own_company(identity: IdentityApi) -> None:
    company, other = await identity.a_company(), await identity.a_company()
    for role in (Role.MEMBER, Role.CASE_MANAGER):
        user = of(company, role)
        assert (await identity.get("/company", by=user)).status == 403
        assert (await change(identity, NIGHT, by=user)).status == 403
    rival = of(other, Role.COMPANY_ADMIN)
    assert (await identity.get(at(company), by=rival)).status == 404
    assert (await change(identity, NIGHT, by=rival, of=company)).status == 404
    agent = an_actor(Role.AGENT)
    assert (await identity.get(at(company), by=agent)).status == 200
    assert (await change(identity, NIGHT, by=agent, of=company)).status == 403
    (event,) = await identity.said("companies", company["id"])
    assert event["version"] == 1
