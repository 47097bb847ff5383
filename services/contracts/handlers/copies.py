"""Keeping copies of what identity and cases own."""

from collections.abc import Sequence

from services.contracts.store import copies
from shared.bus import Delivery
from shared.copies import Copy, put_copies
from shared.events.cases import CaseChanged
from shared.events.identity import CompanyChanged, SiteChanged
from shared.mongo import Database


async def copy_companies(db: Database, companies: Sequence[Delivery[CompanyChanged]]) -> None:
    """Copies who may own devices and agreements, and in which time zone their days are counted."""
    await put_copies(db, copies.COMPANIES, [_copy_of_company(each.event) for each in companies])


async def copy_sites(db: Database, sites: Sequence[Delivery[SiteChanged]]) -> None:
    """Copies the sites at which devices may be."""
    await put_copies(db, copies.SITES, [_copy_of_site(each.event) for each in sites])


async def copy_cases(db: Database, cases: Sequence[Delivery[CaseChanged]]) -> None:
    """Copies which open cases cite an agreement: they show what its deletion would affect."""
    await put_copies(db, copies.CASE_COPIES, [_copy_of_case(each.event) for each in cases])


def _copy_of_company(company: CompanyChanged) -> Copy:
    fields = {
        "name": company.name,
        "time_zone": company.time_zone,
        "is_vendor": company.is_vendor,
        "suspended": company.suspended,
        "deleted": company.deleted,
    }
    return Copy(company.company_id, company.version, fields)


def _copy_of_site(site: SiteChanged) -> Copy:
    fields = {"company_id": site.company_id, "name": site.name, "closed": site.closed, "deleted": site.deleted}
    return Copy(site.site_id, site.version, fields)


def _copy_of_case(case: CaseChanged) -> Copy:
    fields = {
        "company_id": case.company_id,
        "number": case.number,
        "is_open": case.is_open,
        "agreement_ids": case.agreement_ids,
        "deleted": case.deleted,
    }
    return Copy(case.case_id, case.version, fields)
