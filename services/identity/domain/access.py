"""Who may administer what."""

from shared.actor import Actor, Role
from shared.errors import Forbidden, VendorAdminsOnly


class CompanyAdminsOnly(Forbidden):
    """Whoever administers no company."""

    reason = "company_admins_only"
    title = "Only an administrator of the company may do this."


class NotForColleagues(Forbidden):
    """A member creates no case for somebody else, so members need not know for whom one could."""

    reason = "for_colleague"
    title = "Only case managers and administrators can create cases for colleagues."


def refuse_unless_company_admin(actor: Actor) -> None:
    """Invites into the own company."""
    if not actor.is_company_admin:
        raise CompanyAdminsOnly


def refuse_unless_admin(actor: Actor) -> None:
    """Administers the own company, which for a vendor admin is the vendor."""
    if not (actor.is_company_admin or actor.is_vendor_admin):
        raise CompanyAdminsOnly


def refuse_unless_vendor_admin(actor: Actor) -> None:
    """Administers every company."""
    if not actor.is_vendor_admin:
        raise VendorAdminsOnly


def refuse_unless_vendor(actor: Actor) -> None:
    """Sees every company."""
    if not actor.is_vendor:
        raise Forbidden


def refuse_unless_creates_for_others(actor: Actor) -> None:
    """Creates cases for colleagues, or for the users of any company."""
    if actor.role is Role.MEMBER:
        raise NotForColleagues
