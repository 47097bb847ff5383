"""What the HTTP of identity finds in the application, and asks in several places."""

from aiohttp import web

from services.identity.domain.access import refuse_unless_vendor_admin
from services.identity.passwords import Passwords
from shared.actor import Actor
from shared.quotas import Quota
from shared.web.requests import actor_of

SECRET = web.AppKey("secret", str)
PASSWORDS = web.AppKey("passwords", Passwords)
INVITATIONS = web.AppKey("invitations", Quota)


def vendor_admin_of(request: web.Request) -> Actor:
    """Who acts; Forbidden before what anybody else sends is read, which may be long."""
    actor = actor_of(request)
    refuse_unless_vendor_admin(actor)
    return actor
