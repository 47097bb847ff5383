"""What notifications hears, and what it does then."""

from services.notifications import handlers
from shared.events.cases import CaseClosed, CaseCreated
from shared.events.identity import CompanyChanged, InvitationIssued, UserChanged, VerificationRequested
from shared.service import Subscriptions

SUBSCRIPTIONS: Subscriptions = {
    UserChanged: handlers.copy_user,
    CompanyChanged: handlers.copy_company,
    InvitationIssued: handlers.queue_invitation_mail,
    VerificationRequested: handlers.queue_verification_mail,
    CaseCreated: handlers.queue_case_created_mails,
    CaseClosed: handlers.queue_case_closed_mails,
}
