"""Which events contracts consumes, and the handler of each."""

from services.contracts.handlers import copies
from shared.bus import Many, Subscriptions
from shared.events.cases import CaseChanged
from shared.events.identity import CompanyChanged, SiteChanged

SUBSCRIPTIONS: Subscriptions = {
    CompanyChanged: Many(copies.copy_companies),
    SiteChanged: Many(copies.copy_sites),
    CaseChanged: Many(copies.copy_cases),
}
