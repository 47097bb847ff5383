"""Wires the parts of notifications together."""

from aiohttp import web

from services.notifications import store
from services.notifications.api import SECRET, routes
from services.notifications.brand import Brand
from services.notifications.consumers import subscriptions
from services.notifications.mailer import Mailer
from services.notifications.pace import Pace
from services.notifications.sender import Sender
from services.notifications.settings import NotificationsSettings
from services.notifications.smtp import MailServer
from shared import topology
from shared.service import ServiceSpec, create_service


def create_app(settings: NotificationsSettings, pace: Pace | None = None) -> web.Application:
    """The notifications service, ready to be served; tests give it a faster `pace`."""
    mailer = Mailer(
        mail_from=settings.mail_from,
        base_url=settings.base_url,
        secret_key=settings.secret_key,
        brand=Brand(settings.brand_name, settings.brand_accent),
    )
    limits = store.StrangerLimits(settings.stranger_mails_per_user, settings.stranger_mails_per_company)
    server = MailServer(
        settings.smtp_url, own_host=mailer.host, tls=settings.smtp_tls, authority=settings.smtp_authority
    )
    sender = Sender(mailer, server, limits, pace)
    parts = ServiceSpec(
        name="notifications",
        routes=routes,
        emits=[],
        create_indexes=store.create_indexes,
        queue=topology.NOTIFICATIONS,
        subscriptions=subscriptions(sender.put),
        degraded=sender.degraded,
        background=[sender.run],
    )
    app = create_service(parts, settings)
    app[SECRET] = settings.secret_key
    return app
