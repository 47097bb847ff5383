"""The events of identity: users, companies and sites as others copy them; codes that are sent by e-mail."""

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
    login_email: str
    """Verified; lower case."""
    contact_email: str
    """The profile's, else the login's; lower case."""
    name: str
    phone: str = ""
    """E.164, or empty."""
    role: Role
    language: str
    time_zone: str
    """IANA name."""
    site_ids: tuple[UUID, ...] | None = None
    """The sites that the user is limited to; None for no limit."""
    main_site_id: UUID | None = None
    """The site in the user's profile."""
    active: bool = True
    successor_id: UUID | None = None
    """Who takes the open cases over when the user is deactivated."""


class CompanyPin(BaseModel):
    """A special-handling code of a company; bound to an agreement, to a site, to both, or to nothing.

    `instructions` are for agents: a service that copies them never shows them to customers.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    pin: str
    """Upper case."""
    label: str
    instructions: str = ""
    """For agents only."""
    said: str | None = None
    """Normalised; of the agreement that it is bound to."""
    site_id: UUID | None = None
    """Of the site that it is bound to."""


class CompanyHours(BaseModel):
    """When a company works, by the clocks of its time zone."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    days: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Of the week; 1 is Monday."""
    start: str = "08:00"
    end: str = "18:00"
    """24:00 for the end of the day."""


class CompanyChanged(State):
    """A company as others see it. The instructions of its `pins` are internal to the vendor's side."""

    type: ClassVar[str] = "identity.company.changed.v1"
    company_id: UUID
    name: str
    is_vendor: bool = False
    """The one that runs the portal."""
    time_zone: str
    """IANA name; days of coverage are counted in it."""
    visibility: Visibility = Visibility.COMPANY
    """Which cases of their colleagues its members see."""
    suspended: bool = False
    """Its users are locked out, and get no e-mail that could be opted out of."""
    pins: tuple[CompanyPin, ...] = ()
    working_hours: CompanyHours = CompanyHours()
    """In which a first answer may have been promised."""


class SiteChanged(State):
    """A location of a company with its postal address; a closed site is no longer offered."""

    type: ClassVar[str] = "identity.site.changed.v1"
    site_id: UUID
    company_id: UUID
    name: str
    company_name: str
    """The name in the postal address."""
    address_line_1: str
    address_line_2: str = ""
    city: str
    postal_code: str
    region: str = ""
    country: str
    """ISO 3166-1, two letters."""
    closed: bool = False
    """No longer offered; cases that name it keep it."""


class AccountFact(Event):
    """What every event carries that makes an e-mail to one address, about how somebody gets in."""

    company_id: UUID | None = None
    """Of the company that the person belongs to or joins, where that is known."""
    email: str
    """Where the e-mail goes."""
    name: str = ""
    """Of the person, where that is known."""
    language: str = "en"
    """In which to write."""
    expires_at: AwareDatetime
    """When the code stops working."""
    generation: int
    """Counted up each time the e-mail is sent again: the code is derived from it, and older codes are worth nothing."""


class InvitationIssued(AccountFact):
    """Somebody was invited, or invited again: the code of this generation goes out by e-mail."""

    type: ClassVar[str] = "identity.invitation.issued.v1"
    invitation_id: UUID
    company_id: UUID
    """Of the company that the person is invited to."""
    company_name: str
    inviter_name: str


class VerificationRequested(AccountFact):
    """An address waits for its 6-digit code; the code of this generation goes out by e-mail."""

    type: ClassVar[str] = "identity.verification.requested.v1"
    verification_id: UUID
    name: str
    """Of the person."""
