"""Keeping copies of what other services own, by their events."""

from uuid import UUID

from services.cases.copies import store
from shared.documents import put_copy
from shared.events.base import State
from shared.events.contracts import ProductChanged
from shared.events.identity import CompanyChanged, SiteChanged, UserChanged
from shared.mongo import Database


async def copy_user(db: Database, event: UserChanged) -> None:
    """Copies a user: colleagues, contacts and agents are looked up there."""
    await keep_copy(db, store.USERS, event.user_id, event)


async def copy_company(db: Database, event: CompanyChanged) -> None:
    """Copies a company, for its time zone and its PINs."""
    await keep_copy(db, store.COMPANIES, event.company_id, event)


async def copy_site(db: Database, event: SiteChanged) -> None:
    """Copies a site, for the address of the equipment."""
    await keep_copy(db, store.SITES, event.site_id, event)


async def copy_product(db: Database, event: ProductChanged) -> None:
    """Copies a product, for cases about products without serial numbers."""
    await keep_copy(db, store.PRODUCTS, event.product_id, event)


async def keep_copy(db: Database, collection: str, copy_id: UUID, event: State) -> None:
    """Writes what the event says into the copy, unless the copy is newer."""
    await put_copy(db, collection, copy_id, event.model_dump(exclude={"id", "at", "version"}), version=event.version)
