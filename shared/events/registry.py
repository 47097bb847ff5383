"""Every event by its type; held against the golden samples by a test."""

from shared.events import cases, contracts, identity
from shared.events.base import Event

EVENTS: dict[str, type[Event]] = {
    event.type: event
    for event in (
        identity.UserChanged,
        identity.CompanyChanged,
        identity.SiteChanged,
        identity.InvitationIssued,
        identity.VerificationRequested,
        contracts.ProductChanged,
        contracts.DeviceChanged,
        contracts.AgreementChanged,
        cases.CaseChanged,
        cases.CaseCreated,
        cases.CaseClosed,
    )
}
