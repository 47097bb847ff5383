"""What is covered, and who may know."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.contracts.domain.coverage import today_in
from services.contracts.handlers.coverage import find_coverage
from shared.actor import Role
from shared.events.cases import CaseChanged
from shared.events.identity import CompanyChanged
from shared.schemas.contracts import CoverageQuery
from tests.builders import Json, a_serial, an_actor
from tests.service.contracts.conftest import Contracts


async def test_the_coverage_of_an_own_device_names_level_end_and_agreements(contracts: Contracts) -> None:
    acme = await contracts.a_company()
    device = await contracts.a_device(acme)
    warranty = await contracts.an_agreement(serials=[device["serial"]])
    contract = await contracts.an_agreement(
        kind="service_contract", said=a_serial(), company_id=str(acme), level="Gold",
        start="2021-01-01", end="2100-06-30", serials=[device["serial"]],
    )  # fmt: skip
    await contracts.linked(warranty)
    await contracts.linked(contract)
    found = await contracts.coverage(by=an_actor(Role.MEMBER, company_id=acme), serial=device["serial"].lower())
    assert (found["verdict"], found["level"], found["until"]) == ("covered", "Gold", "2100-06-30")
    assert found["device"]["serial"] == device["serial"]
    assert (found["product_name"], found["product_line"]) == ("LaserJet 4", "Printers")
    assert found["device"]["product_line"] == "Printers"
    assert [each["id"] for each in found["agreements"]] == [warranty["id"], contract["id"]]
    assert found["open_cases"] == []


async def test_a_device_without_agreements_is_not_covered(contracts: Contracts) -> None:
    acme = await contracts.a_company()
    device = await contracts.a_device(acme)
    found = await contracts.coverage(by=an_actor(company_id=acme), serial=device["serial"])
    assert (found["verdict"], found["level"], found["until"]) == ("not_covered", None, None)


async def test_another_companys_device_answers_exactly_like_an_unknown_one(contracts: Contracts) -> None:
    rival = await contracts.a_company()
    foreign = await contracts.a_device(rival)
    await contracts.linked(await contracts.an_agreement(serials=[foreign["serial"]]))
    ownerless = await contracts.a_device()
    actor = an_actor(company_id=await contracts.a_company())
    unknown = await contracts.coverage(by=actor, serial=a_serial())
    assert unknown["verdict"] == "unverified"
    assert await contracts.coverage(by=actor, serial=foreign["serial"]) == unknown
    assert await contracts.coverage(by=actor, serial=ownerless["serial"]) == unknown


async def test_a_look_alike_of_an_own_serial_is_suggested(contracts: Contracts) -> None:
    acme, rival = await contracts.a_company(), await contracts.a_company()
    tag = a_serial()
    own, foreign = await contracts.a_device(acme, serial=f"O-{tag}"), await contracts.a_device(rival, serial=f"Q{tag}")
    found = await contracts.coverage(by=an_actor(company_id=acme), serial=f"0{tag}")
    assert (found["verdict"], found["did_you_mean"]) == ("unverified", [f"O-{tag}"])
    found = await contracts.coverage(by=an_actor(company_id=rival), serial=f"0{tag}")
    assert found["did_you_mean"] == [foreign["serial"]]
    agent = an_actor(Role.AGENT)
    found = await contracts.coverage(by=agent, serial=f"0{tag}", company_id=str(acme))
    assert found["did_you_mean"] == [own["serial_label"]]
    found = await contracts.coverage(by=agent, serial=f"0{tag}")
    assert sorted(found["did_you_mean"]) == sorted([own["serial_label"], foreign["serial_label"]])


async def test_a_said_leads_to_what_it_covers(contracts: Contracts) -> None:
    acme = await contracts.a_company()
    devices = [await contracts.a_device(acme) for _ in range(2)]
    said = a_serial()
    agreement = await contracts.an_agreement(
        kind="service_contract", said=said, company_id=str(acme), serials=[device["serial"] for device in devices]
    )
    await contracts.linked(agreement)
    found = await contracts.coverage(by=an_actor(company_id=acme), said=said.lower())
    assert (found["verdict"], found["until"]) == ("covered", "2099-12-31")
    assert [each["serial"] for each in found["devices"]] == sorted(device["serial"] for device in devices)
    stranger = an_actor(company_id=await contracts.a_company())
    unknown = await contracts.coverage(by=stranger, said=a_serial())
    assert await contracts.coverage(by=stranger, said=said) == unknown
    assert unknown["verdict"] == "unverified"
    assert (await contracts.coverage(by=an_actor(Role.AGENT), said=said))["verdict"] == "covered"


async def test_a_said_is_found_by_its_index(contracts: Contracts) -> None:
    agreement = await contracts.an_agreement(kind="service_contract", said=a_serial())
    database = contracts.db._database
    await database.command("profile", 2)
    try:
        assert (await contracts.coverage(by=contracts.vendor, said=agreement["said"]))["agreements"]
    finally:
        await database.command("profile", 0)
    asked = await contracts.db["system.profile"].find({"command.filter.said": {"$exists": True}}).to_list(None)
    await contracts.db["system.profile"].drop()
    assert [each["planSummary"] for each in asked] == ["IXSCAN { said: 1 }"]


async def test_a_product_without_serials_is_covered_by_its_companys_agreements_that_name_it(
    contracts: Contracts,
) -> None:
    product = await contracts.a_product(has_serials=False)
    number, acme = product["product_number"], await contracts.a_company()
    agreement = await contracts.an_agreement(company_id=str(acme), product_numbers=[number])
    await contracts.an_agreement(product_numbers=[number], level="Nobody's")
    found = await contracts.coverage(by=an_actor(Role.MEMBER, company_id=acme), product_number=number.lower())
    assert (found["verdict"], found["level"], found["until"]) == ("covered", "Basic", "2099-12-31")
    assert (found["product_name"], [each["id"] for each in found["agreements"]]) == (product["name"], [agreement["id"]])
    assert found["product_line"] == "Printers"
    rival = an_actor(company_id=await contracts.a_company())
    found = await contracts.coverage(by=rival, product_number=number)
    assert (found["verdict"], found["product_name"], found["agreements"]) == ("not_covered", product["name"], [])
    assert (await contracts.coverage(by=rival, product_number=a_serial()))["verdict"] == "unverified"


async def test_coverage_asks_for_exactly_one_thing(contracts: Contracts) -> None:
    actor = an_actor()
    assert await contracts.refused("GET", "/coverage", by=actor) == (422, "invalid")
    assert await contracts.refused("GET", "/coverage?serial=A&said=B", by=actor) == (422, "invalid")
    assert await contracts.refused("GET", "/coverage?serial=A", by=None) == (401, "not_signed_in")


async def test_the_last_day_ends_on_the_companys_calendar(contracts: Contracts) -> None:
    east, west = await contracts.a_company(time_zone="Asia/Tokyo"), await contracts.a_company(time_zone="America/Lima")
    evening = datetime(2026, 6, 30, 20, 0, tzinfo=UTC)
    for company_id, verdict in ((east, "not_covered"), (west, "covered")):
        device = await contracts.a_device(company_id)
        agreement = await contracts.an_agreement(start="2026-01-01", end="2026-06-30", serials=[device["serial"]])
        await contracts.linked(agreement)
        query = CoverageQuery(serial=device["serial"])
        found = await find_coverage(contracts.db, an_actor(company_id=company_id), query, now=evening)
        assert found.coverage.verdict == verdict


async def test_copies_hold_the_newest_state_however_it_comes(contracts: Contracts) -> None:
    company_id, case_id, agreement_id = uuid7(), uuid7(), uuid7()
    at = datetime.now(timezone(timedelta(0)))

    def company(version: int, time_zone: str) -> CompanyChanged:
        return CompanyChanged(at=at, version=version, company_id=company_id, name="Acme", time_zone=time_zone)

    def case(version: int, *, is_open: bool) -> CaseChanged:
        return CaseChanged(
            at=at, version=version, case_id=case_id, number="1000000009", company_id=company_id,
            is_open=is_open, agreement_ids=(agreement_id,),
        )  # fmt: skip

    for event in (company(2, "Europe/Paris"), company(1, "UTC"), company(2, "Europe/Paris")):
        await contracts.hear(event)
    for fact in (case(3, is_open=False), case(1, is_open=True), case(3, is_open=False)):
        await contracts.hear(fact)
    copy = await contracts.db["companies"].find_one({"_id": company_id})
    assert copy is not None
    assert (copy["time_zone"], copy["version"]) == ("Europe/Paris", 2)
    copy = await contracts.db["case_copies"].find_one({"_id": case_id})
    assert copy is not None
    assert (copy["is_open"], copy["agreement_ids"], copy["version"]) == (False, [agreement_id], 3)


async def test_the_service_stays_up_and_ready_with_the_broker_away(contracts: Contracts) -> None:
    async def says_so() -> bool:
        async with contracts.client.get("/readyz") as response:
            body = await response.json()
        return (response.status, body["ready"], body["degraded"].get("broker")) == (200, True, "unavailable")

    # A busy machine may not ask its database in time.
    assert await until(says_so, deadline_s=30)


async def test_the_vendors_side_asks_for_the_company_that_it_names(contracts: Contracts) -> None:
    product = await contracts.a_product(has_serials=False)
    number, acme, rival = product["product_number"], await contracts.a_company(), await contracts.a_company()
    await contracts.an_agreement(company_id=str(acme), product_numbers=[number])
    device = await contracts.a_device(acme)
    for role in (Role.AGENT, Role.VENDOR_ADMIN):
        vendor = an_actor(role)
        for query, expected in (
            ({"product_number": number}, ["covered", "not_covered"]),
            ({"serial": device["serial"]}, ["not_covered", "unverified"]),
        ):
            for company, verdict in zip((acme, rival), expected, strict=True):
                found = await contracts.coverage(by=vendor, company_id=str(company), **query)
                assert found["verdict"] == verdict, query
    customer = an_actor(Role.MEMBER, company_id=rival)
    path = f"/coverage?product_number={number}&company_id={acme}"
    assert await contracts.refused("GET", path, by=customer) == (404, "not_found")


async def test_cover_that_ends_within_90_days_is_listed_the_soonest_first(contracts: Contracts) -> None:
    acme = await contracts.a_company()
    days = {"today": 0, "late": 90, "too late": 91, "past": -1, "soon": 7}
    serials = {name: await _covered_for(contracts, acme, ahead) for name, ahead in days.items()}
    items = await _ending(contracts, acme)
    assert [each["serial"] for each in items] == [serials[name] for name in ("today", "soon", "late")]
    assert items[0] == {
        "serial": serials["today"],
        "serial_label": serials["today"],
        "product_number": items[0]["product_number"],
        "product_name": "LaserJet 4",
        "product_line": "Printers",
        "site_id": None,
        "level": "Gold",
        "until": _day(0),
    }


async def test_cover_that_goes_on_does_not_end(contracts: Contracts) -> None:
    acme = await contracts.a_company()
    renewed = await _covered_for(contracts, acme, 10)
    for company in ({"company_id": str(acme)}, {}):  # of the company, and of nobody
        serial = await _covered_for(contracts, acme, 10)
        await contracts.linked(await contracts.an_agreement(start=_day(11), end=_day(200), serials=[serial], **company))
    shortly = await contracts.an_agreement(start=_day(5), end=_day(30), serials=[renewed], company_id=str(acme))
    await contracts.linked(shortly)
    assert [(each["serial"], each["until"]) for each in await _ending(contracts, acme)] == [(renewed, _day(30))]


async def test_nobody_sees_the_ending_cover_of_another_company(contracts: Contracts) -> None:
    acme, rival = await contracts.a_company(), await contracts.a_company()
    serial = await _covered_for(contracts, acme, 10)
    assert [each["serial"] for each in await _ending(contracts, acme)] == [serial]
    assert await _ending(contracts, rival) == []
    assert (await contracts.get("/coverage/ending", by=contracts.vendor))["items"] == []
    assert await contracts.refused("GET", "/coverage/ending", by=None) == (401, "not_signed_in")
    assert await contracts.refused("GET", "/coverage/ending?days=30", by=contracts.vendor) == (422, "invalid")


async def test_the_days_of_ending_cover_are_those_of_the_companys_calendar(contracts: Contracts) -> None:
    now = datetime.now(UTC)
    # Where it is tomorrow already, or yesterday still.
    elsewhere = "Pacific/Kiritimati" if now.hour >= 10 else "Pacific/Pago_Pago"
    acme = await contracts.a_company(time_zone=elsewhere)
    ahead = (today_in(elsewhere, now) - now.date()).days
    assert ahead in {1, -1}
    first, last = await _covered_for(contracts, acme, ahead), await _covered_for(contracts, acme, ahead + 90)
    assert [each["serial"] for each in await _ending(contracts, acme)] == [first, last]


async def _covered_for(contracts: Contracts, company_id: UUID, days: int) -> str:
    """The serial number of a device of the company whose cover ends that many days ahead."""
    device = await contracts.a_device(company_id)
    await contracts.linked(
        await contracts.an_agreement(
            company_id=str(company_id), level="Gold", end=_day(days), serials=[device["serial"]]
        )
    )
    return str(device["serial"])


async def _ending(contracts: Contracts, company_id: UUID) -> list[Json]:
    items: list[Json] = (await contracts.get("/coverage/ending", by=an_actor(Role.MEMBER, company_id=company_id)))[
        "items"
    ]
    return items


def _day(ahead: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=ahead)).isoformat()
