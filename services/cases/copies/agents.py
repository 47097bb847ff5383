"""The vendor's people, as cases knows them: whom a case can be assigned to."""

from services.cases.copies.store import USERS
from shared.actor import VENDOR_ROLES, Actor
from shared.mongo import Database, Document
from shared.paging import Order, Page, find_page
from shared.schemas.base import ListQuery

_ORDERS = {"name": Order("name", alphabetical=True)}


async def find_agents(db: Database, agent: Actor, query: ListQuery) -> Page:
    """One page of the active people of this agent's vendor, by their names."""
    wanted: Document = {
        "company_id": agent.company_id,
        "role": {"$in": sorted(VENDOR_ROLES)},
        "active": True,
        "deleted": False,
    }
    return await find_page(db[USERS], wanted, query, order=Order.read(query.sort or "name", _ORDERS))
