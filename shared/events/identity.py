"""What identity says: users, companies and sites as others copy them; codes that somebody waits for."""

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.actor import Role, Visibility
from shared.events.base import Event, State


class UserChanged(State):
    """A user as others see it: who, in which company, with which role, reached how."""

    type: ClassVar[str] = "identity.user.changed.v1"
    user_id: UUID
    company_id: UUID
    login_email: str  # verified, lower-cased
    contact_email: str  # the profile's, else the login's; lower-cased
    name: str
    phone: str = ""
    role: Role
    language: str
    time_zone: str
    site_ids: tuple[UUID, ...] | None = None  # None: not limited to sites
    active: bool = True
    successor_id: UUID | None = None  # who takes the open cases over when the user is deactivated


class CompanyPin(BaseModel):
    """A special-handling code of a company; bound to an agreement, to a site, to both, or to nothing.

    `instructions` are for agents: whoever copies them never shows them to the customer's side.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    pin: str
    label: str
    instructions: str = ""
    said: str | None = None  # normalised
    site_id: UUID | None = None


class CompanyChanged(State):
    """A company as others see it. The instructions of its `pins` are internal to the vendor's side."""

    type: ClassVar[str] = "identity.company.changed.v1"
    company_id: UUID
    name: str
    is_vendor: bool = False
    time_zone: str
    visibility: Visibility = Visibility.COMPANY
    suspended: bool = False
    pins: tuple[CompanyPin, ...] = ()


class SiteChanged(State):
    """A location of a company with its postal address; a closed site is no longer offered."""

    type: ClassVar[str] = "identity.site.changed.v1"
    site_id: UUID
    company_id: UUID
    name: str
    company_name: str
    address_line_1: str
    address_line_2: str = ""
    city: str
    postal_code: str
    region: str = ""
    country: str
    closed: bool = False


class InvitationIssued(Event):
    """Somebody was invited, or invited again: the code of this generation goes out by e-mail."""

    type: ClassVar[str] = "identity.invitation.issued.v1"
    invitation_id: UUID
    generation: int
    company_id: UUID
    company_name: str
    email: str
    inviter_name: str
    language: str = "en"
    expires_at: AwareDatetime


class VerificationRequested(Event):
    """An address waits for its 6-digit code; the code of this generation goes out by e-mail."""

    type: ClassVar[str] = "identity.verification.requested.v1"
    verification_id: UUID
    generation: int
    company_id: UUID | None = None
    email: str
    name: str
    language: str = "en"
    expires_at: AwareDatetime
