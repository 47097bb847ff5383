"""The table: every route of the public JSON API, whose it is, what goes in and what comes out."""

from services.gateway.forwarding import Route
from services.gateway.routes.accounts import OWN, SESSIONS
from services.gateway.routes.cases import CASES
from services.gateway.routes.company import COMPANY
from services.gateway.routes.contracts import CONTRACTS
from services.gateway.routes.live import LIVE
from services.gateway.routes.vendor import VENDOR

ROUTES: tuple[Route, ...] = (*SESSIONS, *OWN, *COMPANY, *CONTRACTS, *CASES, *LIVE, *VENDOR)
