"""Signing in, being known by a session's token, signing out."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.identity import store
from services.identity.domain.companies import Company
from services.identity.domain.sessions import (
    AccountInactive,
    Session,
    TooManyFailures,
    WrongCredentials,
    key_of,
)
from services.identity.domain.users import Login, User
from services.identity.passwords import Passwords
from shared.errors import NotSignedIn
from shared.mongo import Database


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whose session it is; `token` is the secret that only the browser keeps."""

    token: str
    user: User
    company: Company


async def sign_in(
    db: Database,
    passwords: Passwords,
    *,
    email: str,
    password: str,
    client: str,
    intent: UUID | None,
    now: datetime,
) -> SignedIn:
    """A new session; unknown addresses and wrong passwords get the same answer after the same work."""
    await _refuse_after_many_failures(db, email, client, now)
    login = await store.find_login(db, email)
    if not await passwords.matches(login.password_hash if login else None, password) or login is None:
        await _count_client_failure(db, client, now)
        raise WrongCredentials
    await store.forget_failures(db, _of_address(email))
    user = await _choose_membership(db, login)
    token = secrets.token_urlsafe(32)
    session = Session(key_of(token), login_id=login.id, user_id=user.id, created_at=now, last_seen_at=now)
    await store.insert_session(db, session, intent=intent)
    return SignedIn(token, user, await store.get_company(db, user.company_id))


async def resolve_session(db: Database, token: str, now: datetime) -> SignedIn:
    """Who has this token; NotSignedIn once the session is over or the user deactivated."""
    session = await store.find_session(db, key_of(token))
    if session is None or session.is_over(now):
        raise NotSignedIn
    user = await store.find_active_user(db, session.user_id)
    if user is None:
        raise NotSignedIn
    if session.is_worth_a_note(now):
        await store.note_seen(db, session, now)
    return SignedIn(token, user, await store.get_company(db, user.company_id))


async def end_session(db: Database, token: str, now: datetime) -> None:
    """Signs out; a token that is nobody's is signed out already."""
    await store.end_session(db, key_of(token), now)


async def _refuse_after_many_failures(db: Database, email: str, client: str, now: datetime) -> None:
    waits = [await store.find_wait(db, _of_client(client), now)] if client else []
    if not any(waits):
        # Counted before the password is looked at, so that guesses at the same moment count too; a success forgets it.
        waits.append(await store.count_failure(db, _of_address(email), now))
    for until in waits:
        if until is not None:
            raise TooManyFailures.until(until, now=now)


async def _count_client_failure(db: Database, client: str, now: datetime) -> None:
    # Counted afterwards: a whole company may sign in from one address at the same moment.
    if client:
        await store.count_failure(db, _of_client(client), now)


async def _choose_membership(db: Database, login: Login) -> User:
    """As whom the login was here last, else its oldest membership."""
    memberships = await store.find_active_memberships(db, login.id)
    if not memberships:
        raise AccountInactive
    last = await store.find_newest_session(db, login.id)
    return next((user for user in memberships if last and user.id == last.user_id), memberships[0])


def _of_address(email: str) -> str:
    return f"sign_in/address/{email}"


def _of_client(client: str) -> str:
    return f"sign_in/client/{client}"
