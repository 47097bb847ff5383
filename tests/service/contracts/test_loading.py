"""What the vendor loads: products, devices, agreements."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.contracts import linker, store
from services.contracts.domain.agreements import Agreement, Claim
from services.contracts.store.agreements import AGREEMENTS
from shared.actor import Role
from shared.coverage import AgreementKind
from shared.errors import NotFound
from shared.mongo import DuplicateKey
from shared.serials import normal_said
from shared.tasks import cancel_requested
from tests.builders import Json, a_serial, an_actor
from tests.service.contracts.conftest import Contracts

PRODUCT = {"name": "Cable", "product_number": "X"}
DEVICE = {"serial": "X1", "product_number": "X"}
AGREEMENT = {"kind": "base_warranty", "level": "Basic", "start": "2026-01-01", "end": "2026-12-31"}


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.VENDOR_ADMIN}))
@pytest.mark.parametrize(
    ("path", "body"),
    [("/vendor/products", PRODUCT), ("/vendor/devices", DEVICE), ("/vendor/agreements", AGREEMENT)],
)
async def test_only_vendor_admins_may_load(contracts: Contracts, role: Role, path: str, body: dict[str, str]) -> None:
    assert await contracts.refused("POST", path, by=an_actor(role), json=body) == (403, "forbidden")
    assert await contracts.refused("POST", path, by=an_actor(role), data=b"not read") == (403, "forbidden")
    assert await contracts.refused("POST", path, by=None, json=body) == (401, "not_signed_in")


async def test_a_product_is_said_with_all_that_others_copy(contracts: Contracts) -> None:
    product = await contracts.a_product(name="LaserJet 9", line="Printers", has_serials=False)
    (event,) = await contracts.said("products", product["id"])
    assert event["type"] == "contracts.product.changed.v1"
    assert (event["version"], event["product_id"]) == (1, product["id"])
    assert (event["name"], event["line"], event["has_serials"]) == ("LaserJet 9", "Printers", False)


async def test_a_product_number_is_taken_once(contracts: Contracts) -> None:
    product = await contracts.a_product()
    again = {"product_number": product["product_number"].lower(), "name": "Other"}
    refusal = await contracts.refused("POST", "/vendor/products", by=contracts.vendor, json=again)
    assert refusal == (409, "product_exists")


async def test_the_same_key_makes_one_product(contracts: Contracts) -> None:
    body = {"product_number": a_serial(), "name": "Cable"}
    answers = await asyncio.gather(*(contracts.post("/vendor/products", body, key="once") for _ in range(5)))
    assert len({answer["id"] for answer in answers}) == 1
    other = body | {"name": "Plug"}
    refusal = await contracts.refused("POST", "/vendor/products", by=contracts.vendor, key="once", json=other)
    assert refusal == (422, "idempotency_key_reused")


async def test_a_device_is_said_with_its_products_line_which_older_ones_do_not_have(contracts: Contracts) -> None:
    device = await contracts.a_device()
    (event,) = await contracts.said("devices", device["id"])
    assert (device["product_line"], event["product_line"]) == ("Printers", "Printers")
    await contracts.db["devices"].update_one({"_id": UUID(device["id"])}, {"$unset": {"product_line": 1}})
    found = await contracts.coverage(by=contracts.vendor, serial=device["serial"])
    assert found["device"]["product_line"] == ""


async def test_a_serial_is_kept_in_one_spelling_and_taken_once(contracts: Contracts) -> None:
    serial = a_serial()
    device = await contracts.a_device(serial=f" {serial[:4].lower()}-{serial[4:]} ")
    assert (device["serial"], device["serial_label"]) == (serial, f"{serial[:4].lower()}-{serial[4:]}")
    again = {"serial": serial, "product_number": device["product_number"]}
    refusal = await contracts.refused("POST", "/vendor/devices", by=contracts.vendor, json=again)
    assert refusal == (409, "device_exists")
    found = await contracts.get(f"/devices/{serial.lower()}", by=contracts.vendor)
    assert found["id"] == device["id"]


async def test_a_device_is_said_with_its_serial_as_it_stands_on_it(contracts: Contracts) -> None:
    serial = a_serial()
    label = f"{serial[:4]}-{serial[4:]}"
    acme = await contracts.a_company()
    device = await contracts.a_device(acme, serial=label)
    (event,) = await contracts.said("devices", device["id"])
    assert (event["serial"], event["serial_label"]) == (serial, label)
    found = await contracts.coverage(by=an_actor(company_id=acme), serial=serial)
    assert (found["device"]["serial"], found["device"]["serial_label"]) == (serial, label)
    listed = await contracts.get("/devices", by=an_actor(company_id=acme))
    assert [each["serial_label"] for each in listed["items"]] == [label]


async def test_the_devices_of_one_product_are_listed_by_its_number(contracts: Contracts) -> None:
    acme = await contracts.a_company()
    mine = await contracts.a_device(acme)
    await contracts.a_device(acme)
    found = await contracts.get("/devices", by=an_actor(company_id=acme), product_number=mine["product_number"].lower())
    assert [each["id"] for each in found["items"]] == [mine["id"]]
    found = await contracts.get("/devices", by=an_actor(), product_number=mine["product_number"])
    assert found["items"] == []


async def test_a_device_of_an_older_version_shows_its_serial_as_it_is_kept(contracts: Contracts) -> None:
    device = await contracts.a_device(serial=f"{a_serial()}-1")
    await contracts.db["devices"].update_one({"_id": UUID(device["id"])}, {"$unset": {"serial_label": 1}})
    found = await contracts.get(f"/devices/{device['serial']}", by=contracts.vendor)
    assert found["serial_label"] == device["serial"]


async def test_a_serial_of_dashes_is_none(contracts: Contracts) -> None:
    body = {"serial": "---", "product_number": "X"}
    assert await contracts.refused("POST", "/vendor/devices", by=contracts.vendor, json=body) == (422, "invalid")
    assert await contracts.refused("GET", "/devices/---", by=contracts.vendor) == (404, "not_found")


async def test_a_device_needs_a_product_that_carries_serials(contracts: Contracts) -> None:
    cable = await contracts.a_product(has_serials=False)
    for number in (cable["product_number"], a_serial()):
        body = {"serial": a_serial(), "product_number": number}
        assert await contracts.refused("POST", "/vendor/devices", by=contracts.vendor, json=body) == (422, "invalid")


async def test_an_owner_that_the_copies_do_not_know_is_not_yet_known(contracts: Contracts) -> None:
    company_id, other_id = await contracts.a_company(), await contracts.a_company()
    foreign_site = await contracts.a_site(other_id)
    vendor_id = await contracts.a_company(is_vendor=True)
    product = await contracts.a_product()
    body = {"serial": a_serial(), "product_number": product["product_number"]}
    for owner in (
        {"company_id": str(uuid7())},
        {"company_id": str(vendor_id)},
        {"company_id": str(company_id), "site_id": str(foreign_site)},
    ):
        refusal = await contracts.refused("POST", "/vendor/devices", by=contracts.vendor, json=body | owner)
        assert refusal == (409, "not_yet_known"), owner
    unknown = AGREEMENT | {"company_id": str(uuid7())}
    refusal = await contracts.refused("POST", "/vendor/agreements", by=contracts.vendor, json=unknown)
    assert refusal == (409, "not_yet_known")


async def test_a_said_is_taken_once(contracts: Contracts) -> None:
    said = f"{a_serial()}-1"
    agreement = await contracts.an_agreement(said=f" {said.lower()}")
    assert agreement["said"] == normal_said(said)
    again = AGREEMENT | {"said": said}
    refusal = await contracts.refused("POST", "/vendor/agreements", by=contracts.vendor, json=again)
    assert refusal == (409, "said_exists")


async def test_a_service_contract_without_its_said_is_refused(contracts: Contracts) -> None:
    body = AGREEMENT | {"kind": "service_contract"}
    for said in ({}, {"said": None}):
        answer = await contracts.problem("POST", "/vendor/agreements", by=contracts.vendor, json=body | said)
        assert [(error["field"], error["code"]) for error in answer["errors"]] == [("said", "missing")]
    assert (await contracts.an_agreement(kind="warranty_extension"))["said"] is None


async def test_an_agreement_names_products_without_serials_that_are_in_the_catalogue(contracts: Contracts) -> None:
    toner, printer = await contracts.a_product(has_serials=False), await contracts.a_product()
    numbers = [toner["product_number"], printer["product_number"], "NOWHERE"]
    answer = await contracts.problem(
        "POST", "/vendor/agreements", by=contracts.vendor, json=AGREEMENT | {"product_numbers": numbers}
    )
    assert [(error["field"], error["code"]) for error in answer["errors"]] == [
        ("product_numbers.1", "has_serials"),
        ("product_numbers.2", "unknown_product"),
    ]
    agreement = await contracts.an_agreement(product_numbers=[toner["product_number"].lower()] * 2)
    assert agreement["product_numbers"] == [toner["product_number"]]
    (event,) = await contracts.said("agreements", agreement["id"])
    assert event["product_numbers"] == [toner["product_number"]]


async def test_an_agreement_may_promise_a_first_answer_within_hours(contracts: Contracts) -> None:
    unpromised = await contracts.an_agreement()
    assert (unpromised["first_answer_hours"], unpromised["first_answer_always"]) == (None, False)
    for always in (False, True):
        agreement = await contracts.an_agreement(first_answer_hours=4, first_answer_always=always)
        assert (agreement["first_answer_hours"], agreement["first_answer_always"]) == (4, always)
        (event,) = await contracts.said("agreements", agreement["id"])
        assert (event["first_answer_hours"], event["first_answer_always"]) == (4, always)


@pytest.mark.parametrize(
    ("promise", "code"),
    [
        ({"first_answer_hours": 0}, "greater_than_equal"),
        ({"first_answer_hours": 241}, "less_than_equal"),
        ({"first_answer_hours": 1.5}, "int_type"),
        ({"first_answer_always": True}, "missing"),
    ],
)
async def test_a_first_answer_within_no_hours_is_refused(contracts: Contracts, promise: Json, code: str) -> None:
    answer = await contracts.problem("POST", "/vendor/agreements", by=contracts.vendor, json=AGREEMENT | promise)
    assert [(error["field"], error["code"]) for error in answer["errors"]] == [("first_answer_hours", code)]


async def test_a_company_claims_a_thing_once_and_the_vendors_agreement_is_not_refused_for_it(
    contracts: Contracts,
) -> None:
    said, acme, rival = a_serial(), uuid7(), uuid7()

    async def claim(company_id: UUID) -> None:
        claim = Claim(claimed_by=uuid7(), claimed_at=datetime.now(UTC), said=said, sar="R1")
        kind = AgreementKind.SERVICE_CONTRACT
        agreement = Agreement.claimed(uuid7(), kind=kind, company_id=company_id, claim=claim)
        await AGREEMENTS.insert(contracts.db, agreement)

    await claim(acme)
    await claim(rival)
    with pytest.raises(DuplicateKey):
        await claim(acme)
    assert (await contracts.coverage(by=an_actor(company_id=acme), said=said))["verdict"] == "unverified"
    assert (await contracts.an_agreement(kind="service_contract", said=said))["said"] == said


async def test_an_agreement_ends_after_it_starts(contracts: Contracts) -> None:
    body = AGREEMENT | {"end": "2025-12-31"}
    assert await contracts.refused("POST", "/vendor/agreements", by=contracts.vendor, json=body) == (422, "invalid")


async def test_an_agreement_links_itself_to_its_devices_which_say_so(contracts: Contracts) -> None:
    devices = [await contracts.a_device() for _ in range(3)]
    agreement = await contracts.an_agreement(serials=[device["serial"].lower() for device in devices])
    await contracts.linked(agreement)
    for device in devices:
        events = await contracts.said("devices", device["id"])
        assert [(event["version"], event["agreement_ids"]) for event in events] == [(1, []), (2, [agreement["id"]])]


async def test_agreements_that_link_one_device_at_once_lose_none(contracts: Contracts) -> None:
    device = await contracts.a_device()
    agreements = await asyncio.gather(*(contracts.an_agreement(serials=[device["serial"]]) for _ in range(5)))
    for agreement in agreements:
        await contracts.linked(agreement)
    events = await contracts.said("devices", device["id"])
    assert [event["version"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert set(events[-1]["agreement_ids"]) == {agreement["id"] for agreement in agreements}


async def test_a_device_that_comes_after_its_agreements_names_them_in_the_first_that_is_said_of_it(
    contracts: Contracts,
) -> None:
    serial, acme = a_serial(), await contracts.a_company()
    agreements = [
        await contracts.an_agreement(serials=[a_serial(), serial]),
        await contracts.an_agreement(serials=[serial], company_id=str(acme)),
        await contracts.an_agreement(serials=[serial], company_id=str(await contracts.a_company())),
    ]
    assert [agreement["to_link"] for agreement in agreements] == [2, 1, 1]
    device = await contracts.a_device(acme, serial=serial)
    await contracts.linked(agreements[1])
    (event,) = await contracts.said("devices", device["id"])
    assert set(event["agreement_ids"]) == {agreements[0]["id"], agreements[1]["id"]}
    found = await contracts.coverage(by=contracts.vendor, serial=serial)
    assert found["verdict"] == "covered"


async def test_a_device_that_nobody_owns_yet_names_whichever_agreement_waits_for_it(contracts: Contracts) -> None:
    serial = a_serial()
    agreement = await contracts.an_agreement(serials=[serial], company_id=str(await contracts.a_company()))
    device = await contracts.a_device(serial=serial)
    await contracts.linked(agreement)
    (event,) = await contracts.said("devices", device["id"])
    assert event["agreement_ids"] == [agreement["id"]]


async def test_an_agreement_never_covers_another_companys_device(contracts: Contracts) -> None:
    acme, rival = await contracts.a_company(), await contracts.a_company()
    own, foreign = await contracts.a_device(acme), await contracts.a_device(rival)
    agreement = await contracts.an_agreement(company_id=str(acme), serials=[own["serial"], foreign["serial"]])

    async def only_one_waits() -> bool:
        return await store.agreements.count_to_link(contracts.db, UUID(agreement["id"])) == 1

    assert await until(only_one_waits, deadline_s=30, pause_s=0.05)
    found = await contracts.coverage(by=contracts.vendor, serial=foreign["serial"])
    assert (found["verdict"], found["agreements"]) == ("not_covered", [])
    found = await contracts.coverage(by=contracts.vendor, serial=own["serial"])
    assert found["verdict"] == "covered"


async def test_thousands_of_serials_are_linked_by_chunks(contracts: Contracts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linker, "_CHUNK", 7)
    product = await contracts.a_product()
    devices = [await contracts.a_device(product_number=product["product_number"]) for _ in range(20)]
    agreement = await contracts.an_agreement(serials=[device["serial"] for device in devices])
    await contracts.linked(agreement)
    found = await contracts.db["devices"].count_documents({"agreement_ids": UUID(agreement["id"])})
    assert found == len(devices)


async def test_the_product_list_is_typed_ahead(contracts: Contracts) -> None:
    tag = a_serial()
    await contracts.a_product(name=f"Zebra {tag} (90%)", product_number=f"A{tag}")
    await contracts.a_product(name=f"Ærø {tag}", product_number=f"B{tag}", has_serials=False)
    actor = an_actor(Role.MEMBER)

    async def found(**query: str) -> list[str]:
        page = await contracts.get("/products", by=actor, **query)
        return [item["name"] for item in page["items"]]

    assert await found(q=tag.lower()) == [f"Ærø {tag}", f"Zebra {tag} (90%)"]
    assert await found(q=f"b{tag}") == [f"Ærø {tag}"]
    assert await found(q=f"zeb {tag}") == [f"Zebra {tag} (90%)"]
    assert await found(q=f"{tag} (90%)") == [f"Zebra {tag} (90%)"]
    assert await found(q=f"{tag} .*") == []
    assert await found(q=tag, has_serials="false") == [f"Ærø {tag}"]
    assert await contracts.refused("GET", "/products", by=None) == (401, "not_signed_in")
    assert await contracts.refused("GET", "/products?sort=line", by=actor) == (422, "invalid")


async def test_products_and_devices_are_listed_as_people_sort_them(contracts: Contracts) -> None:
    tag, company = a_serial(), await contracts.a_company()
    for name in ("zebra", "Zoo", "Épson", "Edding", "epson 2"):
        product = await contracts.a_product(name=f"{name} {tag}")
        await contracts.a_device(company, product_number=product["product_number"])
    for path, column, query in (
        ("/products", "name", {"q": tag, "sort": "name"}),
        ("/devices", "product_name", {"company_id": str(company), "sort": "product_name"}),
    ):
        items = (await contracts.get(path, by=contracts.vendor, **query))["items"]
        names = [item[column].removesuffix(f" {tag}") for item in items]
        assert names == ["Edding", "epson 2", "Épson", "zebra", "Zoo"], path


async def test_a_company_sees_its_own_devices_only(contracts: Contracts) -> None:
    acme, rival = await contracts.a_company(), await contracts.a_company()
    site_id = await contracts.a_site(acme)
    own = [await contracts.a_device(acme), await contracts.a_device(acme, site_id=str(site_id))]
    foreign = await contracts.a_device(rival)
    actor = an_actor(Role.MEMBER, company_id=acme)
    page = await contracts.get("/devices", by=actor, limit="1")
    rest = await contracts.get("/devices", by=actor, limit="1", cursor=page["next_cursor"])
    serials = [item["serial"] for item in page["items"] + rest["items"]]
    assert serials == sorted(device["serial"] for device in own)
    assert (page["total"], rest["next_cursor"]) == (2, None)
    at_site = await contracts.get("/devices", by=actor, site_id=str(site_id))
    assert [item["serial"] for item in at_site["items"]] == [own[1]["serial"]]
    assert (await contracts.get("/devices", by=actor, company_id=str(acme)))["total"] == 2
    assert await contracts.refused("GET", f"/devices?company_id={rival}", by=actor) == (404, "not_found")
    assert (await contracts.get("/devices", by=contracts.vendor, company_id=str(rival)))["items"] == [foreign]
    assert await contracts.refused("GET", f"/devices/{foreign['serial']}", by=actor) == (404, "not_found")
    assert (await contracts.get(f"/devices/{foreign['serial']}", by=contracts.vendor))["company_id"] == str(rival)


async def test_a_device_that_cannot_be_linked_does_not_end_the_linking_of_others(contracts: Contracts) -> None:
    known = await contracts.a_device()
    device = await store.devices.DEVICES.get(contracts.db, {"_id": UUID(known["id"])})
    agreement_id, gone = uuid7(), replace(device, id=uuid7())
    with pytest.raises(NotFound):
        await linker._link(contracts.db, [gone, device], agreement_id, now=datetime.now(UTC))
    assert agreement_id in (await store.devices.DEVICES.get(contracts.db, {"_id": device.id})).agreement_ids
    assert not cancel_requested()
