"""Who may load what the vendor sold."""

from shared.actor import Actor
from shared.errors import Forbidden


def refuse_unless_vendor_admin(actor: Actor) -> None:
    """The catalogue, devices and agreements are loaded by vendor admins only."""
    if not actor.is_vendor_admin:
        raise Forbidden
