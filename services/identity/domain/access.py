"""Who may administer what."""

from shared.actor import Actor
from shared.errors import Forbidden, VendorAdminsOnly


class CompanyAdminsOnly(Forbidden):
    """Whoever administers no company."""

    reason = "company_admins_only"
    title = "Only an administrator of the company may do this."


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
