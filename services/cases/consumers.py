"""Which events cases consumes, and the handler of each."""

from services.cases.cases.handlers import verdicts
from services.cases.copies import handlers as copies
from shared.bus import Subscriptions
from shared.events.contracts import AgreementChanged, DeviceChanged, ProductChanged
from shared.events.identity import CompanyChanged, SiteChanged, UserChanged

SUBSCRIPTIONS: Subscriptions = {
    UserChanged: copies.copy_user,
    CompanyChanged: copies.copy_company,
    SiteChanged: copies.copy_site,
    ProductChanged: copies.copy_product,
    DeviceChanged: verdicts.copy_device,
    AgreementChanged: verdicts.copy_agreement,
}
