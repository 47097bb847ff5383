"""Asking what is covered."""

from datetime import date, datetime
from uuid import UUID

from services.contracts.domain.coverage import SOON, Finding, today_in
from services.contracts.store import agreements, copies, devices, products
from shared.actor import Actor
from shared.mongo import Database
from shared.schemas.contracts import CoverageQuery

_ENDING_SHOWN = 20


async def find_coverage(db: Database, actor: Actor, query: CoverageQuery, *, now: datetime) -> Finding:
    """What covers a device, an agreement's devices or a product today, as far as the company may know.

    The company is the actor's, unless the vendor's side names another. Without a name, the vendor's side finds the
    devices and agreements of every company.
    """
    owner = actor.company_to_read(query.company_id)
    only_of = owner if query.company_id is not None else None
    if query.serial is not None:
        return await _coverage_of_serial(db, actor, query.serial, now, only_of=only_of)
    if query.said is not None:
        return await _coverage_of_said(db, actor, query.said, now, only_of=only_of)
    return await _coverage_of_product(db, query.product_number or "", now, owner=owner)


async def find_ending_cover(db: Database, actor: Actor, *, now: datetime) -> list[Finding]:
    """The devices of the actor's company that will not be covered any more in 90 days, the soonest first.

    Looked for among agreements of the company itself: those that are nobody's are too many to look at.
    """
    today = today_in(await copies.find_time_zone(db, actor.company_id), now)
    ending = await agreements.find_ending_agreements(db, actor.company_id, first=today, last=today + SOON)
    if not ending:
        return []
    found = await devices.find_devices_naming(db, actor.company_id, ending)
    by_id = {agreement.id: agreement for agreement in await agreements.find_agreements_of(db, *found)}
    named = ([by_id[each] for each in device.agreement_ids if each in by_id] for device in found)
    findings = [Finding.of_device(device, named_by_it, today) for device, named_by_it in zip(found, named, strict=True)]
    soon = [finding for finding in findings if finding.ends_by(today + SOON)]
    return sorted(soon, key=_last_day)[:_ENDING_SHOWN]


def _last_day(finding: Finding) -> tuple[date, str]:
    return finding.coverage.until or date.max, finding.device.serial if finding.device else ""


async def _coverage_of_serial(
    db: Database, actor: Actor, serial: str, now: datetime, *, only_of: UUID | None
) -> Finding:
    device = await devices.find_device(db, actor, serial)
    if device is None or only_of not in (None, device.company_id):
        return Finding.unverified(did_you_mean=await devices.find_look_alikes(db, actor, serial, only_of=only_of))
    found = await agreements.find_agreements_of(db, device)
    today = today_in(await copies.find_time_zone(db, device.company_id), now)
    return Finding.of_device(device, found, today)


async def _coverage_of_said(db: Database, actor: Actor, said: str, now: datetime, *, only_of: UUID | None) -> Finding:
    agreement = await agreements.find_agreement_by_said(db, actor, said)
    if agreement is None or only_of not in (None, agreement.company_id):
        return Finding.unverified()
    covered = await devices.find_devices_of(db, actor, agreement.id)
    today = today_in(await copies.find_time_zone(db, agreement.company_id), now)
    return Finding.of_agreement(agreement, covered, today)


async def _coverage_of_product(db: Database, product_number: str, now: datetime, *, owner: UUID) -> Finding:
    product = await products.find_product(db, product_number)
    if product is None:
        return Finding.unverified()
    found = await agreements.find_agreements_naming(db, owner, product_number)
    today = today_in(await copies.find_time_zone(db, owner), now)
    return Finding.of_product(product, found, owner=owner, today=today)
