"""Sessions: the cookie, the visitor behind it, and the proof that a change was meant."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from services.gateway.address import ADDRESS
from services.gateway.clients import SERVICES, Services, ServiceUnavailable
from services.gateway.cookies import COOKIES
from services.gateway.csrf import proves
from services.gateway.resolving import RESOLVED_WITHIN_S, Question, resolve
from services.gateway.visitor import Visitor
from shared import errors
from shared.batches import Batches
from shared.bus import Hint
from shared.logging import Origin, origin
from shared.schemas.sessions import MOST_RESOLVED
from shared.web.app import Handler

__all__ = [
    "OWN_SITE",
    "SAFE_METHODS",
    "SESSIONS",
    "SESSION_COOKIE",
    "CrossSiteRequest",
    "OldForm",
    "OpenedElsewhere",
    "Sessions",
    "Visitor",
    "clear_session_cookie",
    "end_session",
    "refresh_after_changes",
    "refuse_cross_site",
    "refuse_without_csrf",
    "set_session_cookie",
    "signed_in",
    "token_of",
    "visitor_if_known",
    "visitor_of",
]

SESSION_COOKIE = "portico"
COOKIE_MAX_AGE_S = 30 * 24 * 3600
FRESH_S = 1.0
STALE_S = 30.0  # while identity is unreachable
_PACE_S = 0.005  # of questions to identity: what comes meanwhile is asked together
SAFE_METHODS = frozenset({"GET", "HEAD"})
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,100}")
OWN_SITE = frozenset({"same-origin", "none"})


class CrossSiteRequest(errors.Forbidden):
    """Another site sent the visitor's browser here, or a form is older than its session."""

    code = "csrf"
    title = "This request did not come from a current page of the portal. Please reload the page and try again."


class OpenedElsewhere(CrossSiteRequest):
    """The page may be one of ours, but it was not opened at the portal's address: any host may lead here."""

    reason = "address"
    title = "Open the portal at its own address: PORTICO_BASE_URL is another than the one that was used."


class OldForm(CrossSiteRequest):
    """The form came from this site, but not from this session, or from it in another company.

    Its visitor may send it again with a current token.
    """


@dataclass(slots=True)
class _Remembered:
    visitor: Visitor
    requested_at: float
    confirmed_at: float
    fresh_until: float
    changed_at: float = 0.0  # what identity was asked before that may be old
    changed_by: str | None = None  # the request id of that change


@dataclass(frozen=True, slots=True)
class _Hinted:
    at: float
    request_id: str


