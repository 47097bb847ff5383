"""The worst text of each kind, to every field of every route and page: no event loop stands still because of it."""

import asyncio
import gc
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from deploy.local.waiting import until
from services.cases.app import create_app as create_cases
from services.cases.settings import CasesSettings
from services.contracts.app import create_app as create_contracts
from services.contracts.settings import ContractsSettings
from services.gateway.app import create_app as create_gateway
from services.gateway.forwarding import Route
from services.gateway.middleware import API
from services.gateway.pages.requests import LONG_FORM_BYTES
from services.gateway.routes import ROUTES
from services.gateway.settings import GatewaySettings
from services.identity import store
from services.identity.app import create_app as create_identity
from services.identity.handlers import operators
from services.identity.passwords import Passwords
from services.identity.settings import IdentitySettings
from services.notifications.app import create_app as create_notifications
from services.notifications.settings import NotificationsSettings
from shared.mongo import connect
from shared.schemas.base import BODY_BYTES, SMALL_BODY_BYTES
from tests.builders import MONGO_DRIVER, TEST_SECRET, UNREACHABLE_BROKER, an_email
from tests.client import CheckedResponse
from tests.e2e.loops import TimedLoop
from tests.processor import slowness
from tests.worst import (
    EDGE,
    FORM_BOMBS,
    JSON_BOMBS,
    LINES,
    PART_BOMBS,
    TEXTS,
    as_form,
    as_json,
    in_all_fields,
    text_fields,
)

_MOST_S = 0.1
_MEGABYTE = 1_000_000
_FILES_BYTES = 6_000_000  # what files may have together
_PASSWORD = "seven green kites over Lyon"  # of somebody who lives as long as this test
_LINE_BYTES = 2_400  # three times as long when quoted, which is what a request line may have
_AT_ONCE = 4
pytestmark = pytest.mark.timeout(300)  # thousands of requests
_SHORT = 254  # characters of the longest field of one line
_FEW_KINDS = ("marks in the wrong order", "signs that are a sentence", "digits")

# `make abuse` sends the whole corpus. Each kind goes to each route and page here too, but not to each field in turn.
_WHOLE = os.environ.get("PORTICO_WORST_TEXTS") == "all"

_VARIABLES = {"number": "1000000009", "id": str(uuid4()), "code": "code", "token": "token", "serial": "CN1"}


@dataclass(frozen=True)
class Sent:
    """One request; its body is made when it is its turn."""

    what: str
    method: str
    path: str
    body: Callable[[], bytes] = bytes
    content_type: str = "application/json"
    header: str = ""  # one more, and what it says
    says: str = ""


def _path(template: str, **variables: str) -> str:
    for name, value in (_VARIABLES | variables).items():
        template = template.replace("{" + name + "}", value)
    return template


def _kinds(place: int) -> list[str]:
    """The few worst, and of all others a fourth, which is another one at the next place."""
    return [kind for n, kind in enumerate(TEXTS) if _WHOLE or kind in _FEW_KINDS or n % 4 == place % 4]


def _of_route(route: Route) -> Iterator[Sent]:
    path = API + _path(route.path)
    for name in _VARIABLES:
        if "{" + name + "}" in route.path:
            for kind, text in TEXTS.items():
                yield Sent(
                    f"{route.name} {name}: {kind}",
                    route.method,
                    API + _path(route.path, **{name: quote(text(_LINE_BYTES), safe="")}),
                )
    if route.query is not None:
        names = sorted({way[0] for way in text_fields(route.query)})
        for kind, text in TEXTS.items():
            query = "&".join(f"{name}={quote(text(_LINE_BYTES // len(names)), safe='')}" for name in names)
            yield Sent(f"{route.name} ?: {kind}", route.method, f"{path}?{query}")
        for name in names:
            for kind in _FEW_KINDS:
                query = f"{name}={quote(TEXTS[kind](_LINE_BYTES), safe='')}"
                yield Sent(f"{route.name} ?{name}: {kind}", route.method, f"{path}?{query}")
    if route.body is not None:
        yield from _of_body(route, path)


