"""Who asks during a benchmark: a vendor, customers with devices under contract, and their sessions at the portal."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from deploy.local.portal import Portal, signed_in
from deploy.local.stack import Stack
from tests.bench.load import Request
from tests.bench.words import a_text, a_title
from tests.builders import Json, an_address
from tests.e2e.portal import PASSWORD, VENDOR_ADMIN, vendor_admin_exists

COMPANIES = 6
DEVICES_EACH = 5
_PRODUCT = {"product_number": "LP-310", "name": "Laserprint 310", "line": "Printers", "has_serials": True}
_COMMANDS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in."""

    portal: Portal
    company_id: UUID
    company_name: str

    @property
    def headers(self) -> dict[str, str]:
        wanted = ("Cookie", "X-CSRF-Token")
        return {"Host": "localhost", **{name: self.portal.http.headers[name] for name in wanted}}

    def get(self, path: str) -> Request:
        return Request("GET", path, self.headers)

    def create_case(self, rng: random.Random) -> Request:
        """One for a device under contract, with another person to call: two people get a mail."""
        return Request(
            "POST",
            "/api/v1/cases",
            {**self.headers, "Content-Type": "application/json"},
            body=json.dumps(_case_of(self, rng)),
        )


@dataclass(frozen=True, slots=True)
class People:
    """Those who are signed in: an administrator and a member of each company, and two who see everything."""

    customers: Sequence[Person]
    vendor: Person
    agent: Person


@asynccontextmanager
async def joined(stack: Stack, seed: str) -> AsyncIterator[People]:
    """Everybody signed in, with every copy of them and of their devices in place."""
    await vendor_admin_exists(stack)
    async with AsyncExitStack() as leaving:
        vendor = await _enter(leaving, stack, VENDOR_ADMIN)
        await vendor.portal.post("/vendor/products", _PRODUCT, key="product")
        companies = [await _make_company(vendor.portal, number) for number in range(COMPANIES)]
        logins = [(company, role) for company in companies for role in ("company_admin", "member")]
        vendor_company = {"id": str(vendor.company_id), "name": vendor.company_name}
        await _create_users(stack, [*logins, (vendor_company, "agent")])
        agent = await _enter(leaving, stack, _email(vendor_company, "agent"))
        customers = [await _enter(leaving, stack, _email(*login)) for login in logins]
        people = People(customers, vendor, agent)
        await _until_covered(people, random.Random(seed))
        yield people


async def _enter(leaving: AsyncExitStack, stack: Stack, email: str) -> Person:
    portal = await leaving.enter_async_context(signed_in(stack.local_url, email, PASSWORD))
    return Person(portal, UUID(portal.user["company_id"]), portal.user["company_name"])


async def _make_company(vendor: Portal, number: int) -> Json:
    company = await vendor.post("/vendor/companies", {"name": f"Company {number}"}, key=f"company-{number}")
    serials = [serial_of(number, device) for device in range(DEVICES_EACH)]
    for serial in serials:
        device = {"serial": serial, "product_number": _PRODUCT["product_number"], "company_id": company["id"]}
        await vendor.post("/vendor/devices", device, key=f"device-{serial}")
    today = datetime.now(UTC).date()
    agreement = {
        "kind": "service_contract",
        "level": "Next business day",
        "start": (today - timedelta(days=100)).isoformat(),
        "end": (today + timedelta(days=500)).isoformat(),
        "said": f"SA-{number}",
        "sar": f"SAR-{number}",
        "company_id": company["id"],
        "serials": serials,
    }
    await vendor.post("/vendor/agreements", agreement, key=f"agreement-{number}")
    return company


def serial_of(company: int, device: int) -> str:
    return f"BENCH-{company:02d}-{device:02d}"


def _email(company: Json, role: str) -> str:
    return f"{role.replace('_', '.')}@{company['name'].replace(' ', '-').lower()}.example"


async def _create_users(stack: Stack, logins: Sequence[tuple[Json, str]]) -> None:
    places = asyncio.Semaphore(_COMMANDS_AT_ONCE)

    async def create(company: Json, role: str) -> None:
        words = ("--company-id", company["id"], "--role", role, "--email", _email(company, role))
        async with places:
            code, said = await stack.run_service_command(
                *("identity", "create-user", *words, "--first-name", "Ana", "--last-name", "Duarte"),
                stdin=f"{PASSWORD}\n",
            )
        assert code == 0, said

    await asyncio.gather(*(create(*login) for login in logins))


async def _until_covered(people: People, rng: random.Random) -> None:
    """Until a case of every company is created as covered: then all copies have come."""
    for number, person in enumerate(people.customers):
        for attempt in range(100):
            body = _case_of(person, rng)
            case = await person.portal.post("/cases", body, key=f"first-{number}-{attempt}")
            if case["coverage"]["verdict"] == "covered":
                break
            await asyncio.sleep(0.3)
        else:
            raise AssertionError(case["coverage"])


def _case_of(person: Person, rng: random.Random) -> Json:
    number = int(person.company_name.rpartition(" ")[2])
    contact = rng.randrange(1000)
    return {
        "serial": serial_of(number, rng.randrange(DEVICES_EACH)),
        "title": a_title(rng),
        "description": a_text(rng, 60),
        "troubleshooting": a_text(rng, 20),
        "severity": rng.randint(1, 4),
        "operating_system": "Debian 12",
        "own_reference": f"REF-{contact}",
        "contact": {
            "first_name": "Luc",
            "last_name": "Petit",
            "email": f"luc.{contact}@company-{number}.example",
            "phone": "+33472000000",
        },
        "equipment_address": an_address(),
    }
