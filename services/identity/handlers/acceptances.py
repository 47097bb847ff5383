"""Accepting an invitation: with a login at once, without one after the address is verified."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from services.identity import store
from services.identity.domain.invitations import HasLogin, Invitation, InvitedOtherAddress
from services.identity.domain.sessions import key_of
from services.identity.domain.users import ADMIN_ROLES, Login, Profile, User
from services.identity.domain.verifications import MOST_TRIES, Verification, WrongCode, nobodys_place
from services.identity.passwords import Passwords
from services.identity.turns import Caller
from shared import codes
from shared.actor import Actor
from shared.codes import Purpose
from shared.errors import FieldError, Invalid, NotFound, StaleVersion
from shared.mongo import Database, Session
from shared.schemas.identity import AcceptInvitation

_REQUIRED_OF_NEWCOMERS = ("first_name", "last_name", "password")


async def open_invitation(db: Database, secret: str, code: str, now: datetime) -> tuple[Invitation, bool]:
    """What the holder of a code may accept, and whether the address has a login."""
    invitation_id, generation = _read(secret, code)
    invitation = await store.get_invitation_of_code(db, invitation_id)
    invitation.refuse_unless_acceptable(generation, now)
    return invitation, await _can_sign_in(db, invitation.email)


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
    """Uses the code up; a 6-digit code goes out, and the login is made once it is typed in.

    `browser` is a secret that only the browser at hand keeps: others share fewer tries and codes with one another.
    """
    invitation_id, generation = _read(secret, code)
    invitation, has_login = await open_invitation(db, secret, code, now)
    if has_login:
        raise HasLogin
    verification = await _request_verification(passwords, invitation, wanted, browser=browser, now=now)

    async def write(session: Session) -> Invitation:
        current = await store.get_invitation_of_code(db, invitation_id, session=session)
        accepted = await store.INVITATIONS.save(db, current.accepted(generation, now), session=session)
        await store.put_verification(db, verification, session=session)
        return accepted

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
            own = replace(user.profile, site_id=None, pin=None, company_name=invitation.company_name)
            member = await _join(db, login, invitation, own, now, session=session)
            invitation = await store.INVITATIONS.save(db, invitation.accepted(generation, now), session=session)
        if token is not None:
            await store.move_session(db, key_of(token), member, now, session=session)
        return invitation

    return await db.atomically(write)


async def verify_address(db: Database, secret: str, *, email: str, code: str, browser: str, now: datetime) -> None:
    """Makes login and membership when the code is right; the same WrongCode, after the same work, for all else."""
    verification = await store.find_open_verification_or_nobodys(db, email)
    tries = await store.count_try(db, _tries_of(verification, email, browser), now)
    right = codes.same_code(_digits(secret, verification), code)
    if not right or tries > MOST_TRIES or not verification.takes_codes(now):
        raise WrongCode

    async def write(session: Session) -> None:
        current = await store.find_open_verification(db, email, session=session)
        if current is None or (current.id, current.generation) != (verification.id, verification.generation):
            raise WrongCode
        await _activate(db, current, now, session=session)
        await store.VERIFICATIONS.save(db, current.used(), session=session)

    await db.atomically(write)


async def send_code_again(db: Database, email: str, *, browser: str, now: datetime) -> None:
    """A new code, where one is waited for and the last is a minute old; nobody is told whether, by time neither."""
    verification = await store.find_open_verification_or_nobodys(db, email)
    renewed = _renewed(verification, browser, now)
    if renewed is None:
        await store.put_stand_in(db, email, Verification.of_nobody().resent(now))
        return
    try:
        await store.VERIFICATIONS.save(db, renewed)
    except StaleVersion:
        return  # the same wish, a moment ago


def _renewed(verification: Verification, browser: str, now: datetime) -> Verification | None:
    if verification.is_asked_by(_hash_of(browser)):
        return verification.resent(now) if verification.may_be_resent(now) else None
    return verification.resent_for_others(now) if verification.may_be_resent_for_others(now) else None


def _tries_of(verification: Verification, email: str, browser: str) -> str:
    """The counter of the browser that accepted, or of all others, for the newest code."""
    if verification.is_nobodys:
        return f"verify/{nobodys_place(email)}"
    whose = "own" if verification.is_asked_by(_hash_of(browser)) else "others"
    return f"verify/{email}/{verification.id}/{verification.generation}/{whose}"


def _hash_of(browser: str) -> str:
    return key_of(browser) if browser else ""


async def _joined_before(
    db: Database, actor: Actor, invitation: Invitation, generation: int, *, session: Session
) -> User | None:
    """Whom this code made of the actor's login, while that user is active."""
    if actor.login_email != invitation.email or not invitation.was_accepted_with(generation):
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


def _digits(secret: str, verification: Verification) -> str:
    return codes.digit_code(secret, Purpose.VERIFICATION, verification.id, verification.generation)


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
    async with passwords.scoring.turn(caller):
        await passwords.refuse_weak(password, known=known)
    async with passwords.hashing.turn(caller):
        password_hash = await passwords.hashed(password)
    return Verification.request(
        # Random, not by time: the codes are derived from it.
        uuid4(),
        email=invitation.email,
        first_name=wanted.first_name,
        last_name=wanted.last_name,
        password_hash=password_hash,
        language=wanted.locale or invitation.language,
        invitation_id=invitation.id,
        company_id=invitation.company_id,
        browser=_hash_of(browser),
        now=now,
    )


async def _activate(db: Database, verification: Verification, now: datetime, *, session: Session) -> None:
    login = await _make_login(db, verification, now, session=session)
    invitation = await store.get_invitation_of_code(db, verification.invitation_id, session=session)
    company = await store.get_company(db, invitation.company_id, session=session)
    profile = Profile(
        first_name=verification.first_name,
        last_name=verification.last_name,
        email=login.email,
        language=verification.language,
        time_zone=company.time_zone,
        company_name=company.name,
    )
    await _join(db, login, invitation, profile, now, session=session)


async def _make_login(db: Database, verification: Verification, now: datetime, *, session: Session) -> Login:
    email, password_hash = verification.email, verification.password_hash
    login = await store.find_login(db, email, session=session)
    if login is None:
        new = Login(id=uuid7(), email=email, password_hash=password_hash, verified_at=now)
        return await store.LOGINS.insert(db, new, session=session)
    if await store.find_active_memberships(db, login.id, session=session):
        # Somebody became active between accepting and typing the code: that password stays.
        return login
    await store.end_sessions(db, login.id, now, session=session)
    return await store.LOGINS.save(db, replace(login, password_hash=password_hash, verified_at=now), session=session)


async def _join(
    db: Database, login: Login, invitation: Invitation, profile: Profile, now: datetime, *, session: Session
) -> User:
    company_id, role, site_id = invitation.company_id, invitation.role, invitation.site_id
    former = await store.find_membership(db, login_id=login.id, company_id=company_id, session=session)
    if former is None:
        new = User.join(
            uuid7(), login=login, company_id=company_id, role=role, site_id=site_id, profile=profile, now=now
        )
        user = await store.USERS.insert(db, new, session=session)
    else:
        user = await store.USERS.save(db, former.joined_again(role=role, site_id=site_id, now=now), session=session)
    if role in ADMIN_ROLES:
        await store.add_admin(db, company_id, user.id, session=session)
    return user
