"""Asking what is covered."""

from datetime import datetime

from services.contracts.domain.coverage import Finding, today_in
from services.contracts.store import agreements, copies, devices, products
from shared.actor import Actor
from shared.mongo import Database
from shared.schemas.contracts import CoverageQuery


async def find_coverage(db: Database, actor: Actor, query: CoverageQuery, *, now: datetime) -> Finding:
    """What covers a device, an agreement's devices or a product today, as far as the actor's company may know."""
    if query.serial is not None:
        return await _coverage_of_serial(db, actor, query.serial, now)
    if query.said is not None:
        return await _coverage_of_said(db, actor, query.said, now)
    return await _coverage_of_product(db, actor, query.product_number or "", now)


async def _coverage_of_serial(db: Database, actor: Actor, serial: str, now: datetime) -> Finding:
    device = await devices.find_device(db, actor, serial)
    if device is None:
        return Finding.unverified(did_you_mean=await devices.find_look_alikes(db, actor, serial))
    found = await agreements.find_agreements_of(db, device)
    today = today_in(await copies.find_time_zone(db, device.company_id), now)
    return Finding.of_device(device, found, today)


async def _coverage_of_said(db: Database, actor: Actor, said: str, now: datetime) -> Finding:
    agreement = await agreements.find_agreement_by_said(db, actor, said)
    if agreement is None:
        return Finding.unverified()
    covered = await devices.find_devices_of(db, actor, agreement.id)
    today = today_in(await copies.find_time_zone(db, agreement.company_id), now)
    return Finding.of_agreement(agreement, covered, today)


async def _coverage_of_product(db: Database, actor: Actor, product_number: str, now: datetime) -> Finding:
    product = await products.find_product(db, product_number)
    if product is None:
        return Finding.unverified()
    owner = actor.company_id
    found = await agreements.find_agreements_naming(db, owner, product_number)
    today = today_in(await copies.find_time_zone(db, owner), now)
    return Finding.of_product(product, found, owner=owner, today=today)
