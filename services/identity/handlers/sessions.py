"""Signing in, being known by a session's token, going on as another user of the same login, signing out."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from services.identity import store
from services.identity.domain.audit import Audited
from services.identity.domain.companies import Company
from services.identity.domain.devices import with_device
from services.identity.domain.sessions import (
    LONGEST_USER_AGENT,
    AccountInactive,
    AddressNotProven,
    Session,
    WrongCredentials,
    key_of,
)
from services.identity.domain.users import User
from services.identity.handlers import guessing
from services.identity.passwords import Passwords
from shared import audit
from shared.actor import Role
from shared.errors import NotFound, NotSignedIn
from shared.logging import origin
from shared.mongo import Database

_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Membership:
    """As whom, and in which company, a login may act."""

    user_id: UUID
    company_name: str
    role: Role


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whose session it is; `token` is the secret that only the browser keeps. `memberships`: active ones."""

    token: str
    user: User
    company: Company
    memberships: tuple[Membership, ...]


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a sign-in comes from: its network address, proofs of earlier sign-ins, the token of a session it has.

    `user_agent` is what the browser says of itself.
    """

    address: str
    proofs: str
    token: str
    user_agent: str = ""


async def sign_in(
    db: Database,
    passwords: Passwords,
    *,
    email: str,
    password: str,
    browser: Browser,
    device_key: bytes,
    key: UUID | None,
    now: datetime,
) -> tuple[SignedIn, str]:
    """A new session, and the proofs that the browser shows next time.

    Unknown addresses and wrong passwords get the same answer after the same work. AddressNotProven for the
    password that a newcomer has chosen.
    """
    attempt = guessing.recognise(email=email, client=browser.address, proofs=browser.proofs, key=device_key, now=now)
    async with passwords.door.place(attempt.caller):
        attempt = await guessing.look_up(db, attempt, now)
    async with passwords.hashing.place(attempt.caller):
        users = await _checked(db, passwords, attempt, password, now)
    passwords.door.remember(attempt.caller)
    await guessing.succeeded(db, attempt, now)
    user = await _choose(db, users)
    token = secrets.token_urlsafe(32)
    session = _new_session(token, user, browser, now)
    await store.insert_session(db, session, key=key)
    ended = await store.end_sessions_beside(db, session, replaced=key_of(browser.token) if browser.token else "")
    await _record(db, Audited.SIGNED_IN, session, user, now, user_agent=session.user_agent, sessions_ended=ended)
    proofs = with_device(browser.proofs, email, nonce=secrets.token_bytes(12), key=device_key, now=now)
    return await _signed_in(db, token, user, users), proofs


async def resolve_session(db: Database, token: str, *, address: str, now: datetime) -> SignedIn:
    """Who has this token; NotSignedIn once the session is over or the user deactivated."""
    resolved = await store.resolve_session(db, key_of(token))
    if resolved is None or resolved.session.is_over(now):
        raise NotSignedIn
    user = _one_of(resolved.users, resolved.session.user_id)
    if user is None:
        raise NotSignedIn
    if resolved.session.is_worth_a_note(now):
        await store.note_seen(db, resolved.session, address, now)
    names = {company.id: company.name for company in resolved.companies.values()}
    return SignedIn(token, user, resolved.companies[user.company_id], _memberships(resolved.users, names))


async def switch_session(db: Database, token: str, user_id: UUID, now: datetime) -> SignedIn:
    """The session goes on as another of its login's active users; NotFound for anybody else."""
    session = await _get_session(db, token, now)
    users = await store.find_active_memberships(db, session.login_id)
    user = _one_of(users, user_id)
    if user is None:
        raise NotFound
    await store.move_session(db, session.key, user, now)
    await _record(db, Audited.SWITCHED, session, user, now)
    return await _signed_in(db, token, user, users)


async def end_session(db: Database, token: str, now: datetime) -> None:
    """Signs out; a token that is nobody's is signed out already."""
    session = await store.end_session(db, key_of(token), now)
    user = None if session is None else await store.find_user(db, session.user_id)
    if session is not None and user is not None:
        await _record(db, Audited.SIGNED_OUT, session, user, now)


def _new_session(token: str, user: User, browser: Browser, now: datetime) -> Session:
    return Session(
        key_of(token),
        login_id=user.login_id,
        user_id=user.id,
        created_at=now,
        last_seen_at=now,
        public_id=uuid4(),
        address=browser.address,
        user_agent=browser.user_agent[:LONGEST_USER_AGENT],
    )


async def _checked(
    db: Database, passwords: Passwords, attempt: guessing.Attempt, password: str, now: datetime
) -> list[User]:
    """What the login may act as; everything is asked for whoever it is, so that time tells nobody who has a login."""
    await guessing.count(db, attempt, now)
    login = await store.find_login(db, attempt.email)
    users = await store.find_active_memberships(db, login.id if login else _NOBODY)
    waiting = await store.find_open_verification_or_nobodys(db, attempt.email)
    is_newcomer = not users and waiting.is_waited_for(now)
    known = waiting if is_newcomer else login
    if not await passwords.matches(known.password_hash if known else None, password):
        await guessing.failed(db, attempt, now)
        await _record_refusal(db, users, now)
        raise WrongCredentials
    if is_newcomer:
        raise AddressNotProven
    return users


async def _record(db: Database, what: Audited, session: Session, user: User, now: datetime, **more: object) -> None:
    """In the log of the company that the user acts in."""
    origin.set(replace(origin.get(), actor=str(user.id), actor_name=user.profile.name))
    public_id = None if session.public_id is None else str(session.public_id)
    body = {"session_id": public_id, "email": user.login_email, **more}
    await audit.record(db, what, company_id=user.company_id, at=now, body=body)


async def _record_refusal(db: Database, users: Sequence[User], now: datetime) -> None:
    """In the log of each company of the login; all unknown addresses are one entry, after the same work."""
    for user in users:
        body = {"user_id": str(user.id), "name": user.profile.name, "email": user.login_email}
        await audit.count(db, Audited.SIGN_IN_REFUSED, of=str(user.id), company_id=user.company_id, at=now, body=body)
    if not users:
        await audit.count(db, Audited.SIGN_IN_REFUSED, of="nobody", company_id=None, at=now, body={})


async def _choose(db: Database, users: Sequence[User]) -> User:
    """As whom the login was here last, else its oldest membership."""
    if not users:
        raise AccountInactive
    last = await store.find_last_session(db, users[0].login_id)
    return (last and _one_of(users, last.user_id)) or users[0]


def _one_of(users: Sequence[User], user_id: UUID) -> User | None:
    return next((user for user in users if user.id == user_id), None)


async def _get_session(db: Database, token: str, now: datetime) -> Session:
    session = await store.find_session(db, key_of(token))
    if session is None or session.is_over(now):
        raise NotSignedIn
    return session


async def _signed_in(db: Database, token: str, user: User, users: Sequence[User]) -> SignedIn:
    company = await store.get_company(db, user.company_id)
    names = await store.find_company_names(db, [one.company_id for one in users])
    return SignedIn(token, user, company, _memberships(users, names))


def _memberships(users: Sequence[User], names: Mapping[UUID, str]) -> tuple[Membership, ...]:
    return tuple(Membership(one.id, names[one.company_id], one.role) for one in users)
