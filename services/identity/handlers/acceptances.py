"""Accepting an invitation: with a login at once, without one after the address is verified."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from services.identity import store
from services.identity.domain.companies import Company
from services.identity.domain.invitations import HasLogin, Invitation, InvitedOtherAddress
from services.identity.domain.sessions import key_of
from services.identity.domain.users import User
from services.identity.domain.verifications import Verification
from services.identity.fair_queue import Caller
from services.identity.handlers.memberships import join
from services.identity.handlers.verifications import hash_of
from services.identity.passwords import Passwords
from shared import codes
from shared.actor import Actor
from shared.codes import Purpose
from shared.errors import FieldError, Invalid, NotFound
from shared.mongo import Database, Session
from shared.schemas.identity import AcceptInvitation

_REQUIRED_OF_NEWCOMERS = ("first_name", "last_name", "password")


@dataclass(frozen=True, slots=True)
class Opened:
    """An invitation in the hand of whoever holds its code.

    `awaits_code`: it was accepted in this browser, and only the 6-digit code is missing.
    """

    invitation: Invitation
    company: Company
    has_login: bool
    awaits_code: bool


async def open_invitation(db: Database, secret: str, code: str, *, browser: str, now: datetime) -> Opened:
    """What the holder of a code may accept."""
    invitation_id, generation = _read(secret, code)
    invitation = await store.get_invitation_of_code(db, invitation_id)
    invitation.refuse_unless_acceptable(generation, now)
    waiting = await store.find_open_verification(db, invitation.email)
    return Opened(
        invitation,
        await store.get_company(db, invitation.company_id),
        has_login=await _can_sign_in(db, invitation.email),
        awaits_code=_is_asked_here(waiting, invitation, browser),
    )


async def accept_as_newcomer(
    db: Database,
    passwords: Passwords,
    secret: str,
    code: str,
    wanted: AcceptInvitation,
    *,
    browser: str,
    now: datetime,
) -> Invitation:
    """A 6-digit code goes out, and the login is made once it is typed in; until then the invitation stays pending.

    `browser` is a secret that only the browser at hand keeps: others share fewer tries and codes with one another. Who
    accepts again in it changes what was typed. Who does so in another browser gets another code, and the older one is
    worth nothing: the password of a stranger, who has the link but not the mailbox, must not become the login's.
    """
    invitation_id, generation = _read(secret, code)
    opened = await open_invitation(db, secret, code, browser=browser, now=now)
    if opened.has_login:
        raise HasLogin
    verification = await _request_verification(passwords, opened.invitation, wanted, browser=browser, now=now)

    async def write(session: Session) -> Invitation:
        current = await store.get_invitation_of_code(db, invitation_id, session=session)
        waiting = await store.find_open_verification(db, current.email, session=session)
        if waiting is not None and _is_asked_here(waiting, current, browser):
            current.refuse_unless_acceptable(generation, now)
            await store.VERIFICATIONS.save(db, waiting.asked_again(verification, now), session=session)
            return current
        accepted = current.accepted_by_newcomer(generation, now)
        await store.put_verification(db, verification, session=session)
        return await store.INVITATIONS.save(db, accepted, session=session)

    return await db.atomically(write)


async def accept_as_user(
    db: Database, actor: Actor, secret: str, code: str, *, token: str | None, now: datetime
) -> Invitation:
    """Uses the code up; the login is a member at once, and the session of `token` goes on in the new company.

    The same again, by a member, answers the same: a request whose answer was lost is sent twice.
    """
    invitation_id, generation = _read(secret, code)

    async def write(session: Session) -> Invitation:
        invitation = await store.get_invitation_of_code(db, invitation_id, session=session)
        member = await _joined_before(db, actor, invitation, generation, session=session)
        if member is None:
            invitation.refuse_unless_acceptable(generation, now)
            if actor.login_email != invitation.email:
                raise InvitedOtherAddress
            user = await store.get_own_user(db, actor, session=session)
            login = await store.LOGINS.get(db, {"_id": user.login_id}, session=session)
            own = user.profile.taken_along(company_name=invitation.company_name, login_email=login.email)
            member = await join(db, login, invitation, own, now, session=session)
            invitation = await store.INVITATIONS.save(db, invitation.accepted(generation, now), session=session)
        if token is not None:
            await store.move_session(db, key_of(token), member, now, session=session)
        return invitation

    return await db.atomically(write)


def _is_asked_here(waiting: Verification | None, invitation: Invitation, browser: str) -> bool:
    return waiting is not None and waiting.invitation_id == invitation.id and waiting.is_asked_by(hash_of(browser))


async def _joined_before(
    db: Database, actor: Actor, invitation: Invitation, generation: int, *, session: Session
) -> User | None:
    """Whom this code made of the actor's login, while that user is active."""
    if actor.login_email != invitation.email or not invitation.was_used_with(generation):
        return None
    member = await store.find_membership(db, login_id=actor.login_id, company_id=invitation.company_id, session=session)
    return member if member is not None and member.active else None


async def _can_sign_in(db: Database, email: str) -> bool:
    """A login whose every membership was deactivated cannot: it comes back like a newcomer."""
    login = await store.find_login(db, email)
    return login is not None and bool(await store.find_active_memberships(db, login.id))


def _read(secret: str, code: str) -> tuple[UUID, int]:
    found = codes.read_link_code(secret, Purpose.INVITATION, code)
    if found is None:
        raise NotFound
    return found


async def _request_verification(
    passwords: Passwords, invitation: Invitation, wanted: AcceptInvitation, *, browser: str, now: datetime
) -> Verification:
    if wanted.first_name is None or wanted.last_name is None or wanted.password is None:
        missing = [field for field in _REQUIRED_OF_NEWCOMERS if getattr(wanted, field) is None]
        raise Invalid(errors=tuple(FieldError(field, "missing", "This field is required.") for field in missing))
    password = wanted.password.get_secret_value()
    known = (invitation.email, wanted.first_name, wanted.last_name, invitation.company_name)
    # Whoever holds a code of ours does not stand behind strangers who try passwords.
    caller = Caller(f"invitation/{invitation.id}", known=True)
    async with passwords.scoring.place(caller):
        await passwords.refuse_weak(password, known=known)
    async with passwords.hashing.place(caller):
        password_hash = await passwords.hashed(password)
    return Verification.of_invitation(
        # Random, not by time: the codes are derived from it.
        uuid4(),
        email=invitation.email,
        first_name=wanted.first_name,
        last_name=wanted.last_name,
        password_hash=password_hash,
        language=wanted.locale or invitation.language,
        invitation_id=invitation.id,
        company_id=invitation.company_id,
        browser=hash_of(browser),
        now=now,
    )
