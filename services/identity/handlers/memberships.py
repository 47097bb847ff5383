"""Becoming a member of a company: by an accepted invitation whose address is proven."""

from datetime import datetime

from uuid_utils.compat import uuid7

from services.identity import store
from services.identity.domain.audit import Audited
from services.identity.domain.invitations import Invitation
from services.identity.domain.users import ADMIN_ROLES, Login, Profile, User
from shared import audit
from shared.mongo import Database, Session


async def join(
    db: Database, login: Login, invitation: Invitation, profile: Profile, now: datetime, *, session: Session
) -> User:
    """The login is a member of the invitation's company from now on; AlreadyMember where it is one."""
    company_id, role, site_id = invitation.company_id, invitation.role, invitation.site_id
    former = await store.find_membership(db, login_id=login.id, company_id=company_id, session=session)
    if former is None:
        new = User.join(
            uuid7(), login=login, company_id=company_id, role=role, site_id=site_id, profile=profile, now=now
        )
        user = await store.USERS.insert(db, new, session=session)
    else:
        user = await store.USERS.save(db, former.joined_again(role=role, site_id=site_id, now=now), session=session)
    await appoint(db, user, now, session=session)
    return user


async def appoint(db: Database, user: User, now: datetime, *, session: Session) -> None:
    """The company knows its administrator; nothing for other roles."""
    if user.role not in ADMIN_ROLES:
        return
    await store.add_admin(db, user.company_id, user.id, session=session)
    body = {"user_id": str(user.id), "name": user.profile.name, "email": user.login_email, "role": user.role.value}
    await audit.record(db, Audited.ADMIN_ADDED, company_id=user.company_id, at=now, body=body, session=session)