def _of_body(route: Route, path: str) -> Iterator[Sent]:
    assert route.body is not None
    limit = route.max_body_bytes
    for place, (way, most) in enumerate(text_fields(route.body).items()):
        name = f"{route.name} {'.'.join(way)}"
        # The longest that the route takes. Each kind comes to each field below, as long as the field takes it.
        for kind in _kinds(place) if most > _SHORT else _FEW_KINDS:
            yield Sent(f"{name}: {kind} of {limit}", route.method, path, _bound(as_json, way, kind, limit))
            # Too much for all but one route: what is in it is not looked at.
            if not place and (_WHOLE or kind in _FEW_KINDS):
                yield Sent(f"{name}: {kind} of 1 MB", route.method, path, _bound(as_json, way, kind, _MEGABYTE))
    for kind in TEXTS:
        for body in in_all_fields(route.body, kind):
            yield Sent(f"{route.name}: {kind} in all fields", route.method, path, _bound(bytes, body))
    for place, (kind, bomb) in enumerate(JSON_BOMBS.items()):
        for size in {limit, _MEGABYTE} if _WHOLE or not place else {limit}:
            yield Sent(f"{route.name}: {kind} of {size}", route.method, path, _bound(bomb, size))


def _bound(make: Callable[..., bytes], *arguments: object) -> Callable[[], bytes]:
    return lambda: make(*arguments)


def _of_page(path: str, limit: int, csrf_token: str, place: int) -> Iterator[Sent]:
    proof = f"csrf_token={csrf_token}&".encode()
    room = limit - len(proof)
    name = _LONG_FIELDS.get(path, "description")
    for kind in _kinds(place):
        body = _bound(_after, proof, as_form, name, kind, room)
        yield Sent(f"{path} {name}: {kind} of {limit}", "POST", path, body, _FORM)
    for kind in TEXTS:
        yield Sent(f"{path}: {kind} of {limit}", "POST", path, _bound(_in_all_fields, proof, kind, room), _FORM)
    for number, (kind, bomb) in enumerate(FORM_BOMBS.items()):
        for size in (room, _MEGABYTE) if _WHOLE or not number else (room,):
            yield Sent(f"{path}: {kind} of {size}", "POST", path, _bound(_after, proof, bomb, size), _FORM)
    for kind in _kinds(place + 1) if path.startswith("/cases") else ():
        parts = _bound(_parts, csrf_token, TEXTS[kind](limit // 2), TEXTS[kind](1_000))
        yield Sent(f"{path} in parts: {kind} of {limit}", "POST", path, parts, _PARTS)


_FORM, _PARTS = "application/x-www-form-urlencoded", f"multipart/form-data; boundary={EDGE}"
_LONG_FIELDS = {"/users": "emails", "/sign-in": "kept.description", "/language": "next", "/cases/1000000009": "text"}
_ALL_FIELDS = (
    *(
        "email",
        "emails",
        "description",
        "next",
        "attachment_ids",
        "kept.description",
        "kept_path",
        "serial",
        "phone",
        "text",
        "title",
        "action",
    ),
    *("contact.email", "contact.phone", "name", "country", "time_zone", "reason", "code", "step", "do", "id", "join"),
)


def _after(head: bytes, make: Callable[..., bytes], *arguments: object) -> bytes:
    return head + make(*arguments)


def _in_all_fields(head: bytes, kind: str, room: int) -> bytes:
    share = room // len(_ALL_FIELDS) - 1
    return head + b"&".join(as_form(name, kind, share) for name in _ALL_FIELDS)


def _parts(csrf_token: str, text: str, name: str) -> bytes:
    file = quote(name, safe=" @.+")[:4_000]
    fields = {"csrf_token": csrf_token, "description": text, "text": text[:1_000], "action": "comment"}
    parts = [f'name="{field}"\r\n\r\n{value}' for field, value in fields.items()]
    parts += [f'name="files"; filename="{file}"\r\n\r\n%PDF-1.4'] * 3
    head = f"--{EDGE}\r\nContent-Disposition: form-data; "
    return ("\r\n".join(head + part for part in parts) + f"\r\n--{EDGE}--\r\n").encode()


@dataclass(frozen=True)
class World:
    """Five applications on five loops, and who sends."""

    loops: Mapping[str, TimedLoop]
    session: Mapping[str, str]  # headers of a visitor who is signed in
    http: aiohttp.ClientSession
    doing: list[str]

    async def send(self, sent: Sent) -> int:
        """The status; 0 where the connection was ended before there was one."""
        body = sent.body()
        self.doing[:] = [sent.what]
        headers = {**self.session, "Content-Type": sent.content_type}
        if sent.header:
            headers[sent.header] = sent.says
        with suppress(aiohttp.ClientError):
            url = URL(self.loops["gateway"].url + sent.path, encoded=True)
            async with self.http.request(
                sent.method, url, data=BytesIO(body) if body else None, headers=headers, allow_redirects=False
            ) as response:
                await response.read()
                return response.status
        return 0

    async def send_all(self, corpus: Iterator[Sent]) -> dict[int, int]:
        """How often each status came."""
        statuses: dict[int, int] = {}

        async def work() -> None:
            for sent in corpus:
                status = await self.send(sent)
                statuses[status] = statuses.get(status, 0) + 1
                assert status < 500 or status == 503, sent.what

        async with asyncio.TaskGroup() as workers:
            for _ in range(_AT_ONCE):
                workers.create_task(work())
        return statuses


@pytest.fixture(scope="module")
async def world(mongo_url: str) -> AsyncIterator[World]:
    """Everything but a broker and a mail server."""
    common = {
        "PORTICO_SECRET_KEY": TEST_SECRET,
        "MONGO_URL": mongo_url,
        "MONGO_DRIVER": MONGO_DRIVER,
        "RABBITMQ_URL": UNREACHABLE_BROKER,
    }
    # Six loops share one interpreter: each waits less for its turn.
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    doing = ["starting"]
    services: dict[str, Callable[[], web.Application]] = {
        "identity": lambda: create_identity(IdentitySettings.model_validate(common)),
        "cases": lambda: create_cases(CasesSettings.model_validate(common)),
        "contracts": lambda: create_contracts(ContractsSettings.model_validate(common)),
        "notifications": lambda: create_notifications(NotificationsSettings.model_validate(common)),
    }
    with ExitStack() as running:
        loops = {
            name: running.enter_context(TimedLoop(make, lambda: doing[0]).running()) for name, make in services.items()
        }
        urls = {f"{name.upper()}_URL": loop.url for name, loop in loops.items()}
        settings = GatewaySettings.model_validate(common | urls)
        gateway = TimedLoop(lambda: create_gateway(settings), lambda: doing[0])
        loops["gateway"] = running.enter_context(gateway.running())
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_AT_ONCE), response_class=CheckedResponse
        ) as http:
            assert await until(lambda: _ready(http, loops), deadline_s=60)
            session = await _sign_in(http, gateway.url, await _an_admin(mongo_url))
            # As every process does that serves.
            gc.collect()
            gc.freeze()
            for loop in loops.values():
                loop.stalls.clear()
            yield World(loops, session, http, doing)
    sys.setswitchinterval(interval_s)


