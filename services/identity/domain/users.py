"""Logins, and users: a login's membership in one company, with its profile."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.actor import Actor, Role, Visibility
from shared.errors import Conflict
from shared.events.base import Event
from shared.events.identity import UserChanged

ADMIN_ROLES = frozenset({Role.COMPANY_ADMIN, Role.VENDOR_ADMIN})

REQUIRED_OF_PROFILE = (
    "first_name",
    "last_name",
    "email",
    "phone",
    "language",
    "time_zone",
    "company_name",
    "address_line_1",
    "city",
    "postal_code",
    "country",
)


class AddressTaken(Conflict):
    """There is a login with this address."""

    code = "address_taken"
    title = "There is an account with this e-mail address already."


class AlreadyMember(Conflict):
    """An active user of that company."""

    code = "already_member"
    title = "This person is a user of the company already."


@dataclass(frozen=True, slots=True)
class Login:
    """A verified address with a password: somebody who can sign in. `email` is lower-cased.

    What concerns the login and no membership rides in `events`, such as that somebody wants to reset the password.
    There is no such event yet: each comes with its listener.
    """

    id: UUID
    email: str
    password_hash: str
    verified_at: datetime
    version: int = 1
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """The contact data that prefill case forms. `email` is where case mail goes, not the login."""

    first_name: str
    last_name: str
    email: str
    language: str
    time_zone: str
    company_name: str = ""
    phone: str = ""
    alternative_phone: str | None = None
    job_title: str = ""
    site_id: UUID | None = None
    pin: str | None = None
    address_line_1: str = ""
    address_line_2: str = ""
    city: str = ""
    postal_code: str = ""
    region: str = ""
    country: str = ""

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"

    def taken_along(self, *, company_name: str, login_email: str) -> "Profile":
        """What somebody brings into another company: who they are and how to call them.

        The first company's address, site, PIN, job and mailbox are nothing to the other one.
        """
        return Profile(
            first_name=self.first_name,
            last_name=self.last_name,
            email=login_email,
            language=self.language,
            time_zone=self.time_zone,
            company_name=company_name,
            phone=self.phone,
            alternative_phone=self.alternative_phone,
        )

    @property
    def missing(self) -> list[str]:
        """The required fields that are not known yet."""
        return [field for field in REQUIRED_OF_PROFILE if not getattr(self, field)]


@dataclass(frozen=True, slots=True)
class User:
    """A membership. `site_ids` is None where the user is not limited to sites."""

    id: UUID
    login_id: UUID
    login_email: str
    company_id: UUID
    role: Role
    site_ids: tuple[UUID, ...] | None
    profile: Profile
    created_at: datetime
    active: bool = True
    version: int = 1
    events: tuple[UserChanged, ...] = ()

    @classmethod
    def join(  # a membership has this many parts
        cls,
        user_id: UUID,
        *,
        login: Login,
        company_id: UUID,
        role: Role,
        site_id: UUID | None,
        profile: Profile,
        now: datetime,
    ) -> "User":
        """A new member of a company, whom others hear of."""
        user = cls(
            id=user_id,
            login_id=login.id,
            login_email=login.email,
            company_id=company_id,
            role=role,
            site_ids=scope_of(role, site_id),
            profile=profile,
            created_at=now,
        )
        return replace(user, events=(user.changed_event(version=1, now=now),))

    def joined_again(self, *, role: Role, site_id: UUID | None, now: datetime) -> "User":
        """A removed member who accepted a new invitation; AlreadyMember for one who was never removed."""
        if self.active:
            raise AlreadyMember
        return self._after(now, active=True, role=role, site_ids=scope_of(role, site_id))

    def with_profile(self, profile: Profile, now: datetime) -> "User":
        """With another profile; others hear of it only when something changed that they copy."""
        return self._after(now, profile=profile)

    def as_actor(self, *, company_name: str, visibility: Visibility, suspended: bool, address: str) -> Actor:
        """Who acts when this user does."""
        return Actor(
            user_id=self.id,
            login_id=self.login_id,
            company_id=self.company_id,
            company_name=company_name,
            role=self.role,
            name=self.profile.name,
            email=self.profile.email,
            login_email=self.login_email,
            language=self.profile.language,
            time_zone=self.profile.time_zone,
            visibility=visibility,
            site_ids=None if self.site_ids is None else frozenset(self.site_ids),
            main_site_id=self.profile.site_id,
            suspended=suspended,
            address=address,
        )

    def _after(self, now: datetime, **changes: Any) -> "User":  # fields of several types
        changed = replace(self, **changes)
        if changed._payload() == self._payload():
            return changed
        return replace(changed, events=(*self.events, changed.changed_event(version=self.version + 1, now=now)))

    def changed_event(self, *, version: int, now: datetime) -> UserChanged:
        """What others copy of it."""
        return UserChanged(at=now, version=version, **self._payload())

    def _payload(self) -> dict[str, Any]:
        return {
            "user_id": self.id,
            "company_id": self.company_id,
            "login_email": self.login_email,
            "contact_email": self.profile.email,
            "name": self.profile.name,
            "phone": self.profile.phone,
            "role": self.role,
            "language": self.profile.language,
            "time_zone": self.profile.time_zone,
            "site_ids": self.site_ids,
            "main_site_id": self.profile.site_id,
            "active": self.active,
        }


def scope_of(role: Role, site_id: UUID | None) -> tuple[UUID, ...] | None:
    """The site scope that an invitation's site means: administrators are never limited."""
    return None if site_id is None or role in ADMIN_ROLES else (site_id,)
