"""A signed-in visitor, with what the services and the forms need of the session."""

from dataclasses import dataclass, field

from shared.actor import VENDOR_ROLES
from shared.schemas.identity import MembershipAnswer, SessionUser


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody whose session identity has confirmed; `actor` is the signed actor for the services."""

    token: str = field(repr=False)
    actor: str = field(repr=False)
    user: SessionUser
    csrf_token: str = field(repr=False)
    memberships: tuple[MembershipAnswer, ...] = ()
    by_cookie: bool = True

    @property
    def is_of_vendor(self) -> bool:
        """An agent or vendor admin: every case of this visitor is for somebody else."""
        return self.user.role in VENDOR_ROLES
