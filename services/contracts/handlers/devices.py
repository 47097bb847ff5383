"""Loading devices."""

from datetime import datetime
from uuid import UUID

from services.contracts.domain.access import refuse_unless_vendor_admin
from services.contracts.domain.devices import Device
from services.contracts.domain.products import Product
from services.contracts.store import copies, devices, linking, products
from shared.actor import Actor
from shared.errors import Invalid
from shared.idempotency import IdempotencyKey
from shared.mongo import Database
from shared.schemas.contracts import NewDevice


async def add_device(db: Database, actor: Actor, body: NewDevice, *, key: IdempotencyKey, now: datetime) -> Device:
    """A new unit of a product; DeviceExists when the serial is taken, NotYetKnown for a strange owner or site."""
    refuse_unless_vendor_admin(actor)
    product = await _product_with_serials(db, body.product_number)
    await _require_owner(db, company_id=body.company_id, site_id=body.site_id)
    device = Device.new(
        key.id,
        serial=body.serial.serial,
        serial_label=body.serial.label,
        product=product,
        company_id=body.company_id,
        site_id=body.site_id,
        agreement_ids=await linking.find_waiting_agreements(db, body.serial.serial, company_id=body.company_id),
        now=now,
    )
    return await devices.add_device(db, device, key)


async def _product_with_serials(db: Database, product_number: str) -> Product:
    product = await products.find_product(db, product_number)
    if product is None:
        raise Invalid.at("product_number", "unknown_product", "There is no product with this number.")
    if not product.has_serials:
        raise Invalid.at("product_number", "no_serials", "This product has no serial numbers.")
    return product


async def _require_owner(db: Database, *, company_id: UUID | None, site_id: UUID | None) -> None:
    if company_id is not None:
        await copies.require_customer(db, company_id)
    if site_id is not None:
        if company_id is None:
            sentence = "A site belongs to a company: name it too."
            raise Invalid.at("company_id", "missing", sentence, {"reason": "site_without_company"})
        await copies.require_site(db, company_id=company_id, site_id=site_id)
