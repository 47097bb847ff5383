"""What pages fetch from the services and send to them: reads that raise, parts that may be missing, forms' JSON."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from aiohttp import web

from services.gateway.clients import SERVICES, Query, Reply, Service
from services.gateway.forms import read_problem
from services.gateway.pages.older import complete
from services.gateway.session import Visitor
from services.gateway.streams import stream
from shared import errors
from shared.errors import FieldError, Refusal, problem

_T = TypeVar("_T")

# How long the service wants the sender of the form to wait.
RETRY_AFTER: web.RequestKey[str] = web.RequestKey("retry_after", str)

_PAGE_SIZE = 200
_MOST_ITEMS = 5_000


class ServiceRefusal(Refusal):
    """A service's own refusal, to be shown as a page."""

    def __init__(self, status: int, told: Mapping[str, Any], *, retry_after: str = "") -> None:
        """`told` is the service's problem+json, `retry_after` its header."""
        super().__init__(
            str(told.get("detail") or told.get("title") or ""),
            params=told.get("params"),
            errors=tuple(_field_error(error) for error in told.get("errors", ())),
        )
        self.status = status
        self.code = str(told.get("code", self.code))
        self.retry_after_s = retry_after or None


def _field_error(error: Mapping[str, Any]) -> FieldError:
    return FieldError(error["field"], error["code"], error["message"], error.get("params") or {})


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a form: the answer's JSON, or the problem to show at its fields."""

    status: int
    content: Mapping[str, Any]
    problem: Mapping[str, Any] | None = None

    @property
    def code(self) -> str:
        """The problem's stable code."""
        return str(self.problem.get("code", "")) if self.problem else ""


def refuse(reply: Reply) -> NoReturn:
    """Raises what the service refused with."""
    if reply.status == errors.NotSignedIn.status:
        raise errors.NotSignedIn
    raise ServiceRefusal(reply.status, read_problem(reply.body), retry_after=reply.headers.get("Retry-After", ""))


async def fetch(request: web.Request, visitor: Visitor, service: Service, path: str, query: Query = None) -> Any:
    """The JSON of a GET; raises whatever the service refused with."""
    reply = await request.app[SERVICES].call(service, "GET", path, visitor=visitor, query=query)
    if not reply.ok:
        refuse(reply)
    return complete(service, reply.json())


async def fetch_all(
    request: web.Request, visitor: Visitor, service: Service, path: str, query: Mapping[str, object]
) -> list[dict[str, Any]]:
    """The items of a list, page by page; the first 5,000 of a longer one."""
    items: list[dict[str, Any]] = []
    wanted = {**query, "limit": _PAGE_SIZE, "total": "false"}
    while True:
        page = await fetch(request, visitor, service, path, wanted)
        items += page["items"]
        if not page["next_cursor"] or len(items) >= _MOST_ITEMS:
            return items
        wanted["cursor"] = page["next_cursor"]


async def download(
    request: web.Request, visitor: Visitor, service: Service, path: str, query: Query = None
) -> web.StreamResponse:
    """The file of a GET on its way to the browser; raises whatever the service refused with."""
    got = await stream(request, service, path, visitor=visitor, query=query)
    if isinstance(got, Reply):
        refuse(got)
    return got


async def optional(content: Awaitable[_T]) -> _T | None:
    """A part that the page can do without: None while its service is away."""
    try:
        return await content
    except errors.Unavailable:
        return None
    except ServiceRefusal as refusal:
        if refusal.status >= 500:  # noqa: PLR2004
            return None
        raise


async def nothing() -> None:
    """Takes the place of a part that this page does not have."""


async def send(
    request: web.Request,
    visitor: Visitor | None,
    service: Service,
    method: str,
    path: str,
    *,
    body: object = None,
    query: Query = None,
    headers: Mapping[str, str] | None = None,
) -> Sent:
    """Sends a form's JSON. What the person can mend or repeat comes back as `problem`, a service being away included.

    Raises where a signed-in visitor may not, or there is nothing.
    """
    try:
        reply = await request.app[SERVICES].call(
            service, method, path, visitor=visitor, query=query, json=body, headers=headers
        )
    except errors.Unavailable as refusal:
        request[RETRY_AFTER] = str(refusal.retry_after_s)
        return Sent(refusal.status, {}, problem(refusal))
    if reply.ok:
        return Sent(reply.status, reply.json() if reply.body else {})
    if visitor is not None and reply.status in {401, 403, 404}:
        refuse(reply)
    told = read_problem(reply.body)
    if wait := reply.headers.get("Retry-After"):
        request[RETRY_AFTER] = told["retry_after"] = wait
    return Sent(reply.status, {}, told)
