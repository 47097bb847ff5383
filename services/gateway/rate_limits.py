"""Limits of this replica: how fast requests of one user, company or network go on, and how many at once.

Each replica counts what passes through it, in memory. Whoever is a little too fast waits; far too many are refused.
"""

import asyncio
import math
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import Counter

from services.gateway.middleware import API, is_api, is_for_anybody
from services.gateway.session import SAFE_METHODS, SESSIONS, set_visitor, token_of
from services.gateway.settings import GatewaySettings
from services.gateway.visitor import Visitor
from shared.addresses import network_of
from shared.errors import TooManyRequests
from shared.logging import origin
from shared.web.app import Handler

# A client that was quiet for so long may send as much as that at once.
BURST_S = 4.0
# People do not notice more; a longer wait is refused and said.
LONGEST_WAIT_S = 2.0
LONGEST_IN_LINE_S = 5.0
MOST_IN_LINE = 100
_TRY_AGAIN_S = 2
_MOST_KNOWN = 10_000
_FILES = "/attachments"
_SHEETS = (".xlsx", ".csv", "/file")
_EVENTS = f"{API}/events"
# The form sends three at once, while a sheet may be on its way.
_FILES_AT_ONCE = 4
_SENDING_AT_ONCE = 4
_LONG_LIST = 50  # rows
_LONG_LIST_COUNTS_AS = 5  # requests
_SHORT = re.compile(r"[0-9]{1,2}")

_refused = Counter("portico_requests_refused_total", "Requests refused because too many came", ["share"])


class TooManyAtOnce(TooManyRequests):
    """More requests of a user, company or network than this replica takes."""

    reason = "requests"
    title = "Too many requests came at once. Please wait a moment, then try again."


