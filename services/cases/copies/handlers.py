"""Keeping copies of what other services own, by their events."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from services.cases.copies import store
from shared.bus import Delivery
from shared.copies import Copy, put_copies
from shared.events.base import State
from shared.events.contracts import ProductChanged
from shared.events.identity import CompanyChanged, SiteChanged, UserChanged
from shared.mongo import Database


async def copy_users(db: Database, users: Sequence[Delivery[UserChanged]]) -> None:
    """Copies users: colleagues, contacts and agents are looked up there."""
    await keep_copies(db, store.USERS, ((each.event.user_id, each.event) for each in users))


async def copy_companies(db: Database, companies: Sequence[Delivery[CompanyChanged]]) -> None:
    """Copies companies, for their time zones and their PINs."""
    await keep_copies(db, store.COMPANIES, ((each.event.company_id, each.event) for each in companies))


async def copy_sites(db: Database, sites: Sequence[Delivery[SiteChanged]]) -> None:
    """Copies sites, for the address of the equipment."""
    await keep_copies(db, store.SITES, ((each.event.site_id, each.event) for each in sites))


async def copy_products(db: Database, products: Sequence[Delivery[ProductChanged]]) -> None:
    """Copies products, for cases about products without serial numbers."""
    await keep_copies(db, store.PRODUCTS, ((each.event.product_id, each.event) for each in products))


async def keep_copies(db: Database, collection: str, events: Iterable[tuple[UUID, State]]) -> None:
    """Writes what the events say into the copies of these ids, unless a copy is newer."""
    await put_copies(
        db,
        collection,
        [Copy(copy_id, event.version, event.model_dump(exclude={"id", "at", "version"})) for copy_id, event in events],
    )
