"""`republish`: copies that were lost are whole again, without a word in any audit log."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import orjson
import pytest

from deploy.local.parts import RabbitMQ
from deploy.local.stack import Stack
from services.contracts.store.agreements import AGREEMENTS
from services.identity.store import USERS
from shared.mongo import Database, Document, connect
from tests.builders import Json, a_serial, an_address, an_email
from tests.e2e.conftest import Customer
from tests.e2e.portal import Visitor, a_case, join, until_true, visiting

COPIES = {
    "cases": ("user_copies", "company_copies", "site_copies", "product_copies", "device_copies", "agreement_copies"),
    "contracts": ("companies", "sites", "case_copies"),
    "notifications": ("users", "companies"),
}
EMITTING = {
    "identity": ("users", "companies", "sites"),
    "contracts": ("products", "devices", "agreements"),
    "cases": ("cases",),
}
Snapshot = dict[tuple[str, str], dict[UUID, Document]]


class Databases:
    """Those of the services, as an operator sees them."""

    def __init__(self, by_service: dict[str, Database]) -> None:
        self._by_service = by_service

    def __getitem__(self, service: str) -> Database:
        return self._by_service[service]

    async def copies(self) -> Snapshot:
        return {
            (service, collection): {each["_id"]: each async for each in self[service][collection].find()}
            for service, collections in COPIES.items()
            for collection in collections
        }

    async def empty_copies(self) -> None:
        for service, collections in COPIES.items():
            for collection in collections:
                await self[service][collection].delete_many({})

    async def all_is_said(self) -> bool:
        counts = [
            await self[service][collection].count_documents({"pending.0": {"$exists": True}})
            for service, collections in EMITTING.items()
            for collection in collections
        ]
        return sum(counts) == 0

    async def audited(self) -> dict[str, int]:
        return {service: await self[service]["audit"].count_documents({}) for service in EMITTING}


@pytest.fixture
async def databases(stack: Stack) -> AsyncIterator[Databases]:
    url = stack.environment["MONGO_URL"]
    by_service = {service: connect(url, service) for service in {**COPIES, **EMITTING}}
    yield Databases(by_service)
    for db in by_service.values():
        await db.close()


@pytest.mark.timeout(180)
async def test_copies_that_were_lost_are_rebuilt_field_by_field(
    stack: Stack, vendor: Visitor, customer: Customer, databases: Databases
) -> None:
    await _something_of_everything(stack, vendor, customer, databases)
    before, audited = await _settled_copies(stack, databases), await databases.audited()
    assert all(before.values()), {place for place, copies in before.items() if not copies}
    await databases.empty_copies()
    for service, kinds in EMITTING.items():
        code, printed = await stack.run_service_command(service, "republish")
        assert code == 0, printed
        assert all(f"{kind}: " in printed for kind in kinds), printed

    async def whole() -> bool:
        return all(before[place].keys() <= copies.keys() for place, copies in (await databases.copies()).items())

    await until_true(whole, within_s=60)
    # Cases that another test wrote straight into the database have their first copies now.
    after = {
        place: {copy_id: copy for copy_id, copy in copies.items() if copy_id in before[place]}
        for place, copies in (await databases.copies()).items()
    }
    assert _without_versions(after) == _without_versions(before)
    # What makes no event counts a version up too: a copy that is made anew may be ahead of the old one, never behind.
    assert all(
        copy["version"] >= before[place][copy_id]["version"]
        for place, copies in after.items()
        for copy_id, copy in copies.items()
    )
    await until_true(databases.all_is_said)
    assert await databases.audited() == audited


async def test_only_the_kinds_that_are_named_are_sent_again(stack: Stack, vendor: Visitor) -> None:
    code, printed = await stack.run_service_command("contracts", "republish", "products")
    assert code == 0, printed
    assert "products: " in printed
    assert "devices" not in printed
    code, printed = await stack.run_service_command("contracts", "republish", "cases")
    assert code == 2
    assert "'cases' is none of products, devices, agreements" in printed


def _without_versions(copies: Snapshot) -> Snapshot:
    return {
        place: {copy_id: copy | {"version": None} for copy_id, copy in documents.items()}
        for place, documents in copies.items()
    }


async def _settled_copies(stack: Stack, databases: Databases) -> Snapshot:
    """The copies once nothing changes any more: all events are sent and heard, and two looks show the same."""
    seen: list[Snapshot] = []

    async def settled() -> bool:
        if await databases.all_is_said() and await _all_is_heard(stack):
            seen.append(await databases.copies())
        return len(seen) > 1 and seen[-1] == seen[-2]

    await until_true(settled, within_s=60)
    return seen[-1]


async def _all_is_heard(stack: Stack) -> bool:
    """No message is in a queue or in the hand of a service; those that nobody can handle stay where they are."""
    broker = cast("RabbitMQ", stack.parts["rabbitmq"])
    told = await broker.control("-q", "list_queues", "name", "messages", "--formatter", "json")
    return not any(int(queue["messages"]) for queue in orjson.loads(told) if not queue["name"].endswith(".dead"))


@asynccontextmanager
async def _a_colleague(stack: Stack, admin: Visitor) -> AsyncIterator[tuple[Visitor, Json]]:
    email = an_email("luc")
    await admin.post("/invitations", {"invitations": [{"email": email, "role": "member"}]})
    async with visiting(stack, email) as luc:
        await join(stack, luc)
        signed_in = await luc.sign_in()
        yield signed_in, (await luc.get("/session"))["user"]


async def _something_of_everything(stack: Stack, vendor: Visitor, customer: Customer, databases: Databases) -> None:
    """Open and closed cases, a deactivated user, a deleted agreement, a device, PINs, a product without serials."""
    company_id, admin = customer.company["id"], customer.admin
    await admin.post("/sites", {"name": "Lyon", **an_address()})
    pin = {"pin": f"P{secrets.token_hex(3)}", "label": "Gold"}
    pins = f"/vendor/companies/{company_id}/pins"
    etag = (await vendor.call("GET", pins)).headers["ETag"]
    await vendor.put(pins, {"pins": [pin]}, headers={"If-Match": etag})
    printer, toner = [
        await vendor.post("/vendor/products", {"product_number": a_serial(), "name": name, "has_serials": has_serials})
        for name, has_serials in (("LaserPress 600", True), ("Toner", False))
    ]
    device = {"serial": a_serial(), "product_number": printer["product_number"], "company_id": company_id}
    await vendor.post("/vendor/devices", device)
    common = {"company_id": company_id, "level": "Gold", "start": "2026-01-01", "end": "2099-12-31"}
    kept = {"kind": "base_warranty", "serials": [device["serial"]], "product_numbers": [toner["product_number"]]}
    await vendor.post("/vendor/agreements", common | kept)
    deleted = await vendor.post("/vendor/agreements", common | {"kind": "service_contract", "said": a_serial()})
    async with AsyncExitStack() as leaving:
        _, user = await leaving.enter_async_context(_a_colleague(stack, admin))
    first = await admin.post("/cases", a_case(serial=device["serial"]))
    await admin.post("/cases", a_case(serial=device["serial"]))
    await admin.post(
        f"/cases/{first['number']}/actions",
        {"action": "cancel", "version": first["version"], "reason": "It works again."},
    )
    now = datetime.now(UTC)
    agreement = await AGREEMENTS.get(databases["contracts"], {"_id": UUID(deleted["id"])})
    gone = replace(agreement, deleted_at=now).with_event(version=agreement.version + 1, now=now)
    await AGREEMENTS.save(databases["contracts"], gone)
    member = await USERS.get(databases["identity"], {"_id": UUID(user["id"])})
    left = replace(member, active=False)
    left = replace(left, events=(left.changed_event(version=member.version + 1, now=now),))
    await USERS.save(databases["identity"], left)

    async def known_everywhere() -> bool:
        copies = await databases.copies()
        tombstone = copies["cases", "agreement_copies"].get(agreement.id, {"deleted": False})
        users = [copies["cases", "user_copies"], copies["notifications", "users"]]
        return bool(tombstone["deleted"]) and all(not each[member.id]["active"] for each in users)

    await until_true(known_everywhere, within_s=40)
