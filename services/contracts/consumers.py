"""Which events contracts consumes, and the handler of each."""

from services.contracts.handlers import copies
from shared.events.cases import CaseChanged
from shared.events.identity import CompanyChanged, SiteChanged
from shared.service import Subscriptions

SUBSCRIPTIONS: Subscriptions = {
    CompanyChanged: copies.copy_company,
    SiteChanged: copies.copy_site,
    CaseChanged: copies.copy_case,
}
