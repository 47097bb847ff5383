"""Which events contracts consumes, and the handler of each."""

from services.contracts.handlers import copies
from shared.bus import Subscriptions
from shared.events.cases import CaseChanged
from shared.events.identity import CompanyChanged, SiteChanged

SUBSCRIPTIONS: Subscriptions = {
    CompanyChanged: copies.copy_company,
    SiteChanged: copies.copy_site,
    CaseChanged: copies.copy_case,
}
