"""Who acts: a user of one company with a role; pure."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.errors import NotFound, VendorAdminsOnly


class Role(StrEnum):
    """What a user may do; the first three stand on the company's side, the last two on the vendor's."""

    MEMBER = "member"
    CASE_MANAGER = "case_manager"
    COMPANY_ADMIN = "company_admin"
    AGENT = "agent"
    VENDOR_ADMIN = "vendor_admin"


VENDOR_ROLES = frozenset({Role.AGENT, Role.VENDOR_ADMIN})


class Visibility(StrEnum):
    """What a company's members see of their colleagues' cases."""

    COMPANY = "company"
    SITE = "site"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in user, as identity confirmed it.

    `site_ids` is None where the user is not limited to sites. `main_site_id` is the site in the user's profile.
    """

    user_id: UUID
    login_id: UUID
    company_id: UUID
    company_name: str
    role: Role
    name: str
    email: str  # where case mail goes: the profile's contact e-mail, else the login
    login_email: str  # the verified address the person signs in with
    language: str = "en"
    time_zone: str = "UTC"
    visibility: Visibility = Visibility.COMPANY
    site_ids: frozenset[UUID] | None = None
    main_site_id: UUID | None = None
    suspended: bool = False
    may_write: bool = True  # False for an API token of read scope
    address: str = ""  # the network address the request came from

    @property
    def is_vendor(self) -> bool:
        """An agent or vendor admin."""
        return self.role in VENDOR_ROLES

    @property
    def is_vendor_admin(self) -> bool:
        """May administer every company."""
        return self.role is Role.VENDOR_ADMIN

    @property
    def is_company_admin(self) -> bool:
        """May administer the own company."""
        return self.role is Role.COMPANY_ADMIN

    def company_to_read(self, named: UUID | None) -> UUID:
        """The company whose things are asked for: the own one, or any that the vendor's side names; else NotFound."""
        if named in (None, self.company_id):
            return self.company_id
        if not self.is_vendor:
            raise NotFound
        return named

    def company_to_change(self, named: UUID | None) -> UUID:
        """As `company_to_read`, for changes: VendorAdminsOnly for an agent who names another company."""
        company_id = self.company_to_read(named)
        if company_id != self.company_id and not self.is_vendor_admin:
            raise VendorAdminsOnly
        return company_id
