"""Wires identity together."""

from collections.abc import AsyncIterator

from aiohttp import web

from services.identity import store
from services.identity.api import ROUTES
from services.identity.api.app_keys import INVITATIONS, PASSWORDS, SECRET
from services.identity.consumers import SUBSCRIPTIONS
from services.identity.passwords import Passwords
from services.identity.settings import IdentitySettings
from shared.service import ServiceSpec, create_service


def create_app(settings: IdentitySettings) -> web.Application:
    """The application, ready to be served."""
    parts = ServiceSpec(
        name="identity",
        routes=ROUTES,
        emits=store.EMITTING,
        create_indexes=store.create_indexes,
        subscriptions=SUBSCRIPTIONS,
    )
    app = create_service(parts, settings)
    app[INVITATIONS] = settings.invitations
    app[SECRET] = settings.secret_key
    app[PASSWORDS] = passwords = Passwords()

    async def close_passwords(_app: web.Application) -> AsyncIterator[None]:
        yield
        passwords.close()

    app.cleanup_ctx.append(close_passwords)
    return app