async def _ready(http: aiohttp.ClientSession, loops: Mapping[str, TimedLoop]) -> bool:
    for name, loop in loops.items():
        async with http.get(f"{loop.url}/{'sign-in' if name == 'gateway' else 'readyz'}") as response:
            if response.status != 200:
                return False
    return True


async def _an_admin(mongo_url: str) -> str:
    """The address of a new vendor admin."""
    db, passwords, email = connect(mongo_url, "identity", MONGO_DRIVER), Passwords(), an_email()
    wanted = {"email": email, "password": _PASSWORD, "first_name": "Ana", "last_name": "Duarte", "role": "vendor_admin"}
    user = operators.NewOperatorUser.model_validate(wanted)
    try:
        await store.create_indexes(db)
        await operators.create_vendor_admin(db, passwords, user, vendor_name="Portico", now=datetime.now(UTC))
    finally:
        passwords.close()
        await db.close()
    return email


async def _sign_in(http: aiohttp.ClientSession, url: str, email: str) -> dict[str, str]:
    async with http.post(f"{url}{API}/session", json={"email": email, "password": _PASSWORD}) as response:
        assert response.status == 201, await response.text()
        cookie = response.cookies["portico"].value
        csrf_token = (await response.json())["csrf_token"]
    http.cookie_jar.clear()
    return {"Cookie": f"portico={cookie}", "X-CSRF-Token": csrf_token}


@pytest.mark.parametrize("aside", [False, True], ids=["itself", "in a thread"])
async def test_a_loop_that_stands_still_is_seen(aside: bool) -> None:  # noqa: FBT001  # a parameter
    def work() -> None:
        until_s = time.thread_time() + 2 * _MOST_S
        while time.thread_time() < until_s:
            pass

    async def stand(_request: web.Request) -> web.Response:
        await asyncio.to_thread(work) if aside else work()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", stand)
    with TimedLoop(lambda: app, lambda: "standing").running() as loop:
        async with aiohttp.ClientSession() as http, http.get(loop.url) as response:
            assert response.status == 200
        assert await until(lambda: _true(max(loop.stalls) > (_MOST_S, "")), deadline_s=10)


async def _true(so: bool) -> bool:  # noqa: FBT001  # what `until` asks for
    return so


