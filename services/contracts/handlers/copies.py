"""Keeping copies of what identity and cases own."""

from collections.abc import Sequence
from uuid import UUID

from services.contracts.store import copies
from shared.bus import Delivery
from shared.copies import Copy, put_copies
from shared.events.base import State
from shared.events.cases import CaseChanged
from shared.events.identity import CompanyChanged, SiteChanged
from shared.mongo import Database


async def copy_companies(db: Database, companies: Sequence[Delivery[CompanyChanged]]) -> None:
    """Copies who may own devices and agreements, and in which time zone their days are counted."""
    shown = ("name", "time_zone", "is_vendor", "suspended", "deleted")
    await put_copies(db, copies.COMPANIES, [_copy(each.event.company_id, each.event, shown) for each in companies])


async def copy_sites(db: Database, sites: Sequence[Delivery[SiteChanged]]) -> None:
    """Copies the sites at which devices may be."""
    shown = ("company_id", "name", "closed", "deleted")
    await put_copies(db, copies.SITES, [_copy(each.event.site_id, each.event, shown) for each in sites])


async def copy_cases(db: Database, cases: Sequence[Delivery[CaseChanged]]) -> None:
    """Copies which open cases cite an agreement: they show what its deletion would affect."""
    shown = ("company_id", "number", "is_open", "agreement_ids", "deleted")
    await put_copies(db, copies.CASE_COPIES, [_copy(each.event.case_id, each.event, shown) for each in cases])


def _copy(copy_id: UUID, event: State, shown: tuple[str, ...]) -> Copy:
    return Copy(copy_id, event.version, {name: getattr(event, name) for name in shown})
