"""HTTP of identity: parse, call, answer."""

from services.identity.api import acceptances, companies, invitations, sessions, sites, submitters, users

ROUTES = (
    *sessions.routes,
    *acceptances.routes,
    *invitations.routes,
    *users.routes,
    *submitters.routes,
    *sites.routes,
    *companies.routes,
)
