"""The use cases of contracts: loading what the vendor sold, asking what is covered, keeping copies."""

from datetime import datetime
from uuid import UUID

from services.contracts import store
from services.contracts.domain import (
    Agreement,
    Device,
    Finding,
    Product,
    refuse_unless_vendor_admin,
    today_in,
)
from shared.actor import Actor
from shared.documents import put_copy
from shared.errors import Invalid
from shared.events.cases import CaseChanged
from shared.events.identity import CompanyChanged, SiteChanged
from shared.idempotency import IdempotencyKey
from shared.mongo import Database
from shared.schemas.contracts import CoverageQuery, NewAgreement, NewDevice, NewProduct

# Loading


async def add_product(db: Database, actor: Actor, body: NewProduct, *, key: IdempotencyKey, now: datetime) -> Product:
    """A new catalogue entry; ProductExists when the number is taken."""
    refuse_unless_vendor_admin(actor)
    product = Product.new(
        key.id,
        product_number=body.product_number,
        name=body.name,
        line=body.line,
        has_serials=body.has_serials,
        now=now,
    )
    return await store.add_product(db, product, key)


async def add_device(db: Database, actor: Actor, body: NewDevice, *, key: IdempotencyKey, now: datetime) -> Device:
    """A new unit of a product; DeviceExists when the serial is taken, NotYetKnown for a strange owner or site."""
    refuse_unless_vendor_admin(actor)
    product = await _product_with_serials(db, body.product_number)
    await _require_owner(db, company_id=body.company_id, site_id=body.site_id)
    device = Device.new(
        key.id,
        serial=body.serial,
        product=product,
        company_id=body.company_id,
        site_id=body.site_id,
        agreement_ids=await store.find_waiting_agreements(db, body.serial, company_id=body.company_id),
        now=now,
    )
    return await store.add_device(db, device, key)


async def _product_with_serials(db: Database, product_number: str) -> Product:
    product = await store.find_product(db, product_number)
    if product is None:
        raise Invalid.at("product_number", "unknown_product", "There is no product with this number.")
    if not product.has_serials:
        raise Invalid.at("product_number", "no_serials", "This product carries no serial numbers.")
    return product


async def _require_owner(db: Database, *, company_id: UUID | None, site_id: UUID | None) -> None:
    if company_id is not None:
        await store.require_customer(db, company_id)
    if site_id is not None:
        if company_id is None:
            raise Invalid.at("company_id", "missing", "A site belongs to a company: name it too.")
        await store.require_site(db, company_id=company_id, site_id=site_id)


async def add_agreement(
    db: Database, actor: Actor, body: NewAgreement, *, key: IdempotencyKey, now: datetime
) -> Agreement:
    """A new agreement, linked to its devices in the background; SaidExists when the SAID is taken."""
    refuse_unless_vendor_admin(actor)
    if body.company_id is not None:
        await store.require_customer(db, body.company_id)
    agreement = Agreement.new(
        key.id,
        kind=body.kind,
        said=body.said,
        sar=body.sar,
        company_id=body.company_id,
        level=body.level,
        start=body.start,
        end=body.end,
        serials=body.serials,
        now=now,
    )
    return await store.add_agreement(db, agreement, key)


# Coverage


async def find_coverage(db: Database, actor: Actor, query: CoverageQuery, *, now: datetime) -> Finding:
    """What covers a device, an agreement's devices or a product today, as far as the actor's company may know."""
    if query.serial is not None:
        return await _coverage_of_serial(db, actor, query.serial, now)
    if query.said is not None:
        return await _coverage_of_said(db, actor, query.said, now)
    product = await store.find_product(db, query.product_number or "")
    return Finding.unverified() if product is None else Finding.of_product(product)


async def _coverage_of_serial(db: Database, actor: Actor, serial: str, now: datetime) -> Finding:
    device = await store.find_device(db, actor, serial)
    if device is None:
        return Finding.unverified(did_you_mean=await store.find_look_alikes(db, actor, serial))
    agreements = await store.find_agreements_of(db, device)
    today = today_in(await store.find_time_zone(db, device.company_id), now)
    return Finding.of_device(device, agreements, today)


async def _coverage_of_said(db: Database, actor: Actor, said: str, now: datetime) -> Finding:
    agreement = await store.find_agreement_by_said(db, actor, said)
    if agreement is None:
        return Finding.unverified()
    devices = await store.find_devices_of(db, actor, agreement.id)
    today = today_in(await store.find_time_zone(db, agreement.company_id), now)
    return Finding.of_agreement(agreement, devices, today)


# Copies


async def copy_company(db: Database, company: CompanyChanged) -> None:
    """Keeps whom devices and agreements may belong to, and whose calendar counts."""
    fields = {"time_zone": company.time_zone, "is_vendor": company.is_vendor, "deleted": company.deleted}
    await put_copy(db, store.COMPANIES, company.company_id, fields, version=company.version)


async def copy_site(db: Database, site: SiteChanged) -> None:
    """Keeps where devices may stand."""
    fields = {"company_id": site.company_id, "name": site.name, "closed": site.closed, "deleted": site.deleted}
    await put_copy(db, store.SITES, site.site_id, fields, version=site.version)


async def copy_case(db: Database, case: CaseChanged) -> None:
    """Keeps which open cases cite an agreement: what its deletion would touch."""
    fields = {
        "company_id": case.company_id,
        "number": case.number,
        "is_open": case.is_open,
        "agreement_ids": case.agreement_ids,
        "deleted": case.deleted,
    }
    await put_copy(db, store.CASE_COPIES, case.case_id, fields, version=case.version)