class Sessions:
    """Visitors by session token, as identity tells them: remembered for a second, but not over a change; bounded."""

    def __init__(
        self,
        services: Services,
        *,
        size: int = 10_000,
        fresh_s: float = FRESH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """For `fresh_s` identity is not asked again."""
        self._questions: Batches[Question, Visitor | None] = Batches(
            partial(resolve, services), at_most=MOST_RESOLVED, pace_s=_PACE_S
        )
        self._size = size
        self._fresh_s = fresh_s
        self._clock = clock
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()
        self._hinted: OrderedDict[str, _Hinted] = OrderedDict()  # by the id of a user or company

    def remembered(self, token: str) -> Visitor | None:
        """Whom identity has confirmed for this token before, however long ago."""
        entry = self._remembered.get(token)
        return None if entry is None else entry.visitor

    async def visitor(self, token: str, *, refresh: bool = False) -> Visitor | None:
        """Whose session the token is; None for an unknown one. `refresh` asks identity whatever is remembered.

        It is asked after this was called: a question that is under way answers nobody who comes later.
        Unavailable when identity is away and did not confirm it lately.
        """
        entry = self._remembered.get(token)
        requested_at = self._clock()
        if entry is not None and not refresh and requested_at < entry.fresh_until and not self._is_outdated(entry):
            return entry.visitor
        current = origin.get()
        try:
            async with asyncio.timeout(RESOLVED_WITHIN_S):
                visitor = await self._questions.do(Question(token, current.address, current.request_id))
        except (errors.Unavailable, TimeoutError):
            return self._confirmed_lately(self._remembered.get(token))
        if visitor is None:
            self.forget(token)
        else:
            self._remember(token, visitor, requested_at)
        return visitor

    def forget(self, token: str) -> None:
        """The session has ended, or continues as another user."""
        self._remembered.pop(token, None)

    def mark_changed(self, token: str, *, request_id: str) -> None:
        """The visitor may have changed something: identity is asked before its word is used again.

        Not forgotten: while identity is unavailable, its word still holds.
        """
        if (entry := self._remembered.get(token)) is not None:
            entry.changed_at = entry.fresh_until = self._clock()
            entry.changed_by = request_id

    def apply_hint(self, hint: Hint) -> None:
        """A user or a company has changed, on whatever replica: what identity said of them before is not used again."""
        now = self._clock()
        self._hinted[hint.id] = _Hinted(now, hint.request_id)
        self._hinted.move_to_end(hint.id)
        # What is remembered was asked for at most this long before.
        while now - next(iter(self._hinted.values())).at > RESOLVED_WITHIN_S + self._fresh_s + 1:
            self._hinted.popitem(last=False)

    def _is_outdated(self, entry: _Remembered) -> bool:
        user = entry.visitor.user
        hints = [self._hinted.get(str(changed)) for changed in (user.id, user.company_id)]
        # The visitor's own change, made through this replica, was asked about after it was done.
        return any(hint and hint.at >= entry.requested_at and hint.request_id != entry.changed_by for hint in hints)

    def _confirmed_lately(self, entry: _Remembered | None) -> Visitor:
        if entry is None or self._clock() - entry.confirmed_at > STALE_S:
            raise ServiceUnavailable("identity")
        entry.requested_at = self._clock()
        entry.fresh_until = entry.requested_at + self._fresh_s
        return entry.visitor

    def _remember(self, token: str, visitor: Visitor, requested_at: float) -> None:
        now = self._clock()
        before = self._remembered.get(token)
        changed_at, changed_by = (before.changed_at, before.changed_by) if before is not None else (0.0, None)
        fresh_s = self._fresh_s if requested_at >= changed_at else 0.0
        self._remembered[token] = _Remembered(visitor, requested_at, now, now + fresh_s, changed_at, changed_by)
        self._remembered.move_to_end(token)
        while len(self._remembered) > self._size:
            self._remembered.popitem(last=False)


SESSIONS = web.AppKey("sessions", Sessions)
_VISITOR: web.RequestKey[Visitor | errors.Unavailable | None] = web.RequestKey("visitor")


def token_of(request: web.Request) -> str:
    """The session's token in the request's cookie; empty for what cannot be one."""
    return request.app[COOKIES].read(request, SESSION_COOKIE, _TOKEN)


async def visitor_of(request: web.Request) -> Visitor | None:
    """Who is signed in, or None; from now on logs name that user. Identity is asked once for a request."""
    token = token_of(request)
    if not token:
        return None
    if _VISITOR not in request:
        request[_VISITOR] = await _ask(request, token)
    visitor = request[_VISITOR]
    if isinstance(visitor, errors.Unavailable):
        raise visitor
    if visitor is not None:
        current = origin.get()
        origin.set(Origin(current.request_id, str(visitor.user.id), current.address))
    return visitor


async def visitor_if_known(request: web.Request) -> Visitor | None:
    """Who is signed in, for what anybody may read: None also while identity is away."""
    try:
        return await visitor_of(request)
    except errors.Refusal:
        return None


def set_visitor(request: web.Request, visitor: Visitor | None) -> None:
    """Sets the visitor of this request, so that identity is not asked."""
    request[_VISITOR] = visitor


async def _ask(request: web.Request, token: str) -> Visitor | errors.Unavailable | None:
    try:
        return await request.app[SESSIONS].visitor(token, refresh=_needs_refresh(request))
    except errors.Unavailable as away:
        return away


def _needs_refresh(request: web.Request) -> bool:
    """A change is made as whoever the visitor is now, and a page that says what was done shows it, on every replica."""
    return request.method not in SAFE_METHODS or "done" in request.query


@web.middleware
async def refresh_after_changes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What a visitor has changed is there when they look next: the answer goes out after this."""
    try:
        return await handler(request)
    finally:
        if request.method not in SAFE_METHODS:
            request.app[SESSIONS].mark_changed(token_of(request), request_id=origin.get().request_id)


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
        raise ServiceUnavailable("identity")
    request.app[SESSIONS].forget(visitor.token)


def refuse_without_csrf(request: web.Request, visitor: Visitor, given: str | None) -> None:
    """CrossSiteRequest unless a change by cookie comes from this site; OldForm without the session's own token."""
    if not visitor.by_cookie:
        return
    refuse_cross_site(request)
    if not proves(given or "", visitor.csrf_token):
        raise OldForm


def refuse_cross_site(request: web.Request) -> None:
    """CrossSiteRequest when the browser says that another site sent it."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in OWN_SITE:
            raise CrossSiteRequest
        return
    # Our own pages say `null`: they are sent with `Referrer-Policy: no-referrer`.
    source = request.headers.get("Origin", "null")
    # Never by the request's own Host header, which the sender may choose.
    address = request.app[ADDRESS]
    if source == "null" or address.is_own_origin(source):
        return
    if source.lower().partition("://")[2] == request.host.lower():
        address.note_not_in_use(request)
        raise OpenedElsewhere(params={"base_url": address.base_url})
    raise CrossSiteRequest


def set_session_cookie(request: web.Request, response: web.StreamResponse, token: str) -> None:
    """The browser keeps the session. The one that it had may be over."""
    request.app[SESSIONS].forget(token_of(request))
    request.app[COOKIES].keep(response, SESSION_COOKIE, token, max_age_s=COOKIE_MAX_AGE_S)


def clear_session_cookie(request: web.Request, response: web.StreamResponse) -> None:
    """The browser forgets the session."""
    request.app[COOKIES].forget(response, SESSION_COOKIE)
