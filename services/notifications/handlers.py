"""The use cases of notifications: queueing mails, preferences, the ledger, and copies of users and companies."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Literal

from services.notifications import store
from services.notifications.domain.mails import Mail
from services.notifications.domain.people import Person
from services.notifications.domain.preferences import Preferences
from services.notifications.domain.verdicts import Users
from services.notifications.kinds import ACCOUNT_MAILS, CASE_MAILS, KIND_OF
from shared.actor import Actor
from shared.bus import Delivery
from shared.case_passes import CasePass
from shared.codes import Purpose, read_link_code
from shared.copies import Copy, put_copies
from shared.errors import Forbidden, NotFound, VendorAdminsOnly
from shared.events.base import Relation
from shared.events.cases import CaseFact
from shared.events.identity import AccountFact, CompanyChanged, UserChanged
from shared.logging import Origin, origin
from shared.mongo import Database
from shared.paging import Page
from shared.schemas.notifications import CaseDeliveryQuery, DeliveryQuery, MailKind, PreferencesBody

# What a mail does not say, or says in fields of its own; everything else in its event is a fact for its template.
_NO_ACCOUNT_FACTS = set(AccountFact.model_fields) - {"generation"}
_NO_CASE_FACTS = {"id", "case_id", "company_id", "version", "people", "serial_label"}
# Who is named twice is written to at the address that was typed into the case, rather than at that of their profile.
_TOLD_FIRST: tuple[Relation, ...] = ("contact", "secondary_contact", "submitter", "owner")

Put = Callable[[Database, Sequence[Mail]], Awaitable[None]]  # writes the rows of new mails

# Copies


async def copy_user(db: Database, user: UserChanged) -> None:
    """Keeps who has which address, what they are in their company, and whether they still get mails."""
    fields = {
        "company_id": user.company_id,
        "login_email": user.login_email.lower(),
        "contact_email": user.contact_email.lower(),
        "name": user.name,
        "language": user.language,
        "time_zone": user.time_zone,
        "role": user.role,
        "site_ids": user.site_ids,
        "active": user.active and not user.deleted,
    }
    await put_copies(db, store.USERS, [Copy(user.user_id, user.version, fields)])
    # After the copy: an address that unsubscribes from now on finds the user, and both are switched off.
    addresses = [Person.of_address(email.lower(), user.company_id) for email in (user.login_email, user.contact_email)]
    await store.adopt_preferences(db, Person.of_user(user.user_id, active=True), addresses)


async def copy_company(db: Database, company: CompanyChanged) -> None:
    """Keeps whether the vendor has suspended the company, and the time zone of those who have none of their own."""
    fields = {
        "name": company.name,
        "is_vendor": company.is_vendor,
        "time_zone": company.time_zone,
        "suspended": company.suspended,
        "deleted": company.deleted,
    }
    await put_copies(db, store.COMPANIES, [Copy(company.company_id, company.version, fields)])


# Mails


async def queue_account_mail(db: Database, event: AccountFact, *, put: Put = store.put_mails) -> None:
    """One for the address that the event names. Its code is derived when the mail is rendered, and stored nowhere."""
    kind = KIND_OF[type(event)]
    code_for = getattr(event, ACCOUNT_MAILS[kind].code_for)
    mail = Mail.to(
        event.email,
        event_id=event.id,
        kind=kind,
        name=event.name,
        language=event.language,
        company_id=event.company_id,
        facts={**event.model_dump(exclude=_NO_ACCOUNT_FACTS), "code_for": code_for},
        request_id=origin.get().request_id,
        expires_at=event.expires_at,
    )
    await _queue(db, [mail], put)


async def queue_case_mails(
    db: Database, deliveries: Sequence[Delivery[CaseFact]], *, put: Put = store.put_mails
) -> None:
    """One for everybody who is named on each case."""
    await _queue(db, [mail for each in deliveries for mail in _mails_about(each.event, each.origin)], put)


def _mails_about(event: CaseFact, come_from: Origin) -> list[Mail]:
    kind = KIND_OF[type(event)]
    facts = event.model_dump(mode="json", exclude=_NO_CASE_FACTS)  # the database has no days without a time
    # People compare it with the device, by eye.
    facts["serial"] = event.serial_label or event.serial
    mails: dict[str, Mail] = {}
    for person in sorted(event.people, key=lambda person: _TOLD_FIRST.index(person.relation)):
        mail = Mail.to(
            person.email,
            event_id=event.id,
            kind=kind,
            name=person.name,
            language=person.language,
            company_id=event.company_id,
            user_id=person.user_id,
            facts=facts,
            request_id=come_from.request_id,
            case_id=event.case_id,
            case_number=event.number,
            caused_by=getattr(event, CASE_MAILS[kind].caused_by),
        )
        mails.setdefault(mail.id, mail)
    return [replace(mail, of_event=tuple(mails)) for mail in mails.values()]


async def _queue(db: Database, mails: Sequence[Mail], put: Put) -> None:
    """Each row says who it is for, as far as that is known yet; of those for one person, the first does."""
    mails = list({mail.id: mail for mail in mails}.values())  # an event may come twice among others
    of_addresses = [mail for mail in mails if mail.user_id is None]
    users = await store.find_users(db, of_addresses) if of_addresses else Users(())
    first = {(mail.event_id, users.key_of(mail)): mail.id for mail in reversed(mails)}
    named = {mail_id: key for (_, key), mail_id in first.items()}
    await put(db, [replace(mail, person=named.get(mail.id)) for mail in mails])


# Preferences


async def change_preferences(db: Database, actor: Actor, wanted: PreferencesBody) -> Preferences:
    """Holds from the answer on: waiting mails are suppressed, and later ones are checked again when they are sent."""
    person = Person.of_user(actor.user_id, active=True)
    preferences = await store.put_preferences(
        db, person, case_emails=wanted.case_emails, kinds={str(kind): on for kind, on in wanted.kinds.items()}
    )
    # In this order: a sender that has read the old preferences finds its row suppressed.
    await store.suppress_waiting(db, person, preferences)
    return preferences


# Unsubscribing by the link of a mail: its token is derived from the row, so it is valid for one person and one kind.


async def get_linked_mail(db: Database, secret: str, token: str) -> Mail:
    """The mail that an unsubscribe link is from; NotFound when the link is cut off, or not ours."""
    read = read_link_code(secret, Purpose.UNSUBSCRIBE, token)
    mail = None if read is None else await store.find_mail_of_link(db, read[0])
    if mail is None or not mail.may_be_opted_out:
        raise NotFound
    return mail


async def unsubscribe(db: Database, mail: Mail, *, scope: Literal["kind", "case_emails"]) -> None:
    """Holds from the answer on, like a change on the profile page. Doing it twice changes nothing."""
    await _switch_off(db, mail.recipient, mail.kind, scope)
    if mail.recipient.user_id is None:
        # Looked up after the address is switched off: a user whose copy comes meanwhile adopts its choice.
        person = (await store.find_users(db, [mail])).person_of(mail)
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
    """The ledger, and those of its addresses that bounce now: for administrators, and for agents who name a company."""
    if actor.company_to_read(query.company_id) == actor.company_id:
        _refuse_unless_admin(actor)
    page = await store.find_deliveries(db, actor, query)
    return page, await store.find_bouncing(db, {row["email"] for row in page.documents})


async def list_case_deliveries(db: Database, granted: CasePass, query: CaseDeliveryQuery) -> Page:
    """The ledger about the case that a reader has a pass for."""
    return await store.find_case_deliveries(db, granted.company_id, granted.number, query)


async def list_bouncing(db: Database, actor: Actor, emails: Collection[str]) -> dict[str, str]:
    """Those of the addresses that bounce, with the mail server's reply: for admins, and for anybody of their own."""
    if not {actor.email.lower(), actor.login_email}.issuperset(emails):
        _refuse_unless_admin(actor)
    return await store.find_bouncing(db, emails)


async def clear_bouncing(db: Database, actor: Actor, email: str) -> None:
    """What comes from now on is sent there again; what was suppressed stays so."""
    if not actor.is_vendor_admin:
        raise VendorAdminsOnly
    if not await store.clear_bouncing(db, email):
        raise NotFound


def _refuse_unless_admin(actor: Actor) -> None:
    if not (actor.is_company_admin or actor.is_vendor_admin):
        raise Forbidden
