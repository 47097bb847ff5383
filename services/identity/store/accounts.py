"""Queries and indexes of companies, sites, users and how one becomes a user; every read says for whom."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from uuid import UUID

from pymongo import ASCENDING

from services.identity.domain.companies import VENDOR_ID, Company, Kind
from services.identity.domain.invitations import Invitation
from services.identity.domain.invitations import State as InvitationState
from services.identity.domain.sites import Site
from services.identity.domain.users import Login, User
from services.identity.domain.verifications import State as VerificationState
from services.identity.domain.verifications import Verification, nobodys_place
from services.identity.store.words import with_words
from shared import mongo
from shared.actor import Actor
from shared.documents import Documents, pending_events
from shared.idempotency import IdempotencyKey
from shared.mongo import Database, Document, DuplicateKey
from shared.paging import Order, Page, create_index_for, find_page
from shared.schemas.base import CompanyListQuery
from shared.schemas.identity import CompaniesQuery, SiteQuery
from shared.schemas.submitters import SubmitterQuery

LOGINS = Documents("logins", Login)
USERS = Documents("users", User)
COMPANIES = Documents("companies", Company)
SITES = Documents("sites", Site)
INVITATIONS = Documents("invitations", Invitation)
VERIFICATIONS = Documents("verifications", Verification)
BATCHES = "invitation_batches"
_STAND_INS = "stand_ins"

EMITTING = tuple(kind.collection for kind in (LOGINS, USERS, COMPANIES, SITES, INVITATIONS, VERIFICATIONS))

_COMPANY_SORTS = {"name": Order("name", alphabetical=True), "created_at": Order("created_at")}
_SITE_SORTS = {
    "name": Order("name", alphabetical=True),
    "city": Order("city", alphabetical=True),
    "created_at": Order("created_at"),
}
_USER_SORTS = {
    "name": Order("profile.last_name", alphabetical=True),
    "email": Order("login_email", alphabetical=True),
    "role": Order("role"),
}
_INVITATION_SORTS = {
    "created_at": Order("created_at"),
    "email": Order("email", alphabetical=True),
    "expires_at": Order("expires_at"),
}
_DAY_S = 86_400


async def create_indexes(db: Database) -> None:
    """Unique keys, which judge races; what lists search by; what the database forgets by itself."""
    await db[LOGINS.collection].create_index("email", unique=True)
    await db[USERS.collection].create_index([("login_id", ASCENDING), ("company_id", ASCENDING)], unique=True)
    for order in _USER_SORTS.values():
        await create_index_for(order, db[USERS.collection], "company_id")
    for order in _COMPANY_SORTS.values():
        await create_index_for(order, db[COMPANIES.collection], "kind")
    for order in _SITE_SORTS.values():
        await create_index_for(order, db[SITES.collection], "company_id")
    await db[INVITATIONS.collection].create_index(
        [("company_id", ASCENDING), ("email", ASCENDING)],
        name="one_pending",
        unique=True,
        partialFilterExpression={"state": InvitationState.PENDING.value},
    )
    for order in _INVITATION_SORTS.values():
        await create_index_for(order, db[INVITATIONS.collection], "company_id", "state")
    await mongo.drop_index(db[INVITATIONS.collection], "company_id_1_created_at_-1")  # of older versions
    await db[INVITATIONS.collection].create_index("email")
    await db[VERIFICATIONS.collection].create_index(
        "email", name="one_open", unique=True, partialFilterExpression={"state": VerificationState.OPEN.value}
    )
    await db[_STAND_INS].create_index("relay_after", name="forget", expireAfterSeconds=_DAY_S)
    await db[BATCHES].create_index("asked_at", name="forget", expireAfterSeconds=7 * _DAY_S)


def _seen_by(actor: Actor) -> Document:
    return {} if actor.is_vendor else {"company_id": actor.company_id}


# Companies


async def get_customer(db: Database, company_id: UUID) -> Company:
    """A customer company, for the vendor's side; the vendor's own is not found."""
    return await COMPANIES.get(db, {"_id": company_id, "kind": Kind.CUSTOMER.value})


async def get_company(db: Database, company_id: UUID, *, session: mongo.Session | None = None) -> Company:
    """The company of somebody who belongs to it."""
    return await COMPANIES.get(db, {"_id": company_id}, session=session)


async def find_company_names(db: Database, company_ids: Sequence[UUID]) -> dict[UUID, str]:
    """How the companies are called that a login belongs to."""
    found = db[COMPANIES.collection].find({"_id": {"$in": list(company_ids)}}, {"name": 1})
    return {document["_id"]: document["name"] async for document in found}


async def find_customers(db: Database, query: CompaniesQuery) -> Page:
    """One page of the customer companies whose names have the words, for the vendor's side."""
    return await find_page(
        db[COMPANIES.collection],
        {"$and": [{"kind": Kind.CUSTOMER.value}, *with_words(query.q, "name")]},
        query,
        order=Order.read(query.sort or "name", _COMPANY_SORTS),
        hidden=("pending",),
    )


