"""The demo: a vendor, two customers and what they own, made once through the public API."""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from deploy.local.demo_data import AGENT, COMPANIES, PRODUCTS, VENDOR, VENDOR_NAME, Agreement, Company, Person, Site
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
    """Make what is not there yet; returns the lines to print: who can sign in, and how."""
    kept = _kept(stack)
    made = stack.data_dir / "demo.ready"
    if not made.exists():
        try:
            await _make(stack, kept)
        except PortalRefused as refused:
            raise DemoFailed(f"The demo data could not be made. {refused}") from refused
        made.touch()
    people = [VENDOR, AGENT, *(person for company in COMPANIES for person in company.people)]
    lines = ["Demo sign-ins:", *(f"  {_role(person):14} {person.email} / {kept.password}" for person in people)]
    serials = ", ".join(f"{company.sites[0].devices[0][0]} ({company.name})" for company in COMPANIES)
    return [*lines, f"Serial numbers to create a case with: {serials}"]


async def _make(stack: Stack, kept: _Kept) -> None:
    await _create_login(stack, VENDOR, kept, "create-vendor-admin", "--vendor-name", VENDOR_NAME)
    async with signed_in(stack.local_url, VENDOR.email, kept.password) as vendor:
        await _create_login(stack, AGENT, kept, *_user_of(vendor.user["company_id"], AGENT))
        for product in PRODUCTS:
            await vendor.post("/vendor/products", product, key=f"demo-product-{product['product_number']}")
        for company in COMPANIES:
            await _make_company(stack, vendor, company, kept)


async def _make_company(stack: Stack, vendor: Portal, company: Company, kept: _Kept) -> None:
    body = {"name": company.name, "time_zone": company.time_zone}
    company_id = str((await vendor.post("/vendor/companies", body, key=f"demo-company-{company.name}"))["id"])
    for person in company.people:
        language = ("--language", company.language)
        await _create_login(stack, person, kept, *_user_of(company_id, person), *language)
        async with signed_in(stack.local_url, person.email, kept.password) as portal:
            await portal.put("/profile", _profile(company, person))
    async with signed_in(stack.local_url, company.people[0].email, kept.password) as admin:
        sites = [await _make_site(admin, company, site) for site in company.sites]
    for site, site_id in zip(company.sites, sites, strict=True):
        await _make_devices(vendor, site, company_id=company_id, site_id=site_id)
    for number, agreement in enumerate(company.agreements):
        body = _agreement(agreement, company_id, kept.day)
        await vendor.post("/vendor/agreements", body, key=f"demo-agreement-{company.name}-{number}")


async def _make_site(admin: Portal, company: Company, site: Site) -> str:
    body = {"name": site.name, "company_name": company.name, **site.address}
    return str((await admin.post("/sites", body, key=f"demo-site-{site.name}"))["id"])


async def _make_devices(vendor: Portal, site: Site, *, company_id: str, site_id: str) -> None:
    for serial, product_number in site.devices:
        owner = {"company_id": company_id, "site_id": site_id}
        body = {"serial": serial, "product_number": product_number, **owner}
        await vendor.post("/vendor/devices", body, key=f"demo-device-{serial}")


async def _create_login(stack: Stack, person: Person, kept: _Kept, command: str, *options: str) -> None:
    words = ("--email", person.email, "--first-name", person.first_name, "--last-name", person.last_name)
    code, output = await stack.run_service_command(
        *("identity", command, "--if-missing", *words, *options), stdin=f"{kept.password}\n"
    )
    if code:
        raise DemoFailed(f"The demo user {person.email} could not be created:\n{output}")


def _user_of(company_id: str, person: Person) -> tuple[str, ...]:
    return ("create-user", "--company-id", company_id, "--role", person.role)


def _profile(company: Company, person: Person) -> Json:
    return {
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "phone": person.phone,
        "language": company.language,
        "time_zone": company.time_zone,
        "company_name": company.name,
        **company.sites[0].address,
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
    }


def _role(person: Person) -> str:
    return person.role.replace("_", " ")


def _kept(stack: Stack) -> _Kept:
    path = stack.data_dir / "demo.json"
    if not path.exists():
        first = {"password": secrets.token_urlsafe(12), "day": datetime.now(UTC).date().isoformat()}
        write_private(path, json.dumps(first))
    kept = json.loads(path.read_text(encoding="utf-8"))
    return _Kept(password=kept["password"], day=date.fromisoformat(kept["day"]))
