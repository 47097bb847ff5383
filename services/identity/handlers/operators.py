"""What the operator of an installation does from the command line."""

from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from services.identity import store
from services.identity.domain.companies import VENDOR_ID, Company, Kind
from services.identity.domain.users import AddressTaken, Login, Profile, User
from services.identity.handlers.memberships import appoint
from services.identity.passwords import Passwords
from shared.actor import VENDOR_ROLES, Role, Visibility
from shared.errors import Forbidden
from shared.mongo import Database, Session
from shared.schemas.base import Email, Language, Name, Request, TimeZone
from shared.schemas.identity import Password


class NewOperatorUser(Request):
    """What the operator says about a user."""

    email: Email
    password: Password
    first_name: Name
    last_name: Name
    role: Role
    language: Language = "en"
    time_zone: TimeZone = "UTC"
    vendor_name: Name = "Portico"  # where there is no vendor yet


async def create_vendor_admin(db: Database, passwords: Passwords, wanted: NewOperatorUser, now: datetime) -> User:
    """A user who may administer everything, and the vendor's record when there is none; AddressTaken."""

    async def vendor(session: Session) -> Company:
        found = await store.find_vendor(db, session=session)
        if found is not None:
            return found
        new = Company.found(
            VENDOR_ID,
            kind=Kind.VENDOR,
            name=wanted.vendor_name,
            time_zone=wanted.time_zone,
            visibility=Visibility.COMPANY,
            now=now,
        )
        return await store.COMPANIES.insert(db, new, session=session)

    login = await _new_login(passwords, wanted, now)

    async def write(session: Session) -> User:
        return await _add(db, login, await vendor(session), wanted, now, session=session)

    return await db.atomically(write)


async def create_user(
    db: Database, passwords: Passwords, company_id: UUID, wanted: NewOperatorUser, now: datetime
) -> User:
    """A user of an existing company, without invitation; AddressTaken, NotFound."""
    login = await _new_login(passwords, wanted, now)

    async def write(session: Session) -> User:
        company = await store.get_company(db, company_id, session=session)
        return await _add(db, login, company, wanted, now, session=session)

    return await db.atomically(write)


async def _new_login(passwords: Passwords, wanted: NewOperatorUser, now: datetime) -> Login:
    password = wanted.password.get_secret_value()
    await passwords.refuse_weak(password, known=(wanted.email, wanted.first_name, wanted.last_name))
    return Login(id=uuid7(), email=wanted.email, password_hash=await passwords.hashed(password), verified_at=now)


async def _add(
    db: Database, login: Login, company: Company, wanted: NewOperatorUser, now: datetime, *, session: Session
) -> User:
    _refuse_role_of_the_other_side(company, wanted.role)
    if await store.find_login(db, login.email, session=session) is not None:
        raise AddressTaken
    profile = Profile(
        first_name=wanted.first_name,
        last_name=wanted.last_name,
        email=login.email,
        language=wanted.language,
        time_zone=company.time_zone,
        company_name=company.name,
    )
    new = User.join(
        uuid7(), login=login, company_id=company.id, role=wanted.role, site_id=None, profile=profile, now=now
    )
    await store.LOGINS.insert(db, login, session=session)
    user = await store.USERS.insert(db, new, session=session)
    await appoint(db, user, now, session=session)
    return user


def _refuse_role_of_the_other_side(company: Company, role: Role) -> None:
    if (role in VENDOR_ROLES) is not (company.kind is Kind.VENDOR):
        raise Forbidden(f"The company {company.name} cannot have users with the role {role.value}.")
