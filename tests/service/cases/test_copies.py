"""Copies of other services' documents: none is lost, whatever the others say."""

from datetime import UTC, datetime
from itertools import permutations
from uuid import UUID

import pytest
from pymongo.errors import DuplicateKeyError
from uuid_utils.compat import uuid7

from services.cases.copies.store import create_indexes
from shared.events.cases import CaseChanged
from shared.events.contracts import ProductChanged
from shared.mongo import Document
from tests.builders import MONGO_DRIVER, a_serial, an_actor
from tests.events import agreement_changed, device_changed
from tests.platform.bus_helpers import a_database
from tests.service.cases.conftest import CasesApi


async def _copy_of(cases: CasesApi, device_id: UUID) -> Document:
    copy = await cases.db["device_copies"].find_one({"_id": device_id})
    assert copy is not None
    return copy


async def test_a_new_device_with_a_serial_that_another_copy_still_holds_is_kept_and_is_the_one_that_counts(
    cases: CasesApi,
) -> None:
    ana, serial, contract = an_actor(), a_serial(), agreement_changed()
    old = device_changed(ana.company_id, serial)
    new = device_changed(ana.company_id, serial, contract, product_name="LaserPress 900")
    for event in (contract, old, new, old):
        await cases.hear(event)
    assert (await _copy_of(cases, new.device_id))["serial"] == serial
    case = await cases.submitted(ana, serial=serial)
    assert (case["product_name"], case["coverage"]["verdict"]) == ("LaserPress 900", "covered")


async def test_a_device_whose_serial_changes_to_one_that_another_copy_still_holds_is_kept(cases: CasesApi) -> None:
    ana, serial = an_actor(), a_serial()
    holder, moved = device_changed(ana.company_id, serial), device_changed(ana.company_id, a_serial())
    for event in (holder, moved, moved.model_copy(update={"serial": serial, "version": 2})):
        await cases.hear(event)
    assert (await _copy_of(cases, moved.device_id))["serial"] == serial
    assert (await _copy_of(cases, holder.device_id))["serial"] == serial


async def test_a_serial_that_moved_to_another_company_is_found_by_its_owner_alone(cases: CasesApi) -> None:
    ana, luc, serial = an_actor(), an_actor(), a_serial()
    await cases.hear(device_changed(ana.company_id, serial, deleted=True))
    await cases.hear(device_changed(luc.company_id, serial))
    assert (await cases.submitted(luc, serial=serial))["product_name"] == "LaserPress 600"
    assert (await cases.submitted(ana, serial=serial))["product_name"] == ""


@pytest.mark.parametrize("order", range(24))
async def test_devices_that_change_their_serials_with_each_other_are_both_kept_in_any_order(
    cases: CasesApi, order: int
) -> None:
    ana, first, second = an_actor(), a_serial(), a_serial()
    one, other = (
        device_changed(ana.company_id, first, product_name="One"),
        device_changed(ana.company_id, second, product_name="Other"),
    )
    renumbered = one.model_copy(update={"serial": second, "version": 2})
    moved = other.model_copy(update={"serial": first, "version": 2})
    for event in list(permutations((one, other, renumbered, moved)))[order]:
        await cases.hear(event)
    names = [(await cases.submitted(ana, serial=serial))["product_name"] for serial in (first, second)]
    assert names == ["Other", "One"]


async def test_a_case_about_a_product_without_serials_is_under_the_companys_agreements_that_name_it(
    cases: CasesApi,
) -> None:
    ana, number, now = an_actor(), a_serial(), datetime.now(UTC)
    product = ProductChanged(
        product_id=uuid7(), product_number=number, name="Toner", line="", has_serials=False, version=1, at=now
    )
    contract = agreement_changed(company_id=ana.company_id, said=a_serial(), product_numbers=(number,))
    for event in (product, contract, agreement_changed(product_numbers=(number,))):
        await cases.hear(event)
    case = await cases.submitted(ana, product_number=number)
    assert (case["coverage"]["verdict"], case["said"]) == ("covered", contract.said)
    [state] = [event for event in await cases.said(case["number"]) if event["type"] == CaseChanged.type]
    assert state["agreement_ids"] == [str(contract.agreement_id)]
    assert (await cases.submitted(an_actor(), product_number=number))["coverage"]["verdict"] == "not_covered"


async def test_a_new_product_with_a_number_that_another_copy_still_holds_is_kept_and_is_the_one_that_counts(
    cases: CasesApi,
) -> None:
    number = a_serial()

    def product(name: str) -> ProductChanged:
        now = datetime.now(UTC)
        return ProductChanged(
            product_id=uuid7(), product_number=number, name=name, line="", has_serials=False, version=1, at=now
        )

    for event in (product("Toner"), product("Toner XL")):
        await cases.hear(event)
    assert (await cases.submitted(an_actor(), product_number=number))["product_name"] == "Toner XL"


async def test_a_database_of_an_older_version_stops_refusing_copies_when_the_service_starts(
    mongo_url: str,
) -> None:
    async with a_database(mongo_url, MONGO_DRIVER) as db:
        for collection, field in (("device_copies", "serial"), ("product_copies", "product_number")):
            await db[collection].create_index(field, unique=True)
            await db[collection].insert_one({"_id": uuid7(), field: "one"})
            with pytest.raises(DuplicateKeyError):
                await db[collection].insert_one({"_id": uuid7(), field: "one"})
        for _ in range(2):
            await create_indexes(db)
        for collection, field in (("device_copies", "serial"), ("product_copies", "product_number")):
            await db[collection].insert_one({"_id": uuid7(), field: "one"})
            indexes = await db[collection].index_information()
            assert not any(index.get("unique") for index in indexes.values())
