"""Sessions at the door: the cookie, who stands behind it, and the proof that a change was meant."""

import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from services.gateway.clients import SERVICES, ServiceAway, Services
from services.gateway.visitor import Visitor
from shared import errors
from shared.logging import Origin, origin
from shared.schemas.identity import ResolvedSession
from shared.web import IDEMPOTENCY_HEADER

__all__ = [
    "SESSIONS",
    "CrossSiteRequest",
    "OldForm",
    "Sessions",
    "Visitor",
    "clear_session_cookie",
    "end_session",
    "refuse_cross_site",
    "refuse_without_csrf",
    "set_session_cookie",
    "signed_in",
    "visitor_of",
]

COOKIE_MAX_AGE_S = 30 * 24 * 3600
FRESH_S = 1.0
STALE_S = 30.0  # while identity is unreachable
RESOLVED_WITHIN_S = 3.0  # what was asked for then still has its own 5 s, and all of it is answered within 10
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,100}")
_OWN_SITE = frozenset({"same-origin", "none"})


class CrossSiteRequest(errors.Forbidden):
    """Another site sent the visitor's browser here, or a form is older than its session."""

    code = "csrf"
    title = "This request did not come from a current page of the portal. Please reload the page and try again."


class OldForm(CrossSiteRequest):
    """The form came from this site, but not from this session, or from it in another company.

    Its visitor may send it again with a current token.
    """


@dataclass(slots=True)
class _Known:
    visitor: Visitor
    vouched_at: float
    ask_again_at: float


class Sessions:
    """Tokens turned into visitors by identity, remembered for a second; bounded."""

    def __init__(self, *, base_url: str, size: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        """`base_url` decides whether the cookie is for TLS only."""
        self.secure = base_url.startswith("https://")
        self.cookie = "__Host-portico" if self.secure else "portico"
        self.own_host = urlsplit(base_url).netloc
        self._size = size
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def visitor(self, services: Services, token: str) -> Visitor | None:
        """Who the token stands for; None for nobody. Unavailable when identity is away and did not vouch lately."""
        known = self._known.get(token)
        if known is not None and self._clock() < known.ask_again_at:
            return known.visitor
        try:
            visitor = await _resolve(services, token)
        except errors.Unavailable:
            return self._vouched_lately(known)
        if visitor is None:
            self.forget(token)
        else:
            self._remember(token, visitor)
        return visitor

    def forget(self, token: str) -> None:
        """The session has ended, or goes on as somebody else."""
        self._known.pop(token, None)

    def _vouched_lately(self, known: _Known | None) -> Visitor:
        if known is None or self._clock() - known.vouched_at > STALE_S:
            raise ServiceAway("identity")
        known.ask_again_at = self._clock() + FRESH_S
        return known.visitor

    def _remember(self, token: str, visitor: Visitor) -> None:
        now = self._clock()
        self._known[token] = _Known(visitor, now, now + FRESH_S)
        self._known.move_to_end(token)
        while len(self._known) > self._size:
            self._known.popitem(last=False)


SESSIONS = web.AppKey("sessions", Sessions)


async def _resolve(services: Services, token: str) -> Visitor | None:
    # Resolving changes nothing, so it may be repeated: the key says so to the client.
    once = {IDEMPOTENCY_HEADER: secrets.token_urlsafe(16)}
    reply = await services.call(
        "identity",
        "POST",
        "/session/resolve",
        visitor=None,
        json={"token": token},
        headers=once,
        within_s=RESOLVED_WITHIN_S,
    )
    if reply.status == errors.NotSignedIn.status:
        return None
    if not reply.ok:
        raise ServiceAway("identity")
    session = ResolvedSession.model_validate_json(reply.body)
    return Visitor(
        token=token,
        actor=session.actor,
        user=session.user,
        csrf_token=session.csrf_token,
        memberships=session.memberships,
    )


async def visitor_of(request: web.Request) -> Visitor | None:
    """Who is signed in, or None; from now on logs name that user."""
    token = request.cookies.get(request.app[SESSIONS].cookie, "")
    if not _TOKEN.fullmatch(token):
        return None
    visitor = await request.app[SESSIONS].visitor(request.app[SERVICES], token)
    if visitor is not None:
        current = origin.get()
        origin.set(Origin(current.request_id, str(visitor.user.id), current.address))
    return visitor


async def signed_in(request: web.Request) -> Visitor:
    """Who is signed in, or NotSignedIn."""
    visitor = await visitor_of(request)
    if visitor is None:
        raise errors.NotSignedIn
    return visitor


async def end_session(request: web.Request, visitor: Visitor) -> None:
    """Ends the visitor's session at identity and here; Unavailable when identity is away."""
    reply = await request.app[SERVICES].call(
        "identity", "POST", "/session/end", visitor=visitor, json={"token": visitor.token}
    )
    if not reply.ok and reply.status != errors.NotSignedIn.status:
        raise ServiceAway("identity")
    request.app[SESSIONS].forget(visitor.token)


def refuse_without_csrf(request: web.Request, visitor: Visitor, given: str | None) -> None:
    """CrossSiteRequest unless a change by cookie comes from this site; OldForm without the session's own token."""
    if not visitor.by_cookie:
        return
    refuse_cross_site(request)
    if not hmac.compare_digest((given or "").encode(errors="replace"), visitor.csrf_token.encode()):
        raise OldForm


def refuse_cross_site(request: web.Request) -> None:
    """CrossSiteRequest when the browser says that another site sent it."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in _OWN_SITE:
            raise CrossSiteRequest
        return
    # Our own pages say `null`: they are sent with `Referrer-Policy: no-referrer`.
    source = request.headers.get("Origin", "null")
    hosts = {request.app[SESSIONS].own_host, request.host}
    if source != "null" and source.partition("://")[2] not in hosts:
        raise CrossSiteRequest


def set_session_cookie(request: web.Request, response: web.StreamResponse, token: str) -> None:
    """The browser keeps the session; no script can read it."""
    sessions = request.app[SESSIONS]
    response.set_cookie(
        sessions.cookie,
        token,
        max_age=COOKIE_MAX_AGE_S,
        path="/",
        secure=sessions.secure,
        httponly=True,
        samesite="Lax",
    )


def clear_session_cookie(request: web.Request, response: web.StreamResponse) -> None:
    """The browser forgets the session."""
    sessions = request.app[SESSIONS]
    response.del_cookie(sessions.cookie, path="/", secure=sessions.secure, httponly=True, samesite="Lax")
