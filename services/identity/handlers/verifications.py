"""Proving an address by the 6-digit code that was sent there; then the login stands, and joins where it is invited."""

from dataclasses import replace
from datetime import datetime

from uuid_utils.compat import uuid7

from services.identity import store
from services.identity.domain.audit import Audited
from services.identity.domain.invitations import Invitation
from services.identity.domain.sessions import key_of
from services.identity.domain.users import Login, Profile
from services.identity.domain.verifications import MOST_TRIES, Verification, WrongCode, nobodys_place
from services.identity.handlers.memberships import join
from shared import audit, codes
from shared.codes import Purpose
from shared.errors import StaleVersion
from shared.mongo import Database, Session


async def verify_address(db: Database, secret: str, *, email: str, code: str, browser: str, now: datetime) -> None:
    """Makes the login when the code is right; the same WrongCode, after the same work, for all else."""
    verification = await store.find_open_verification_or_nobodys(db, email)
    tries = await store.count_try(db, _tries_of(verification, email, browser), now)
    right = codes.same_code(_digits(secret, verification), code)
    meant = not verification.is_of_another_newcomer(hash_of(browser))
    if not (right and meant) or tries > MOST_TRIES or not verification.takes_codes(now):
        await _record_refusal(db, verification, now)
        raise WrongCode

    async def write(session: Session) -> None:
        current = await store.find_open_verification(db, email, session=session)
        if current is None or (current.id, current.generation) != (verification.id, verification.generation):
            raise WrongCode
        await _activate(db, current, now, session=session)
        await store.VERIFICATIONS.save(db, current.used(), session=session)

    await db.atomically(write)


async def _record_refusal(db: Database, verification: Verification, now: datetime) -> None:
    """In the log of the company that the code is about; where nobody waits for a code, in one entry for all."""
    if verification.is_nobodys:
        of, company_id, body = "nobody", None, {}
    else:
        of, company_id, body = str(verification.id), verification.company_id, {"email": verification.email}
    await audit.count(db, Audited.CODE_REFUSED, of=of, company_id=company_id, at=now, body=body)


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


def hash_of(browser: str) -> str:
    """What is stored of a browser's secret name; empty for a browser without one."""
    return key_of(browser) if browser else ""


def _renewed(verification: Verification, browser: str, now: datetime) -> Verification | None:
    if verification.is_asked_by(hash_of(browser)):
        return verification.resent(now) if verification.may_be_resent(now) else None
    return verification.resent_for_others(now) if verification.may_be_resent_for_others(now) else None


def _tries_of(verification: Verification, email: str, browser: str) -> str:
    """The counter of the browser that asked for the code, or of all others, for the newest code."""
    if verification.is_nobodys:
        return f"verify/{nobodys_place(email)}"
    whose = "own" if verification.is_asked_by(hash_of(browser)) else "others"
    return f"verify/{email}/{verification.id}/{verification.generation}/{whose}"


def _digits(secret: str, verification: Verification) -> str:
    return codes.digit_code(secret, Purpose.VERIFICATION, verification.id, verification.generation)


async def _activate(db: Database, verification: Verification, now: datetime, *, session: Session) -> None:
    """The login stands, and is a member wherever somebody accepted an invitation of this address."""
    login = await _make_login(db, verification, now, session=session)
    invitations = await store.find_accepted_invitations(db, verification, now, session=session)
    # First where the typed code belongs: that is the company in which they sign in.
    for invitation in sorted(invitations, key=lambda one: one.id != verification.invitation_id):
        await _join(db, login, invitation, verification, now, session=session)
        await store.INVITATIONS.save(db, invitation.used(), session=session)


async def _join(
    db: Database, login: Login, invitation: Invitation, verification: Verification, now: datetime, *, session: Session
) -> None:
    company = await store.get_company(db, invitation.company_id, session=session)
    member = await store.find_membership(db, login_id=login.id, company_id=company.id, session=session)
    if member is not None and member.active:
        return
    profile = Profile(
        first_name=verification.first_name,
        last_name=verification.last_name,
        email=login.email,
        language=verification.language,
        time_zone=company.time_zone,
        company_name=company.name,
    )
    await join(db, login, invitation, profile, now, session=session)


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