async def find_vendor(db: Database, *, session: mongo.Session) -> Company | None:
    """The vendor's own record, for the operator's commands."""
    return await COMPANIES.find(db, {"_id": VENDOR_ID}, session=session)


async def add_admin(db: Database, company_id: UUID, user_id: UUID, *, session: mongo.Session) -> None:
    """Notes one more active administrator."""
    await db[COMPANIES.collection].update_one(
        {"_id": company_id}, {"$addToSet": {"admin_ids": user_id}, "$inc": {"version": 1}}, session=session
    )


# Sites


async def get_site(db: Database, actor: Actor, site_id: UUID) -> Site:
    """A site of the actor's company; of any company for the vendor's side."""
    return await SITES.get(db, {"_id": site_id, **_seen_by(actor)})


async def find_sites(db: Database, company_id: UUID, query: SiteQuery) -> Page:
    """One page of a company's sites, for somebody who belongs to it or a vendor admin."""
    return await find_page(
        db[SITES.collection],
        {"company_id": company_id, "closed": query.closed},
        query,
        order=Order.read(query.sort or "name", _SITE_SORTS),
        hidden=("pending",),
    )


async def find_open_site_ids(db: Database, company_id: UUID, site_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the ids that are open sites of the company."""
    wanted = {"_id": {"$in": list(site_ids)}, "company_id": company_id, "closed": False}
    return {document["_id"] async for document in db[SITES.collection].find(wanted, {"_id": 1})}


# Logins and users


async def find_login(db: Database, email: str, *, session: mongo.Session | None = None) -> Login | None:
    """Whoever signs in with this address."""
    return await LOGINS.find(db, {"email": email}, session=session)


async def find_user(db: Database, user_id: UUID) -> User | None:
    """The user of a session."""
    return await USERS.find(db, {"_id": user_id})


async def get_own_user(db: Database, actor: Actor, *, session: mongo.Session | None = None) -> User:
    """The actor's own membership."""
    return await USERS.get(db, {"_id": actor.user_id, "company_id": actor.company_id}, session=session)


async def find_membership(
    db: Database, *, login_id: UUID, company_id: UUID, session: mongo.Session | None = None
) -> User | None:
    """A login's membership in a company, active or not."""
    return await USERS.find(db, {"login_id": login_id, "company_id": company_id}, session=session)


async def find_active_memberships(db: Database, login_id: UUID, *, session: mongo.Session | None = None) -> list[User]:
    """What a login may act as, oldest first."""
    found = db[USERS.collection].find({"login_id": login_id, "active": True}, {"pending": 0}, session=session)
    return [
        USERS.load(document)
        for document in await found.sort([("created_at", ASCENDING), ("_id", ASCENDING)]).to_list(None)
    ]


async def find_members_addresses(db: Database, company_id: UUID, emails: Sequence[str]) -> set[str]:
    """Those of the addresses that active users of the company sign in with."""
    wanted = {"company_id": company_id, "active": True, "login_email": {"$in": list(emails)}}
    return {document["login_email"] async for document in db[USERS.collection].find(wanted, {"login_email": 1})}


async def find_users(db: Database, company_id: UUID, query: CompanyListQuery) -> Page:
    """One page of a company's users, active or not."""
    return await find_page(
        db[USERS.collection],
        {"company_id": company_id},
        query,
        order=Order.read(query.sort or "name", _USER_SORTS),
        hidden=("pending",),
    )


async def find_submitters(db: Database, company_id: UUID, query: SubmitterQuery) -> Page:
    """One page of the active users of a company whose name or address has the words."""
    by_words = with_words(query.q, "profile.first_name", "profile.last_name", "profile.email", "login_email")
    return await find_page(
        db[USERS.collection],
        {"$and": [{"company_id": company_id, "active": True}, *by_words]},
        query,
        order=Order.read(query.sort or "name", _USER_SORTS),
        hidden=("pending",),
    )


async def get_submitter(db: Database, actor: Actor, user_id: UUID) -> User:
    """An active user of the actor's company; of any customer's for the vendor's side."""
    return await USERS.get(db, {"_id": user_id, "active": True, **_seen_by(actor)})


# Invitations and verifications


async def find_batch(db: Database, key: IdempotencyKey) -> bool:
    """Whether an earlier request with this key was begun; IdempotencyKeyReused when it had another body."""
    existing = await db[BATCHES].find_one({"_id": key.id})
    if existing is None:
        return False
    key.refuse_unless_same(existing["digest"])
    return True


async def claim_batch(db: Database, key: IdempotencyKey, now: datetime) -> None:
    """One POST makes many invitations; IdempotencyKeyReused when its key stood for another body."""
    batch = {"_id": key.id, "digest": key.digest, "asked_at": now}
    try:
        await db[BATCHES].insert_one(batch)
    except DuplicateKey:
        await find_batch(db, key)


async def find_invitations_asked(db: Database, company_id: UUID, asked: Sequence[UUID]) -> list[Invitation]:
    """What earlier tries of the same request made."""
    ids = list(asked)
    wanted = {"company_id": company_id, "$or": [{"_id": {"$in": ids}}, {"asked_by": {"$in": ids}}]}
    found = db[INVITATIONS.collection].find(wanted, {"pending": 0})
    return [INVITATIONS.load(document) for document in await found.to_list(None)]


async def insert_invitation(db: Database, invitation: Invitation) -> Invitation | None:
    """A new invitation; None where one for that address is pending in that company."""
    try:
        return await INVITATIONS.insert(db, invitation)
    except DuplicateKey:
        return None


async def find_pending_invitation(db: Database, company_id: UUID, email: str) -> Invitation | None:
    """The one pending invitation of an address in a company."""
    return await INVITATIONS.find(
        db, {"company_id": company_id, "email": email, "state": InvitationState.PENDING.value}
    )


async def find_accepted_invitations(
    db: Database, verification: Verification, now: datetime, *, session: mongo.Session
) -> list[Invitation]:
    """What somebody accepted for an address that was not proven then.

    The one that the code was sent for, though it expired meanwhile, and those of other companies that did not.
    """
    asked_for = {"_id": verification.invitation_id}
    accepted = {"state": InvitationState.PENDING.value, "accepted_at.0": {"$exists": True}}
    # Older versions took an invitation for used up as soon as it was accepted.
    accepted_before = {**asked_for, "state": InvitationState.ACCEPTED.value, "accepted_at": {"$exists": False}}
    wanted: Document = {
        "email": verification.email,
        "$or": [{**accepted, **asked_for}, {**accepted, "expires_at": {"$gt": now}}, accepted_before],
    }
    found = db[INVITATIONS.collection].find(wanted, {"pending": 0}, session=session)
    return [INVITATIONS.load(document) for document in await found.to_list(None)]


async def get_invitation(
    db: Database, actor: Actor, invitation_id: UUID, *, session: mongo.Session | None = None
) -> Invitation:
    """An invitation of the actor's company; of any company for the vendor's side."""
    return await INVITATIONS.get(db, {"_id": invitation_id, **_seen_by(actor)}, session=session)


async def get_invitation_of_code(
    db: Database, invitation_id: UUID, *, session: mongo.Session | None = None
) -> Invitation:
    """The invitation that a checked code names, for whoever holds the code."""
    return await INVITATIONS.get(db, {"_id": invitation_id}, session=session)


async def find_invitations(db: Database, company_id: UUID, query: CompanyListQuery) -> Page:
    """One page of a company's pending invitations, expired ones too."""
    return await find_page(
        db[INVITATIONS.collection],
        {"company_id": company_id, "state": InvitationState.PENDING.value},
        query,
        order=Order.read(query.sort or "-created_at", _INVITATION_SORTS),
        hidden=("pending",),
    )


async def find_open_verification(
    db: Database, email: str, *, session: mongo.Session | None = None
) -> Verification | None:
    """The one open verification of an address."""
    return await VERIFICATIONS.find(db, {"email": email, "state": VerificationState.OPEN.value}, session=session)


async def put_verification(db: Database, verification: Verification, *, session: mongo.Session) -> None:
    """A new verification, in place of an older open one for the same address."""
    older = await find_open_verification(db, verification.email, session=session)
    if older is not None:
        await VERIFICATIONS.save(db, older.replaced(), session=session)
    await VERIFICATIONS.insert(db, verification, session=session)


async def find_open_verification_or_nobodys(db: Database, email: str) -> Verification:
    """The one open verification of an address, or one that takes no code, after the same work."""
    wanted = {"email": email, "state": VerificationState.OPEN.value}
    document = await db[VERIFICATIONS.collection].find_one(wanted, {"pending": 0})
    return VERIFICATIONS.load(document or _NOBODYS)


async def put_stand_in(db: Database, email: str, stand_in: Verification) -> None:
    """As much work as saving a verification, where there is none. Nobody reads it, so some addresses share one."""
    changes = _values(stand_in) | {"pending": pending_events(stand_in.events), "relay_after": stand_in.sent_at}
    literal = {name: {"$literal": value} for name, value in changes.items()}
    await db[_STAND_INS].update_one({"_id": nobodys_place(email)}, [{"$set": literal}], upsert=True)


def _values(verification: Verification) -> Document:
    names = [field.name for field in fields(verification) if field.name not in {"id", "events"}]
    return {name: getattr(verification, name) for name in names} | {
        "state": verification.state.value,
        "kind": verification.kind.value,
    }


_NOBODYS = {"_id": Verification.of_nobody().id, **_values(Verification.of_nobody())}
