"""Companies, as a vendor admin keeps them."""

from datetime import datetime
from uuid import UUID

from services.identity import store
from services.identity.domain.access import refuse_unless_vendor_admin
from services.identity.domain.companies import Company, Kind
from shared.actor import Actor
from shared.documents import Intent
from shared.mongo import Database
from shared.paging import Page
from shared.schemas.base import ListQuery
from shared.schemas.identity import NewCompany


async def create_company(db: Database, actor: Actor, wanted: NewCompany, *, intent: Intent, now: datetime) -> Company:
    """A new customer company; for vendor admins."""
    refuse_unless_vendor_admin(actor)
    company = Company.found(
        intent.id,
        kind=Kind.CUSTOMER,
        name=wanted.name,
        time_zone=wanted.time_zone,
        visibility=wanted.visibility,
        now=now,
    )
    return await store.COMPANIES.insert_once(db, company, intent)


async def show_company(db: Database, actor: Actor, company_id: UUID) -> Company:
    """One customer company; for vendor admins."""
    refuse_unless_vendor_admin(actor)
    return await store.get_customer(db, company_id)


async def list_companies(db: Database, actor: Actor, query: ListQuery) -> Page:
    """Customer companies; for vendor admins."""
    refuse_unless_vendor_admin(actor)
    return await store.find_customers(db, sort=query.sort, limit=query.limit, cursor=query.cursor)