class RateLimit:
    """So many requests a second for each key, and those of four seconds at once after a quiet time; 0 for no bound.

    Bounded in memory: of too many keys those are forgotten that have been quiet longest.
    """

    def __init__(
        self, share: str, per_s: float, *, size: int = _MOST_KNOWN, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`share` is whose limit it is, for the metric."""
        self._share = share
        self._per_s = per_s
        self._size = size
        self._clock = clock
        # When the requests so far would all have come, had they come one after the other at this pace.
        self._due: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """How long to wait for a turn; TooManyAtOnce where that would be too long."""
        if not self._per_s:
            return 0.0
        now = self._clock()
        wait_s = self._due_at(key, now) - now - BURST_S
        if wait_s > LONGEST_WAIT_S:
            _refused.labels(self._share).inc()
            raise TooManyAtOnce(retry_after_s=math.ceil(wait_s))
        return max(0.0, wait_s)

    def count(self, key: str, *, requests: int = 1) -> None:
        """The turn is taken, and counts as so many requests."""
        if not self._per_s:
            return
        self._due[key] = self._due_at(key, self._clock()) + requests / self._per_s
        self._due.move_to_end(key)
        if len(self._due) > self._size:
            self._due.popitem(last=False)

    def _due_at(self, key: str, now: float) -> float:
        return max(self._due.get(key, now), now)


async def wait_for_turn(limits: Sequence[tuple[RateLimit, str]], *, requests: int = 1) -> None:
    """Waits until all limits let these keys on; TooManyAtOnce, and none counts, where one has too many."""
    wait_s = max((limit.wait_s(key) for limit, key in limits), default=0.0)
    for limit, key in limits:
        limit.count(key, requests=requests)
    if wait_s:
        await asyncio.sleep(wait_s)


@dataclass(slots=True)
class _Line:
    places: asyncio.Semaphore
    here: int = 0  # with a place, or waiting for one


class ConcurrencyLimit:
    """So many requests at once for each key; a few more wait in line, the others are refused. 0 for no bound."""

    def __init__(self) -> None:
        """One per process."""
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def one(self, key: str, *, of: int) -> AsyncIterator[None]:
        """One of a key's places, for as long as the context lasts; TooManyAtOnce where none gets free in time."""
        if not of:
            yield
            return
        line = self._lines.setdefault(key, _Line(asyncio.Semaphore(of)))
        if line.here >= of + MOST_IN_LINE:
            raise _nothing_free()
        line.here += 1
        try:
            await _wait_in(line)
            try:
                yield
            finally:
                line.places.release()
        finally:
            line.here -= 1
            if not line.here:
                del self._lines[key]


async def _wait_in(line: _Line) -> None:
    try:
        async with asyncio.timeout(LONGEST_IN_LINE_S):
            await line.places.acquire()
    except TimeoutError:
        raise _nothing_free() from None


def _nothing_free() -> TooManyAtOnce:
    _refused.labels("at_once").inc()
    return TooManyAtOnce(retry_after_s=_TRY_AGAIN_S)


class RequestLimits:
    """What the settings say of all this; one per process."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Nobody has been seen yet."""
        self._users = RateLimit("user", settings.user_requests_per_s)
        self._companies = RateLimit("company", settings.company_requests_per_s)
        self._networks = RateLimit("network", settings.network_requests_per_s)
        self._static = RateLimit("static", settings.static_requests_per_s)
        self._places = ConcurrencyLimit()
        self._at_once = settings.user_requests_at_once

    @asynccontextmanager
    async def of_user(self, visitor: Visitor, request: web.Request) -> AsyncIterator[None]:
        """The turn of a signed-in user; each user of the vendor counts alone."""
        user, requests = visitor.user, _LONG_LIST_COUNTS_AS if _is_long_list(request) else 1
        limits = [(self._users, str(user.id))]
        if not visitor.is_of_vendor:
            limits.append((self._companies, str(user.company_id)))
        await wait_for_turn(limits, requests=requests)
        async with self._place(str(user.id), request):
            yield

    @asynccontextmanager
    async def of_stranger(self, token: str, request: web.Request) -> AsyncIterator[None]:
        """The turn of a client without a known session; it may have a token that was not looked up yet."""
        await _wait_for_network(self._networks)
        if not token:
            yield
            return
        async with self._place(f"session {token}", request):
            yield

    async def of_static(self) -> None:
        """The turn of a stylesheet, module or icon; it counts for the client's network."""
        await _wait_for_network(self._static)

    def _place(self, whose: str, request: web.Request) -> AbstractAsyncContextManager[None]:
        """Of quick requests, of files, of long lists, or of what is still being sent: each has places of its own.

        A stream of live updates needs none: it has bounds of its own (`live.py`).
        """
        if request.path == _EVENTS:
            return nullcontext()
        if _is_long_list(request):
            return self._places.one(f"{whose} list", of=min(1, self._at_once))
        if _is_file(request):
            return self._places.one(f"{whose} file", of=_FILES_AT_ONCE if self._at_once else 0)
        if _is_being_sent(request):
            return self._places.one(f"{whose} sending", of=_SENDING_AT_ONCE if self._at_once else 0)
        return self._places.one(whose, of=self._at_once)


async def _wait_for_network(limit: RateLimit) -> None:
    network = network_of(origin.get().address)
    # Whom a proxy does not name counts as nobody: all of them together are no client.
    await wait_for_turn([(limit, network)] if network else [])


def _is_file(request: web.Request) -> bool:
    """On a slow line it takes minutes, in which its user does other things."""
    brings_some = request.method == "POST" and request.content_type.startswith("multipart/")
    return brings_some or request.path.endswith(_SHEETS) or _FILES in request.path


def _is_being_sent(request: web.Request) -> bool:
    """A tab on a bad line sends a form for seconds, and no page of the same user waits for that."""
    return request.method not in SAFE_METHODS and not request.content.is_eof()


def _is_long_list(request: web.Request) -> bool:
    """It costs as much as many short ones."""
    # A service reads other spellings of a number too (200.0, +200, 2_00): whatever is not plainly short is long.
    limit = request.query.get("limit", str(_LONG_LIST))
    return _SHORT.fullmatch(limit) is None or int(limit) > _LONG_LIST


LIMITS = web.AppKey("request_limits", RequestLimits)
_REFUSED: web.RequestKey[TooManyAtOnce] = web.RequestKey("refused", TooManyAtOnce)


@web.middleware
async def limit_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """No service is asked before the request has its turn; where it gets none, a page says so further inside."""
    if is_for_anybody(request):
        await request.app[LIMITS].of_static()
        return await handler(request)
    sessions, limits = request.app[SESSIONS], request.app[LIMITS]
    token = token_of(request)
    visitor = sessions.remembered(token)
    async with AsyncExitStack() as turn:
        try:
            await turn.enter_async_context(
                limits.of_user(visitor, request) if visitor is not None else limits.of_stranger(token, request)
            )
        except TooManyAtOnce as refusal:
            if is_api(request):
                raise
            request[_REFUSED] = refusal
            # The page that says so is written for whom we know already: no service is asked.
            set_visitor(request, visitor)
        return await handler(request)


@web.middleware
async def refuse_over_limit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Where a refusal becomes a page, and what was typed is kept."""
    if _REFUSED in request:
        raise request[_REFUSED]
    return await handler(request)
