"""What contracts hears, and what it does then."""

from services.contracts import handlers
from shared.events.cases import CaseChanged
from shared.events.identity import CompanyChanged, SiteChanged
from shared.service import Subscriptions

SUBSCRIPTIONS: Subscriptions = {
    CompanyChanged: handlers.copy_company,
    SiteChanged: handlers.copy_site,
    CaseChanged: handlers.copy_case,
}
