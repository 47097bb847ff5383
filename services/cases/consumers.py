"""Which events cases consumes, and the handler of each."""

from services.cases.cases.handlers import verdicts
from services.cases.copies import handlers as copies
from shared.bus import Many, Subscriptions
from shared.events.contracts import AgreementChanged, DeviceChanged, ProductChanged
from shared.events.identity import CompanyChanged, SiteChanged, UserChanged

SUBSCRIPTIONS: Subscriptions = {
    UserChanged: Many(copies.copy_users),
    CompanyChanged: Many(copies.copy_companies),
    SiteChanged: Many(copies.copy_sites),
    ProductChanged: Many(copies.copy_products),
    DeviceChanged: Many(verdicts.copy_devices),
    AgreementChanged: verdicts.copy_agreement,
}
