"""Companies, as a vendor admin keeps them."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from services.identity import store
from services.identity.domain.access import refuse_unless_admin, refuse_unless_vendor, refuse_unless_vendor_admin
from services.identity.domain.companies import Company, Kind, Pin, WorkingHours
from services.identity.domain.sites import UnknownSite
from shared.actor import Actor
from shared.errors import PreconditionFailed, StaleVersion
from shared.idempotency import IdempotencyKey
from shared.mongo import Database
from shared.paging import Order, Page, page_of_texts
from shared.schemas.base import CompanyListQuery
from shared.schemas.companies import CompanyPatch
from shared.schemas.identity import CompaniesQuery, NewCompany, PinsBody

_PIN_SORTS = {name: Order(name, alphabetical=True) for name in ("pin", "label")}


async def create_company(
    db: Database, actor: Actor, wanted: NewCompany, *, key: IdempotencyKey, now: datetime
) -> Company:
    """A new customer company; for vendor admins."""
    refuse_unless_vendor_admin(actor)
    company = Company.found(
        key.id,
        kind=Kind.CUSTOMER,
        name=wanted.name,
        time_zone=wanted.time_zone,
        visibility=wanted.visibility,
        now=now,
    )
    return await store.COMPANIES.insert_once(db, company, key)


async def show_company(db: Database, actor: Actor, company_id: UUID) -> Company:
    """One customer company; for the vendor's side."""
    refuse_unless_vendor(actor)
    return await store.get_customer(db, company_id)


async def list_companies(db: Database, actor: Actor, query: CompaniesQuery) -> Page:
    """Customer companies; for the vendor's side, which creates cases for all of them."""
    refuse_unless_vendor(actor)
    return await store.find_customers(db, query)


async def show_settings(db: Database, actor: Actor, named: UUID | None) -> Company:
    """A company as its administrators see it, and the vendor's side."""
    return await store.get_company(db, await company_to_administer(db, actor, named))


async def change_settings(
    db: Database,
    actor: Actor,
    named: UUID | None,
    wanted: CompanyPatch,
    *,
    expected_version: int | None,
    now: datetime,
) -> Company:
    """Other working hours, for an administrator's own company or the one that a vendor admin names.

    PreconditionFailed unless `expected_version` still stands.
    """
    refuse_unless_admin(actor)
    company_id = actor.company_to_change(named)
    company = await (store.get_company if company_id == actor.company_id else store.get_customer)(db, company_id)
    if company.version != expected_version:
        raise PreconditionFailed
    hours = wanted.changes.get("working_hours")
    changed = company if hours is None else company.with_working_hours(WorkingHours(**hours), now)
    return await _saved(db, company, changed)


async def company_to_read(db: Database, actor: Actor, named: UUID | None) -> UUID:
    """The company whose things somebody asks for; NotFound for one that is not there, or not the asker's to name."""
    company_id = actor.company_to_read(named)
    if company_id != actor.company_id:
        await store.get_customer(db, company_id)
    return company_id


async def company_to_administer(db: Database, actor: Actor, named: UUID | None) -> UUID:
    """As `company_to_read`, for what only administrators see of their own company."""
    company_id = await company_to_read(db, actor, named)
    if company_id == actor.company_id:
        refuse_unless_admin(actor)
    return company_id


async def list_pins(db: Database, actor: Actor, query: CompanyListQuery) -> Page:
    """The PINs of a company, for every user of it and the vendor's side."""
    company = await store.get_company(db, await company_to_read(db, actor, query.company_id))
    return page_of_texts(
        ({"_id": pin.pin, **asdict(pin)} for pin in company.pins),
        of=f"pins of {company.id}",
        order=Order.read(query.sort or "pin", _PIN_SORTS),
        limit=query.limit,
        cursor=query.cursor,
    )


async def assign_pins(
    db: Database, actor: Actor, company_id: UUID, wanted: PinsBody, *, expected_version: int | None, now: datetime
) -> Company:
    """The whole list of a company's PINs; for vendor admins. PreconditionFailed unless `expected_version` stands."""
    refuse_unless_vendor_admin(actor)
    company = await store.get_customer(db, company_id)
    if company.version != expected_version:
        raise PreconditionFailed
    pins = [Pin(**each.model_dump()) for each in wanted.pins]
    changed = company.with_pins(pins, now)
    await _refuse_unknown_sites(db, company, pins)
    return await _saved(db, company, changed)


async def _saved(db: Database, company: Company, changed: Company) -> Company:
    if changed == company:
        return company
    try:
        return await store.COMPANIES.save(db, changed)
    except StaleVersion as error:
        raise PreconditionFailed from error


async def _refuse_unknown_sites(db: Database, company: Company, pins: list[Pin]) -> None:
    # The list is always written whole: a site that was closed since is no reason to refuse another row.
    kept = {pin.site_id for pin in company.pins}
    asked = {pin.site_id for pin in pins if pin.site_id is not None} - kept
    unknown = asked - await store.find_open_site_ids(db, company.id, list(asked))
    if unknown:
        raise UnknownSite(
            errors=tuple(
                UnknownSite.of_field(f"pins.{place}.site_id")
                for place, pin in enumerate(pins)
                if pin.site_id in unknown
            )
        )
