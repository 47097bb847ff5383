"""Keeping copies of what identity and cases own."""

from services.contracts.store import copies
from shared.documents import put_copy
from shared.events.cases import CaseChanged
from shared.events.identity import CompanyChanged, SiteChanged
from shared.mongo import Database


async def copy_company(db: Database, company: CompanyChanged) -> None:
    """Copies who may own devices and agreements, and in which time zone their days are counted."""
    fields = {
        "name": company.name,
        "time_zone": company.time_zone,
        "is_vendor": company.is_vendor,
        "suspended": company.suspended,
        "deleted": company.deleted,
    }
    await put_copy(db, copies.COMPANIES, company.company_id, fields, version=company.version)


async def copy_site(db: Database, site: SiteChanged) -> None:
    """Copies the sites at which devices may be."""
    fields = {"company_id": site.company_id, "name": site.name, "closed": site.closed, "deleted": site.deleted}
    await put_copy(db, copies.SITES, site.site_id, fields, version=site.version)


async def copy_case(db: Database, case: CaseChanged) -> None:
    """Copies which open cases cite an agreement: they show what its deletion would affect."""
    fields = {
        "company_id": case.company_id,
        "number": case.number,
        "is_open": case.is_open,
        "agreement_ids": case.agreement_ids,
        "deleted": case.deleted,
    }
    await put_copy(db, copies.CASE_COPIES, case.case_id, fields, version=case.version)
