"""Queries and indexes of the copies of what identity and cases own."""

from uuid import UUID

from shared.errors import NotYetKnown
from shared.mongo import Database

COMPANIES = "companies"
SITES = "sites"
CASE_COPIES = "case_copies"


async def create_indexes(db: Database) -> None:
    """What the queries below search by, and what the deletion of an agreement will."""
    await db[SITES].create_index("company_id")
    await db[CASE_COPIES].create_index("agreement_ids")


async def require_customer(db: Database, company_id: UUID) -> None:
    """NotYetKnown unless a copy says that it is a company which buys from the vendor."""
    if not await db[COMPANIES].find_one({"_id": company_id, "deleted": False, "is_vendor": False}, {"_id": 1}):
        raise NotYetKnown("company_id")


async def require_site(db: Database, *, company_id: UUID, site_id: UUID) -> None:
    """NotYetKnown unless a copy says that it is this company's site."""
    if not await db[SITES].find_one({"_id": site_id, "company_id": company_id, "deleted": False}, {"_id": 1}):
        raise NotYetKnown("site_id")


async def find_time_zone(db: Database, company_id: UUID | None) -> str:
    """The company's time zone; UTC for a device without an owner, or while there is no copy."""
    company = await db[COMPANIES].find_one({"_id": company_id}, {"time_zone": 1})
    return "UTC" if company is None else str(company["time_zone"])
