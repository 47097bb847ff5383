"""The use cases of notifications: whom to tell, what they want to be told, and copies of who they are."""

from collections.abc import Collection
from typing import Any, Literal
from uuid import UUID

from services.notifications import store
from services.notifications.domain.kinds import MailKind
from services.notifications.domain.mails import Mail
from services.notifications.domain.people import Person
from services.notifications.domain.preferences import Preferences
from shared.actor import Actor
from shared.codes import Purpose, read_link_code
from shared.documents import put_copy
from shared.errors import Forbidden, NotFound
from shared.events.cases import CaseClosed, CaseCreated, CaseFact
from shared.events.identity import CompanyChanged, InvitationIssued, UserChanged, VerificationRequested
from shared.logging import origin
from shared.mongo import Database
from shared.paging import Page
from shared.schemas.notifications import DeliveryQuery, PreferencesBody

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
    # After the copy: whoever unsubscribes as one of these addresses from now on finds the user, and says it for both.
    addresses = [Person.of_address(email.lower(), user.company_id) for email in (user.login_email, user.contact_email)]
    await store.adopt_preferences(db, Person.of_user(user.user_id, active=True), addresses)


async def copy_company(db: Database, company: CompanyChanged) -> None:
    """Keeps whether the vendor has suspended the company, and the zone of those who have none of their own."""
    fields = {
        "name": company.name,
        "time_zone": company.time_zone,
        "suspended": company.suspended,
        "deleted": company.deleted,
    }
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
    await store.put_mails(db, mail)


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
    await store.put_mails(db, mail)


async def queue_case_created_mails(db: Database, case: CaseCreated) -> None:
    """One for everybody who is named on the case."""
    facts = {"severity": case.severity, "at": case.at}
    await _queue_case_mails(db, case, MailKind.CASE_CREATED, facts, caused_by=case.created_by)


async def queue_case_closed_mails(db: Database, case: CaseClosed) -> None:
    """One for everybody who is named on the case."""
    facts = {
        "at": case.at,
        "outcome": case.outcome,
        "closed_by_name": case.closed_by_name,
        "reason": case.reason,
        "resolved": case.resolved,
    }
    await _queue_case_mails(db, case, MailKind.CASE_CLOSED, facts, caused_by=case.closed_by)


async def _queue_case_mails(
    db: Database, case: CaseFact, kind: MailKind, facts: dict[str, Any], *, caused_by: UUID
) -> None:
    about = {
        "number": case.number,
        "title": case.title,
        "product_name": case.product_name,
        "serial": case.serial,
        "site_name": case.site_name,
    }
    mails = [
        Mail.to(
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
            caused_by=caused_by,
        )
        for person in case.people
    ]
    await store.put_mails(db, *mails)


# Preferences


async def change_preferences(db: Database, actor: Actor, wanted: PreferencesBody) -> Preferences:
    """Holds from the moment it is answered: what waits is suppressed, what comes is asked for again when it is sent."""
    person = Person.of_user(actor.user_id, active=True)
    preferences = await store.put_preferences(
        db, person, case_emails=wanted.case_emails, kinds={str(kind): on for kind, on in wanted.kinds.items()}
    )
    # In this order: a sender that read the old preferences finds its row taken away.
    await store.suppress_waiting(db, person, preferences)
    return preferences


# Unsubscribing by the link of a mail: the token is derived from the mail's row, so it is one person's and one kind's.


async def get_linked_mail(db: Database, secret: str, token: str) -> Mail:
    """The mail that an unsubscribe link came with; NotFound when the link is not whole, or not ours."""
    read = read_link_code(secret, Purpose.UNSUBSCRIBE, token)
    mail = None if read is None else await store.find_mail_of_link(db, read[0])
    if mail is None or not mail.may_be_opted_out:
        raise NotFound
    return mail


async def unsubscribe(db: Database, mail: Mail, *, scope: Literal["kind", "case_emails"]) -> None:
    """Holds from the moment it is answered, like a change on the profile page; however often it is asked for."""
    await _switch_off(db, mail.told, mail.kind, scope)
    if mail.told.user_id is None:
        # Asked after the address has spoken: a user whose copy comes meanwhile adopts what it said.
        person = await store.find_person(db, mail)
        if person.user_id is not None:
            await _switch_off(db, person, mail.kind, scope)


async def _switch_off(db: Database, person: Person, kind: MailKind, scope: Literal["kind", "case_emails"]) -> None:
    if scope == "kind":
        preferences = await store.switch_off_kind(db, person, kind)
    else:
        preferences = await store.switch_off_case_mails(db, person)
    await store.suppress_waiting(db, person, preferences)


# The ledger


async def list_deliveries(db: Database, actor: Actor, query: DeliveryQuery) -> tuple[Page, dict[str, str]]:
    """The ledger is for admins: of the own company, or the vendor's of all. With it those addresses that bounce now."""
    _refuse_unless_admin(actor)
    page = await store.find_deliveries(db, actor, query)
    return page, await store.find_bouncing(db, {row["email"] for row in page.documents})


async def list_bouncing(db: Database, actor: Actor, emails: Collection[str]) -> dict[str, str]:
    """Those that bounce, with what a mail server said: whoever invites an address has to know that it gets no mail."""
    _refuse_unless_admin(actor)
    return await store.find_bouncing(db, emails)


async def clear_bouncing(db: Database, actor: Actor, email: str) -> None:
    """What comes from now on is sent there again; what was suppressed stays so."""
    if not actor.is_vendor_admin:
        raise Forbidden("Only a vendor admin may do this.")
    if not await store.clear_bouncing(db, email):
        raise NotFound


def _refuse_unless_admin(actor: Actor) -> None:
    if not (actor.is_company_admin or actor.is_vendor_admin):
        raise Forbidden
