"""The HTTP bodies of identity: sessions, invitations, verification, companies, profile, sites, users."""

import re
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, Secret, StringConstraints

from shared import text
from shared.actor import Role, Visibility
from shared.schemas.base import (
    SMALL_BODY_BYTES,
    UNCHANGED,
    Address,
    Answer,
    Cleaned,
    CompanyListQuery,
    Country,
    Email,
    EmailText,
    Language,
    ListAnswer,
    ListQuery,
    Name,
    Patch,
    Phone,
    Pin,
    PostalCode,
    Request,
    Searched,
    Short,
    TimeZone,
    Utc,
    example,
    secret_schema,
)
from shared.schemas.contracts import Said

# Bounded before hashing: Argon2 over a megabyte would be a cheap way to keep the service busy.
# Not pydantic's SecretStr, whose refusals take characters for items.
Password = Annotated[Secret[Annotated[str, StringConstraints(min_length=1, max_length=1024)]], secret_schema(most=1024)]
Token = Annotated[Secret[Annotated[str, StringConstraints(min_length=1, max_length=200)]], secret_schema(most=200)]
CompanySideRole = Literal[Role.MEMBER, Role.CASE_MANAGER, Role.COMPANY_ADMIN]


_LONGEST_TYPED_CODE = 100
_WORDS_AROUND = re.compile(r"^\D+|\D+$", re.ASCII)


def _typed_code(value: object) -> object:
    """A code as people copy it: in groups, in the digits of their keyboard, with the words around it."""
    if not isinstance(value, str) or len(value) > _LONGEST_TYPED_CODE:
        return value
    code = _WORDS_AROUND.sub("", text.with_plain_letters(value))
    return "".join(char for char in code if char not in " -\t")


class SignIn(Request):
    """`POST /session`."""

    max_body_bytes: ClassVar[int] = SMALL_BODY_BYTES

    email: Email
    password: Password


class SessionUser(Answer):
    """Who is signed in."""

    id: UUID
    name: str
    first_name: str = ""
    email: EmailText
    role: Role
    company_id: UUID
    company_name: str
    language: str
    time_zone: str
    profile_complete: bool
    site_ids: list[UUID] | None = None  # the sites that a user is limited to


class MembershipAnswer(Answer):
    """A company that the login may act in, and as which user."""

    user_id: UUID
    company_name: str
    role: Role


class SessionAnswer(Answer):
    """`GET /session`, `POST /session/switch` and, without its token, `POST /session`. `memberships`: active ones."""

    user: SessionUser
    csrf_token: str
    memberships: tuple[MembershipAnswer, ...] = ()


class NewSession(SessionAnswer):
    """`POST /session` as identity answers it; the gateway puts `session_token` and `device_proofs` into cookies."""

    session_token: str
    device_proofs: str = ""


class ResolvedSession(SessionAnswer):
    """A session token turned into who acts: `actor` is the signed actor for the services."""

    actor: str


class SessionToken(Request):
    """`POST /session/resolve`, `POST /session/end`: between gateway and identity only."""

    max_body_bytes: ClassVar[int] = SMALL_BODY_BYTES

    token: Token


class SwitchSession(Request):
    """`POST /session/switch`: the session goes on as another of the login's users."""

    max_body_bytes: ClassVar[int] = SMALL_BODY_BYTES

    user_id: UUID


class AcceptInvitation(Request):
    """`POST /invitations/{code}/accept` by somebody without login; a signed-in login sends `{}`."""

    max_body_bytes: ClassVar[int] = SMALL_BODY_BYTES

    first_name: Name | None = None
    last_name: Name | None = None
    password: Password | None = None
    locale: Language | None = None


class InvitationView(Answer):
    """What the holder of an invitation's code may see."""

    email: EmailText
    company_name: str
    inviter_name: str
    has_login: bool
    awaits_code: bool = False  # accepted in this browser already: only the 6-digit code is missing
    expires_at: Utc
    time_zone: str  # the company's, as in the e-mail


class AcceptedInvitation(Answer):
    """202 `verify` (a code went out), or 200 `active` (the membership stands)."""

    state: Literal["verify", "active"]
    email: EmailText


class VerifyRegistration(Request):
    """`POST /registrations/verify`."""

    max_body_bytes: ClassVar[int] = SMALL_BODY_BYTES

    email: Email
    code: Annotated[str, StringConstraints(pattern=r"^\d{6}$"), BeforeValidator(_typed_code)]


class VerifiedRegistration(Answer):
    """The account is active now, or waits for approval; neither signs in."""

    state: Literal["active", "pending_approval"]


