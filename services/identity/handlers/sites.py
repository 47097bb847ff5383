"""A company's sites: its administrator keeps them, and a vendor admin those of every company."""

from datetime import datetime
from uuid import UUID

from services.identity import store
from services.identity.domain.access import refuse_unless_admin
from services.identity.domain.sites import Site
from services.identity.handlers.companies import company_to_read
from shared.actor import Actor
from shared.errors import PreconditionFailed, StaleVersion
from shared.idempotency import IdempotencyKey
from shared.mongo import Database
from shared.paging import Page
from shared.schemas.identity import SiteBody, SitePatch, SiteQuery


async def add_site(
    db: Database, actor: Actor, wanted: SiteBody, *, named: UUID | None, key: IdempotencyKey, now: datetime
) -> Site:
    """A new site of the admin's company, or of the one that a vendor admin names."""
    refuse_unless_admin(actor)
    company_id = actor.company_to_change(named)
    if company_id != actor.company_id:
        await store.get_customer(db, company_id)
        key = key.at(company_id)
    site = Site(id=key.id, company_id=company_id, created_at=now, **wanted.model_dump())
    return await store.SITES.insert_once(db, site.opened(), key)


async def list_sites(db: Database, actor: Actor, query: SiteQuery) -> Page:
    """The sites of a company, for every user of it and the vendor's side."""
    return await store.find_sites(db, await company_to_read(db, actor, query.company_id), query)


async def change_site(
    db: Database, actor: Actor, site_id: UUID, wanted: SitePatch, *, expected_version: int | None, now: datetime
) -> Site:
    """Other values for some fields; PreconditionFailed unless `expected_version` still stands."""
    site = await store.get_site(db, actor, site_id)
    refuse_unless_admin(actor)
    if site.version != expected_version:
        raise PreconditionFailed
    changed = site.with_changes(wanted.changes, now)
    if changed == site:
        return site
    try:
        return await store.SITES.save(db, changed)
    except StaleVersion as error:
        raise PreconditionFailed from error
