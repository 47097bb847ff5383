"""Small real servers where the services would be, and a gateway before them."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDictProxy

from deploy.local.child import free_port
from services.gateway.app import create_app
from services.gateway.clients import Service, Services
from services.gateway.csrf import unmasked
from services.gateway.deadlines import Deadlines
from services.gateway.settings import GatewaySettings
from shared.web.app import CLOCK
from tests.builders import TEST_SECRET
from tests.unbounded import UNBOUNDED

NAMES: tuple[Service, ...] = ("identity", "cases", "contracts", "notifications")
TOKEN = "a-session-token-of-a-visitor-0123456789"
# None that a test waits for.
PATIENT = Deadlines(
    answer_s=30.0,
    first_byte_s=30.0,
    upload_idle_s=30.0,
    not_yet_known_s=30.0,
    product_not_yet_known_s=30.0,
    health_s=30.0,
    told_s=30.0,
)
# Of the gateway: what pages say of a time depends on the day.
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
CSRF = "the-csrf-token-of-that-session"
SIGNED_ACTOR = "signed.actor.token"
_MASKED = re.compile(r'(?<=name="csrf_token" value=")[^"]+')

Client = TestClient[web.Request, web.Application]
Json = dict[str, Any]
Script = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    """A request as it came to a service."""

    method: str
    path: str  # as it stood in the request line, with its query
    headers: CIMultiDictProxy[str]
    body: bytes


@dataclass
class StandIn:
    """A server that answers as a test tells it to, and remembers what it was asked."""

    seen: list[Seen] = field(default_factory=list)
    server: TestServer | None = None
    _scripts: dict[str, Iterator[Script]] = field(default_factory=dict)

    def answers(self, name: str, *scripts: Script) -> None:
        """`name` is method and path; the last script answers for ever."""
        self._scripts[name] = _repeat_last(scripts)

    def asked(self, name: str) -> list[Seen]:
        """The requests for one method and path."""
        return [seen for seen in self.seen if f"{seen.method} {seen.path.partition('?')[0]}" == name]

    async def start(self) -> None:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self.server = TestServer(app)
        await self.server.start_server()

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.close()

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"http://127.0.0.1:{self.server.port}"

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(Seen(request.method, request.raw_path, request.headers, await request.read()))
        script = self._scripts.get(f"{request.method} {request.rel_url.raw_path}")
        return await next(script)(request) if script is not None else problem_response(404, "not_found")


def _repeat_last(scripts: tuple[Script, ...]) -> Iterator[Script]:
    yield from scripts[:-1]
    while True:
        yield scripts[-1]


def says(content: object, *, status: int = 200, **headers: str) -> Script:
    """Answers with JSON."""

    async def script(_request: web.Request) -> web.Response:
        return web.Response(
            body=orjson.dumps(content),
            status=status,
            content_type="application/json",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    return script


def refuses(status: int, code: str, *fields: str, retry_after: str = "", **params: object) -> Script:
    """Answers with a problem that names fields."""

    async def script(_request: web.Request) -> web.Response:
        response = problem_response(status, code, *fields, params=params)
        if retry_after:
            response.headers["Retry-After"] = retry_after
        return response

    return script


def unmask_tokens(page: str) -> str:
    """The page with the tokens of its forms as identity told them."""
    return _MASKED.sub(lambda found: unmasked(found[0]), page)


def problem_response(
    status: int, code: str, *fields: str, detail: str = "", params: Json | None = None
) -> web.Response:
    params = params or {}
    told = {
        "type": f"urn:portico:problem:{code}",
        "title": code,
        "status": status,
        "code": code,
        "detail": detail or code,
        "request_id": "of-the-service",
        "params": params,
        "errors": [{"field": name, "code": code, "message": code, "params": params} for name in fields],
    }
    return web.Response(body=orjson.dumps(told), status=status, content_type="application/problem+json")


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """Dies before it has answered."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def never_answers(_request: web.Request) -> web.StreamResponse:
    """Takes the request and does not come back within any deadline of these tests."""
    await asyncio.sleep(60)
    return web.Response()


def a_session() -> Json:
    """What identity answers for a live session token."""
    user_id = str(uuid4())
    return {
        "user": {
            "id": user_id,
            "name": "Ana Duarte",
            "first_name": "Ana",
            "email": "ana@example.com",
            "role": "company_admin",
            "company_id": str(uuid4()),
            "company_name": "Acme SA",
            "language": "en",
            "time_zone": "UTC",
            "profile_complete": True,
            "site_ids": None,
        },
        "csrf_token": CSRF,
        "memberships": [{"user_id": user_id, "company_name": "Acme SA", "role": "company_admin"}],
        "actor": SIGNED_ACTOR,
    }


@dataclass
class Gateway:
    """The stand-ins and the gateway before them."""

    services: dict[Service, StandIn]
    portal: Client

    def __getitem__(self, service: Service) -> StandIn:
        return self.services[service]

    def signed_in(self, **headers: str) -> dict[str, str]:
        """Headers of a browser with a session, on a page that knows its CSRF token."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return {"Cookie": f"portico-8080={TOKEN}", "X-CSRF-Token": CSRF} | given


def with_deadlines(**seconds: float) -> pytest.MarkDecorator:
    """For a test that waits for one: with the others as long as ever, none of them is over before it."""
    return pytest.mark.parametrize("gateway", [replace(PATIENT, **seconds)], indirect=True, ids=["-".join(seconds)])


@asynccontextmanager
async def a_gateway(deadlines: Deadlines = PATIENT, **environment: str) -> AsyncIterator[Gateway]:
    """Four services that answer as told, identity knowing one session, and a gateway before them."""
    services = {name: StandIn() for name in NAMES}
    for stand_in in services.values():
        await stand_in.start()
    services["identity"].answers("POST /session/resolve", says(a_session()))
    portal = await a_portal({name: stand_in.url for name, stand_in in services.items()}, deadlines, **environment)
    try:
        yield Gateway(services, portal)
    finally:
        await portal.close()
        for stand_in in services.values():
            await stand_in.stop()


def unused_url() -> str:
    """An address where nobody listens, nor comes to listen: no system gives such a port to whoever asks for any."""
    return f"http://127.0.0.1:{free_port()}"


async def a_portal(urls: dict[Service, str], deadlines: Deadlines = PATIENT, **environment: str) -> Client:
    """A gateway before services at these addresses; started, to be closed by the caller."""
    settings = GatewaySettings.model_validate({"PORTICO_SECRET_KEY": TEST_SECRET, **UNBOUNDED, **environment})
    # Not `client_of`: what stand-ins say is none of what OpenAPI promises.
    app = create_app(settings, Services(urls, deadlines))
    app[CLOCK] = lambda: NOW
    client = TestClient(TestServer(app))
    await client.start_server()
    return client