def _tell(world: World, capsys: pytest.CaptureFixture[str], about: str, statuses: Mapping[int, int]) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{about}: {sum(statuses.values())} requests, {dict(sorted(statuses.items()))}\n")
        for name, loop in world.loops.items():
            median, most_of_all, longest = loop.figures_ms()
            what = max(loop.stalls)[1]
            sys.stdout.write(f"{name:14} p50 {median:6.1f}  p99.9 {most_of_all:6.1f}  max {longest:6.1f} ms  {what}\n")


def _stood_still(world: World) -> dict[str, list[tuple[float, str]]]:
    most_s = _MOST_S * slowness()
    found = {name: [stall for stall in loop.stalls if stall[0] > most_s] for name, loop in world.loops.items()}
    return {name: stalls for name, stalls in found.items() if stalls}


@pytest.mark.parametrize("service", ["identity", "cases", "contracts", "notifications"])
async def test_no_text_in_any_field_of_any_route_holds_up_a_loop(
    world: World, capsys: pytest.CaptureFixture[str], service: str
) -> None:
    routes = [route for route in ROUTES if route.service == service and route.files is None]
    statuses = await world.send_all(sent for route in routes for sent in _of_route(route))
    _tell(world, capsys, service, statuses)
    assert _stood_still(world) == {}


_HEADERS = (
    *("Cookie", "Accept-Language", "X-Forwarded-For", "Forwarded", "Origin", "X-Request-Id", "Content-Type"),
    *("Idempotency-Key", "If-Match", "X-CSRF-Token", "Authorization", "Content-Encoding", "Range"),
)


def _of_lines() -> Iterator[Sent]:
    for line in LINES:
        text = line * (7_000 // len(line))
        for path in ("/cases", "/", f"{API}/cases", f"{API}/products", f"{API}/users", f"{API}/deliveries"):
            yield Sent(f"{path}?{line}", "GET", f"{path}?{text}")
        for header in _HEADERS:
            for path in ("/profile", f"{API}/profile"):
                yield Sent(f"{path} {header}: {line}", "PUT", path, lambda: b"{}", header=header, says=f'"{text}')


async def test_no_query_and_no_header_holds_up_a_loop(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    _tell(world, capsys, "lines", await world.send_all(_of_lines()))
    assert _stood_still(world) == {}


async def test_no_form_in_parts_holds_up_a_loop(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    nobody = replace(world, session={})
    statuses: dict[int, int] = {}
    for who, path in ((world, f"{API}/attachments"), (world, "/cases"), (nobody, "/cases")):
        corpus = (
            Sent(f"{path}: {kind} of {size}", "POST", path, _bound(bomb, size), _PARTS)
            for kind, bomb in PART_BOMBS.items()
            for size in (64_000, _MEGABYTE, _FILES_BYTES)
        )
        for status, count in (await who.send_all(corpus)).items():
            statuses[status] = statuses.get(status, 0) + count
    _tell(world, capsys, "parts", statuses)
    assert _stood_still(world) == {}


async def test_no_text_in_any_field_of_any_page_holds_up_a_loop(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    app = create_gateway(GatewaySettings.model_validate({"PORTICO_SECRET_KEY": TEST_SECRET}))
    paths = [
        _path(resource.canonical)
        for resource in app.router.resources()
        for route in resource
        if route.method == "POST" and not resource.canonical.startswith(API)
    ]
    assert {"/sign-in", "/cases", "/users"} <= set(paths)
    statuses: dict[int, int] = {}
    token = world.session["X-CSRF-Token"]
    # Whoever has signed out is asked to sign in, on each page that comes behind.
    for place, path in enumerate(sorted(paths, key="/sign-out".__eq__)):
        limit = await _limit_of(world, path)
        for status, count in (await world.send_all(_of_page(path, limit, token, place))).items():
            statuses[status] = statuses.get(status, 0) + count
    # Nobody is signed in any more: the same forms are kept over the sign-in.
    for place, path in enumerate(("/cases", "/sites")):
        for status, count in (await world.send_all(_of_page(path, LONG_FORM_BYTES, token, place))).items():
            statuses[status] = statuses.get(status, 0) + count
    _tell(world, capsys, "pages", statuses)
    assert _stood_still(world) == {}


async def _limit_of(world: World, path: str) -> int:
    for limit in (LONG_FORM_BYTES, BODY_BYTES, SMALL_BODY_BYTES):
        if await world.send(Sent(path, "POST", path, _bound(as_form, "a", "plain", limit), _FORM)) != 413:
            return limit
    raise AssertionError(f"{path} takes no form")
