"""The demo: a vendor, two customers, what they own and their cases, made once through the public API."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from deploy.local.demo_cases import NotDated, World, date_back, make_cases
from deploy.local.demo_data import AGENTS, COMPANIES, PRODUCTS, VENDOR, VENDOR_NAME, Agreement, Company, Person, Site
from deploy.local.portal import Json, Portal, PortalRefused, signed_in
from deploy.local.stack import Stack, write_private


class DemoFailed(Exception):
    """The demo could not be made; the text says why."""


@dataclass(frozen=True)
class _Kept:
    """What a repeated try must find unchanged: the one password of everybody, and the day the terms count from."""

    password: str
    day: date


async def prepare(stack: Stack) -> list[str]:
    """Make what is not there yet; returns the lines to print: who can sign in, and what they find."""
    kept = _kept(stack)
    made = stack.data_dir / "demo.ready"
    if not made.exists():
        print("Filling in the demo …", flush=True)
        try:
            await _make(stack, kept)
        except (NotDated, PortalRefused) as failure:
            raise DemoFailed(f"The demo data could not be made. {failure}") from failure
        made.touch()
    return _sign_ins(kept.password)


def _sign_ins(password: str) -> list[str]:
    named = [person for person in _people() if person.sees]
    others = ", ".join(person.email for person in _people() if not person.sees)
    width = max(len(person.email) for person in named)
    return [
        "Demo sign-ins:",
        *(f"  {person.email:{width}} / {password}   {person.sees}" for person in named),
        f"  with the same password: {others}",
    ]


def _people() -> list[Person]:
    return [VENDOR, *AGENTS, *(person for company in COMPANIES for person in company.people)]


async def _make(stack: Stack, kept: _Kept) -> None:
    words = _login(VENDOR, "create-vendor-admin", "--vendor-name", VENDOR_NAME)
    await _run(stack, "services.identity", *words, stdin=f"{kept.password}\n")
    async with AsyncExitStack() as sessions:

        async def sign_in(person: Person) -> Portal:
            return await sessions.enter_async_context(signed_in(stack.local_url, person.email, kept.password))

        vendor = await sign_in(VENDOR)
        company_ids = {company.name: await _make_company(vendor, company) for company in COMPANIES}
        await _create_logins(stack, kept, vendor_id=vendor.user["company_id"], company_ids=company_ids)
        others = [person for person in _people() if person is not VENDOR]
        portals = await asyncio.gather(*map(sign_in, others))
        everybody = {person.email: portal for person, portal in zip(others, portals, strict=True)}
        for product in PRODUCTS:
            await vendor.post("/vendor/products", product, key=f"demo-product-{product['product_number']}")
        world = World(everybody, site_ids={})
        for company in COMPANIES:
            await _furnish(vendor, world, company, company_id=company_ids[company.name], day=kept.day)
        await date_back(stack.environment["MONGO_URL"], await make_cases(world))
    await _run(stack, "services.cases", "recount")


async def _make_company(vendor: Portal, company: Company) -> str:
    body = {"name": company.name, "time_zone": company.time_zone}
    return str((await vendor.post("/vendor/companies", body, key=f"demo-company-{company.name}"))["id"])


async def _create_logins(stack: Stack, kept: _Kept, *, vendor_id: str, company_ids: Mapping[str, str]) -> None:
    """Let everybody but the vendor's administrator sign in."""
    logins = [_login_of(agent, vendor_id) for agent in AGENTS]
    for company in COMPANIES:
        company_id, language = company_ids[company.name], ("--language", company.language)
        logins += [_login_of(person, company_id, *language) for person in company.people]
    await _run(
        stack, "deploy.local.logins", stdin="".join(f"{json.dumps(words)}\n{kept.password}\n" for words in logins)
    )


async def _furnish(vendor: Portal, world: World, company: Company, *, company_id: str, day: date) -> None:
    """Make a company's sites, profiles, agreements and devices."""
    admin = world.of(company.people[0])
    for site in company.sites:
        world.site_ids[site.name] = await _make_site(admin, company, site)
    for person in company.people:
        await world.of(person).put("/profile", _profile(company, person, world.site_ids[person.site]))
    # Before its devices, each of which then names its agreements from the first: no case misses one.
    for number, agreement in enumerate(company.agreements):
        body = _agreement(agreement, company_id, day)
        await vendor.post("/vendor/agreements", body, key=f"demo-agreement-{company.name}-{number}")
    for site in company.sites:
        await _make_devices(vendor, site, company_id=company_id, site_id=world.site_ids[site.name])


async def _make_site(admin: Portal, company: Company, site: Site) -> str:
    body = {"name": site.name, "company_name": company.name, **site.address}
    return str((await admin.post("/sites", body, key=f"demo-site-{site.name}"))["id"])


async def _make_devices(vendor: Portal, site: Site, *, company_id: str, site_id: str) -> None:
    for serial, product_number in site.devices:
        owner = {"company_id": company_id, "site_id": site_id}
        body = {"serial": serial, "product_number": product_number, **owner}
        await vendor.post("/vendor/devices", body, key=f"demo-device-{serial}")


def _login_of(person: Person, company_id: str, *options: str) -> list[str]:
    return _login(person, "create-user", "--company-id", company_id, "--role", person.role, *options)


def _login(person: Person, command: str, *options: str) -> list[str]:
    words = ["--email", person.email, "--first-name", person.first_name, "--last-name", person.last_name]
    return [command, "--if-missing", *words, *options]


async def _run(stack: Stack, *words: str, stdin: str = "") -> None:
    code, output = await stack.run_program(*words, stdin=stdin)
    if code:
        raise DemoFailed(f"The demo data could not be made: {words[0]} ended with {code}.\n{output}")


def _profile(company: Company, person: Person, site_id: str) -> Json:
    (address,) = (site.address for site in company.sites if site.name == person.site)
    return {
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "phone": person.phone,
        "language": company.language,
        "time_zone": company.time_zone,
        "site_id": site_id,
        "company_name": company.name,
        **address,
    }


def _agreement(agreement: Agreement, company_id: str, day: date) -> Json:
    return {
        "kind": agreement.kind,
        "level": agreement.level,
        "start": (day + timedelta(days=agreement.starts)).isoformat(),
        "end": (day + timedelta(days=agreement.ends)).isoformat(),
        "said": agreement.said,
        "sar": agreement.sar,
        "company_id": company_id,
        "serials": list(agreement.serials),
        "product_numbers": list(agreement.product_numbers),
        "first_answer_hours": agreement.first_answer_hours,
        "first_answer_always": agreement.first_answer_hours is not None,
    }


def _kept(stack: Stack) -> _Kept:
    path = stack.data_dir / "demo.json"
    if not path.exists():
        first = {"password": secrets.token_urlsafe(12), "day": datetime.now(UTC).date().isoformat()}
        write_private(path, json.dumps(first))
    kept = json.loads(path.read_text(encoding="utf-8"))
    return _Kept(password=kept["password"], day=date.fromisoformat(kept["day"]))
