"""One row of the table at work: who asks, may this browser ask it, then the owner's answer as it is."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Literal

from aiohttp import web
from pydantic import BaseModel

from services.gateway import streams, uploads
from services.gateway.clients import SERVICES, Reply, Service, fill
from services.gateway.middleware import API
from services.gateway.session import (
    SAFE_METHODS,
    Visitor,
    refuse_cross_site,
    refuse_without_csrf,
    signed_in,
    visitor_of,
)
from shared import errors
from shared.bodies import read_bytes
from shared.schemas.base import SMALL_BODY_BYTES, Body, Request
from shared.web.requests import read_query

CSRF_HEADER = "X-CSRF-Token"
# Nothing else that a client sends gets past the door, so no header can claim to come from inside.
_PASSED_ON = ("Content-Type", "If-Match", "Idempotency-Key", "Accept-Language")


class Access(Enum):
    """Who may use a row."""

    ANYBODY = auto()  # a session makes no difference
    SESSION_OPTIONAL = auto()
    SIGNED_IN = auto()


class TokenNotValid(errors.NotSignedIn):
    """An API token that belongs to no user."""

    reason = "token"
    title = "This token is not valid."


Handler = Callable[[web.Request, "Route"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A public route below /api/v1 and the internal route that answers it; the paths are the same."""

    method: str
    path: str
    service: Service
    summary: str
    status: int = 200
    other_statuses: tuple[int, ...] = ()  # of other successes
    body: type[Body] | None = None
    query: type[BaseModel] | None = None  # without one, every parameter is refused
    answer: type[BaseModel] | None = None
    files: str | None = None  # the name of the multipart parts that hold files, where these are the body
    media_type: str = "application/json"  # of a success
    access: Access = Access.SIGNED_IN
    if_match: Literal["", "version", "any"] = ""  # "any" also takes `*`
    etag: bool = False  # whether a success has one
    takes_key: bool = False  # an Idempotency-Key
    sorts: tuple[str, ...] = ()  # what a list can be sorted by
    refusals: Mapping[int, tuple[str, ...]] = field(default_factory=dict)  # codes beside those that follow from above
    handler: Handler | None = None  # code of its own, where passing on is not enough

    @property
    def name(self) -> str:
        """How the table, the documentation and the authorization matrix call it."""
        return f"{self.method} {self.path}"

    @property
    def max_body_bytes(self) -> int:
        """How long a body may be, as its owner has it; a file streams through and has a limit of its own."""
        return SMALL_BODY_BYTES if self.body is None else self.body.max_body_bytes


def add_routes(app: web.Application, routes: tuple[Route, ...]) -> None:
    """Every row below /api/v1."""
    for route in routes:
        handler = _handler_of(route)
        if route.method == "GET":
            app.router.add_get(API + route.path, handler)
        else:
            app.router.add_route(route.method, API + route.path, handler)


def _handler_of(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    serve = route.handler or forward

    async def handle(request: web.Request) -> web.StreamResponse:
        # What a row has parameters for, its owner reads.
        if route.query is None and request.query_string:
            await allowed_visitor(request, route)  # who may not ask at all is told that first
            read_query(request, Request)
        return await serve(request, route)

    return handle


async def forward(request: web.Request, route: Route) -> web.Response:
    """Asks the owner; the body goes through as bytes, because the owner validates, once."""
    visitor = await allowed_visitor(request, route)
    reply = await request.app[SERVICES].call(
        route.service,
        route.method,
        inner_path(request, route),
        visitor=visitor,
        query=request.rel_url.raw_query_string or None,
        body=None if request.method in SAFE_METHODS else await read_bytes(request, at_most=route.max_body_bytes),
        headers=passed_on(request),
    )
    return answer_of(reply)


async def stream(request: web.Request, route: Route) -> web.StreamResponse:
    """Asks the owner for a file, and passes it on while it is being made."""
    visitor = await allowed_visitor(request, route)
    path, query = inner_path(request, route), request.rel_url.raw_query_string or None
    got = await streams.stream(request, route.service, path, visitor=visitor, query=query)
    return answer_of(got) if isinstance(got, Reply) else got


async def upload(request: web.Request, route: Route) -> web.Response:
    """Passes a body on while it comes in: the gateway never holds it."""
    visitor = await allowed_visitor(request, route)
    path, headers = inner_path(request, route), passed_on(request)
    return answer_of(await uploads.upload(request, route.service, path, visitor=visitor, headers=headers))


async def allowed_visitor(request: web.Request, route: Route) -> Visitor | None:
    """Who asks, None for nobody; NotSignedIn where the row needs a user, CrossSiteRequest without its token."""
    match route.access:
        case Access.SIGNED_IN:
            return await allowed_user(request)
        case Access.SESSION_OPTIONAL:
            visitor = await visitor_of(request)
        case Access.ANYBODY:
            visitor = None
    _refuse_what_was_not_meant(request, visitor)
    return visitor


async def allowed_user(request: web.Request) -> Visitor:
    """Who is signed in; NotSignedIn, or CrossSiteRequest for a change that the visitor did not mean."""
    if "Authorization" in request.headers:
        raise TokenNotValid
    visitor = await signed_in(request)
    _refuse_what_was_not_meant(request, visitor)
    return visitor


def _refuse_what_was_not_meant(request: web.Request, visitor: Visitor | None) -> None:
    if request.method in SAFE_METHODS:
        return
    if visitor is None:
        refuse_cross_site(request)
    else:
        refuse_without_csrf(request, visitor, request.headers.get(CSRF_HEADER))


def inner_path(request: web.Request, route: Route) -> str:
    """The owner's path: the public one, its variables quoted."""
    return fill(route.path, **request.match_info)


def passed_on(request: web.Request) -> dict[str, str]:
    """The few headers that an owner needs to see."""
    return {name: request.headers[name] for name in _PASSED_ON if name in request.headers}


def answer_of(reply: Reply) -> web.Response:
    """The owner's answer; a place it names is named as the outside knows it."""
    headers = dict(reply.headers)
    if (location := headers.get("Location", "")).startswith("/"):
        headers["Location"] = API + location
    return web.Response(status=reply.status, body=reply.body, headers=headers)
