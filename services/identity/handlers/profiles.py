"""A user's own profile, and the list of a company's users."""

from dataclasses import replace
from datetime import datetime

from services.identity import store
from services.identity.domain.sites import UnknownSite
from services.identity.domain.users import Profile, User
from services.identity.handlers.companies import company_to_administer
from shared.actor import Actor
from shared.errors import PreconditionFailed, StaleVersion
from shared.mongo import Database
from shared.paging import Page
from shared.schemas.base import CompanyListQuery
from shared.schemas.identity import ProfileBody


async def review_profile(db: Database, actor: Actor, wanted: ProfileBody) -> User:
    """What saving would make of it; writes nothing."""
    user = await store.get_own_user(db, actor)
    profile = Profile(**wanted.model_dump())
    await _refuse_what_is_not_the_companys(db, user, profile)
    return replace(user, profile=profile)


async def save_profile(
    db: Database, actor: Actor, wanted: ProfileBody, *, expected_version: int | None, now: datetime
) -> User:
    """Writes the whole profile; PreconditionFailed unless `expected_version` (None: any) still stands."""
    user = await store.get_own_user(db, actor)
    if expected_version not in (None, user.version):
        raise PreconditionFailed
    profile = Profile(**wanted.model_dump())
    await _refuse_what_is_not_the_companys(db, user, profile)
    if profile == user.profile:
        return user
    try:
        return await store.USERS.save(db, user.with_profile(profile, now))
    except StaleVersion as error:
        raise PreconditionFailed from error


async def choose_language(db: Database, actor: Actor, language: str, now: datetime) -> User:
    """Writes the language of pages and e-mails alone, whatever else the profile lacks; StaleVersion in a race."""
    user = await store.get_own_user(db, actor)
    if user.profile.language == language:
        return user
    return await store.USERS.save(db, user.with_profile(replace(user.profile, language=language), now))


async def list_users(db: Database, actor: Actor, query: CompanyListQuery) -> Page:
    """The users of a company, for its administrators and the vendor's side."""
    return await store.find_users(db, await company_to_administer(db, actor, query.company_id), query)


async def _refuse_what_is_not_the_companys(db: Database, user: User, profile: Profile) -> None:
    await _refuse_unknown_site(db, user, profile)
    # A PIN that the vendor took away after it was chosen is no reason to refuse another phone number.
    if profile.pin not in (None, user.profile.pin):
        (await store.get_company(db, user.company_id)).refuse_unknown_pin(profile.pin)


async def _refuse_unknown_site(db: Database, user: User, profile: Profile) -> None:
    # A site that was closed after it was chosen is no reason to refuse another phone number.
    if profile.site_id is None or profile.site_id == user.profile.site_id:
        return
    if not await store.find_open_site_ids(db, user.company_id, [profile.site_id]):
        raise UnknownSite(errors=(UnknownSite.of_field("site_id"),))