class ResendVerification(Request):
    """`POST /registrations/resend`; always 202."""

    max_body_bytes: ClassVar[int] = SMALL_BODY_BYTES

    email: Email


class Accepted(Answer):
    """202 with nothing to tell."""

    state: Literal["accepted"] = "accepted"


class NewInvitation(Request):
    """One address to invite."""

    email: Email
    role: CompanySideRole = Role.MEMBER
    site_id: UUID | None = None


class NewInvitations(Request):
    """`POST /invitations`, `POST /vendor/companies/{id}/invitations`."""

    model_config = example(invitations=[{"email": "luc@example.com", "role": "member"}])
    max_body_bytes: ClassVar[int] = 128 * 1024

    invitations: Annotated[list[NewInvitation], Field(min_length=1, max_length=100)]


class InvitationAnswer(Answer):
    """An invitation in lists; its code is never shown. Pending, but accepted: the address is not proven yet."""

    id: UUID
    email: EmailText
    role: Role
    site_id: UUID | None
    state: Literal["pending", "accepted", "revoked", "expired"]
    created_at: Utc
    expires_at: Utc
    accepted_at: Utc | None = None


class InvitationsAnswer(Answer):
    """The invitations that were made, one for each address."""

    items: list[InvitationAnswer]


class NewCompany(Request):
    """`POST /vendor/companies`."""

    name: Name
    time_zone: TimeZone = "UTC"
    visibility: Visibility = Visibility.COMPANY


class CompaniesQuery(ListQuery):
    """`GET /vendor/companies`; `q` are words of the name."""

    q: Searched = ""


class PinBody(Request):
    """One special-handling code; bound to an agreement, to a site, to both, or to nothing."""

    pin: Pin
    label: Name
    instructions: Annotated[str, Cleaned(most=2_000)] = ""
    said: Said | None = None
    site_id: UUID | None = None


class PinsBody(Request):
    """`PUT /vendor/companies/{id}/pins`: the whole list."""

    max_body_bytes: ClassVar[int] = 1024 * 1024  # a hundred instructions

    pins: Annotated[list[PinBody], Field(max_length=100)]


class PinAnswer(Answer):
    """A PIN as the company's users see it; its handling instructions are for agents."""

    pin: str
    label: str
    said: str | None
    site_id: UUID | None


class AssignedPin(PinAnswer):
    """A PIN as the vendor sees it."""

    instructions: str


class AssignedPins(ListAnswer[AssignedPin]):
    """The whole list of a company's PINs; `version` is the company's."""

    version: int


class ProfileBody(Address):
    """`PUT /profile`; every required field at once."""

    first_name: Name
    last_name: Name
    email: Email
    phone: Phone
    language: Language
    time_zone: TimeZone
    alternative_phone: Phone | None = None
    job_title: Short = ""
    site_id: UUID | None = None
    pin: Pin | None = None


class LanguageBody(Request):
    """`PUT /profile/language`."""

    language: Language


class ProfileQuery(Request):
    """`?dry_run=1` reviews: everything is checked, nothing is written."""

    dry_run: bool = False


class ProfileAnswer(Answer):
    """`GET /profile`: what is known so far; `missing` names the required fields that are not."""

    first_name: str
    last_name: str
    email: EmailText
    phone: str = ""
    language: str
    time_zone: str
    alternative_phone: str | None = None
    job_title: str = ""
    site_id: UUID | None = None
    pin: str | None = None
    company_name: str = ""
    address_line_1: str = ""
    address_line_2: str = ""
    city: str = ""
    postal_code: str = ""
    region: str = ""
    country: str = ""
    missing: list[str]
    version: int


class SiteBody(Address):
    """`POST /sites`."""

    name: Name


class SitePatch(Patch):
    """`PATCH /sites/{id}`."""

    name: Name = UNCHANGED
    company_name: Name = UNCHANGED
    address_line_1: Name = UNCHANGED
    address_line_2: Short = ""
    city: Name = UNCHANGED
    postal_code: PostalCode = UNCHANGED
    region: Short = ""
    country: Country = UNCHANGED
    closed: bool = UNCHANGED


class SiteAnswer(Answer):
    """A location of the company."""

    id: UUID
    name: str
    company_name: str
    address_line_1: str
    address_line_2: str = ""
    city: str
    postal_code: str
    region: str = ""
    country: str
    closed: bool
    version: int


class UserAnswer(Answer):
    """A user in the company's list."""

    id: UUID
    name: str
    email: EmailText
    role: Role
    active: bool
    site_ids: list[UUID] | None
    version: int


class SiteQuery(CompanyListQuery):
    """`GET /sites`."""

    closed: bool = False
