"""The use cases of notifications: whom to tell, what they want to be told, and copies of who they are."""

from typing import Any

from services.notifications import store
from services.notifications.domain import Mail, MailKind, Preferences
from shared.actor import Actor
from shared.documents import put_copy
from shared.errors import Forbidden
from shared.events.cases import CaseClosed, CaseCreated, CaseFact
from shared.events.identity import CompanyChanged, InvitationIssued, UserChanged, VerificationRequested
from shared.logging import origin
from shared.mongo import Database
from shared.paging import Page
from shared.schemas.base import ListQuery
from shared.schemas.notifications import PreferencesBody

# Copies


async def copy_user(db: Database, user: UserChanged) -> None:
    """Keeps who has which address, and whether they are still to be told anything."""
    fields = {
        "company_id": user.company_id,
        "login_email": user.login_email.lower(),
        "contact_email": user.contact_email.lower(),
        "name": user.name,
        "language": user.language,
        "time_zone": user.time_zone,
        "active": user.active and not user.deleted,
    }
    await put_copy(db, store.USERS, user.user_id, fields, version=user.version)


async def copy_company(db: Database, company: CompanyChanged) -> None:
    """Keeps whether the vendor has suspended the company."""
    fields = {"name": company.name, "suspended": company.suspended, "deleted": company.deleted}
    await put_copy(db, store.COMPANIES, company.company_id, fields, version=company.version)


# Mails


async def queue_invitation_mail(db: Database, invitation: InvitationIssued) -> None:
    """The code of this generation, for the invited address."""
    mail = Mail.to(
        invitation.email,
        event_id=invitation.id,
        kind=MailKind.INVITATION,
        name="",
        language=invitation.language,
        company_id=invitation.company_id,
        facts={
            "code_for": invitation.invitation_id,
            "generation": invitation.generation,
            "company_name": invitation.company_name,
            "inviter_name": invitation.inviter_name,
        },
        request_id=origin.get().request_id,
        expires_at=invitation.expires_at,
    )
    await store.put_mail(db, mail)


async def queue_verification_mail(db: Database, verification: VerificationRequested) -> None:
    """The code of this generation, for the address that is to be verified."""
    mail = Mail.to(
        verification.email,
        event_id=verification.id,
        kind=MailKind.VERIFICATION_CODE,
        name=verification.name,
        language=verification.language,
        company_id=verification.company_id,
        facts={"code_for": verification.verification_id, "generation": verification.generation},
        request_id=origin.get().request_id,
        expires_at=verification.expires_at,
    )
    await store.put_mail(db, mail)


async def queue_case_created_mails(db: Database, case: CaseCreated) -> None:
    """One for everybody who is named on the case."""
    await _queue_case_mails(db, case, MailKind.CASE_CREATED, {"severity": case.severity})


async def queue_case_closed_mails(db: Database, case: CaseClosed) -> None:
    """One for everybody who is named on the case."""
    facts = {
        "outcome": case.outcome,
        "closed_by_name": case.closed_by_name,
        "reason": case.reason,
        "resolved": case.resolved,
    }
    await _queue_case_mails(db, case, MailKind.CASE_CLOSED, facts)


async def _queue_case_mails(db: Database, case: CaseFact, kind: MailKind, facts: dict[str, Any]) -> None:
    about = {
        "number": case.number,
        "title": case.title,
        "product_name": case.product_name,
        "serial": case.serial,
        "site_name": case.site_name,
    }
    for person in case.people:
        mail = Mail.to(
            person.email,
            event_id=case.id,
            kind=kind,
            name=person.name,
            language=person.language,
            company_id=case.company_id,
            user_id=person.user_id,
            facts=about | facts,
            request_id=origin.get().request_id,
            case_id=case.case_id,
            case_number=case.number,
        )
        await store.put_mail(db, mail)


# Preferences


async def change_preferences(db: Database, actor: Actor, wanted: PreferencesBody) -> Preferences:
    """Holds from the moment it is answered: what waits is suppressed, what comes is asked for again when it is sent."""
    preferences = await store.put_preferences(
        db, actor.user_id, case_emails=wanted.case_emails, kinds={str(kind): on for kind, on in wanted.kinds.items()}
    )
    # In this order: a sender that read the old preferences finds its row taken away.
    await store.suppress_waiting(db, actor.user_id, preferences)
    return preferences


# The ledger


async def list_deliveries(db: Database, actor: Actor, query: ListQuery) -> Page:
    """The ledger is for admins: of the own company, or the vendor's of all."""
    if not (actor.is_company_admin or actor.is_vendor_admin):
        raise Forbidden
    return await store.find_deliveries(db, actor, query)
