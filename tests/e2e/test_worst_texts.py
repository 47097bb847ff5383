"""The worst text of each kind, to every field of every route and page: no event loop stands still because of it."""

import asyncio
import gc
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from io import BytesIO

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
from services.gateway.middleware import API
from services.gateway.pages.requests import LONG_FORM_BYTES
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
from tests.e2e.loops import MOST_S, Outcome, Timed, TimedLoop, Watch
from tests.e2e.worst_requests import FORM, Pairing, Sent, of_lines, of_page, of_parts, of_routes, pages
from tests.processor import processor_s, slowness
from tests.unbounded import UNBOUNDED
from tests.worst import FORM_BOMBS, JSON_BOMBS, LINES, PART_BOMBS, TEXTS, as_form

_PASSWORD = "seven green kites over Lyon"  # of somebody who lives as long as this test
_AT_ONCE = 4
_TOLD = 3
pytestmark = pytest.mark.timeout(300)  # a thousand requests

# `make abuse` sends the whole corpus. Here every place gets some kinds, and every kind comes to many places.
_WHOLE = os.environ.get("PORTICO_WORST_TEXTS") == "all"


@dataclass(frozen=True)
class World:
    """Five applications on five loops, and who sends."""

    loops: Mapping[str, TimedLoop]
    email: str  # of an admin
    http: aiohttp.ClientSession
    session: Mapping[str, str] = field(default_factory=dict)  # headers of a visitor who is signed in
    sent: list[Timed[Sent]] = field(default_factory=list)

    async def send(self, sent: Sent) -> int:
        """The status; 0 where the connection was ended before there was one."""
        body = sent.body()
        headers = {**self.session, "Content-Type": sent.content_type}
        if sent.header:
            headers[sent.header] = sent.says
        with suppress(aiohttp.ClientError):
            url = URL(self.loops["gateway"].url + sent.path, encoded=True)
            async with self.http.request(
                sent.method, url, data=BytesIO(body) if body else None, headers=headers, allow_redirects=False
            ) as response:
                await response.read()
                assert response.status < 500 or response.status == 503, repr(sent)
                return response.status
        return 0

    @cached_property
    def watch(self) -> Watch[Sent]:
        """Of what is sent."""
        return Watch(self.loops, self.send, self.sent)

    async def send_all(self, corpus: Iterable[Sent]) -> Outcome[Sent]:
        """What came of them."""
        return await self.watch.send_all(corpus, at_once=_AT_ONCE)


@pytest.fixture
async def world(portal: World) -> World:
    """Somebody who has just signed in; another test may have signed out."""
    for loop in portal.loops.values():
        loop.stalls.clear()
    return replace(portal, sent=[], session=await _sign_in(portal.http, portal.loops["gateway"].url, portal.email))


@pytest.fixture(scope="module")
async def portal(mongo_url: str) -> AsyncIterator[World]:
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
    services: dict[str, Callable[[], web.Application]] = {
        "identity": lambda: create_identity(IdentitySettings.model_validate(common)),
        "cases": lambda: create_cases(CasesSettings.model_validate(common)),
        "contracts": lambda: create_contracts(ContractsSettings.model_validate(common)),
        "notifications": lambda: create_notifications(NotificationsSettings.model_validate(common)),
    }
    with ExitStack() as running:
        loops = {name: running.enter_context(TimedLoop(make).running()) for name, make in services.items()}
        urls = {f"{name.upper()}_URL": loop.url for name, loop in loops.items()}
        # Else most of the time one user would wait for a turn.
        settings = GatewaySettings.model_validate(common | urls | UNBOUNDED)
        gateway = TimedLoop(lambda: create_gateway(settings))
        loops["gateway"] = running.enter_context(gateway.running())
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_AT_ONCE), response_class=CheckedResponse
        ) as http:
            assert await until(lambda: _ready(http, loops), deadline_s=60)
            email = await _an_admin(mongo_url)
            # As every process does that serves.
            gc.collect()
            gc.freeze()
            yield World(loops, email, http)
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
        await operators.create_vendor_admin(db, passwords, user, datetime.now(UTC))
    finally:
        passwords.close()
        await db.close()
    return email


async def _sign_in(http: aiohttp.ClientSession, url: str, email: str) -> dict[str, str]:
    async with http.post(f"{url}{API}/session", json={"email": email, "password": _PASSWORD}) as response:
        assert response.status == 201, await response.text()
        cookie = response.cookies["portico-8080"].value
        csrf_token = (await response.json())["csrf_token"]
    http.cookie_jar.clear()
    return {"Cookie": f"portico-8080={cookie}", "X-CSRF-Token": csrf_token}


def _asked_of(loop: TimedLoop, http: aiohttp.ClientSession) -> Watch[str]:
    async def ask(path: str) -> int:
        async with http.get(loop.url + path) as response:
            return response.status

    return Watch({"control": loop}, ask)


def _be_busy(most_s: float) -> None:
    until_s = time.thread_time() + most_s
    while time.thread_time() < until_s:
        pass


@pytest.fixture(scope="module")
def keep_the_lock() -> Callable[[float], None]:
    """For so many seconds: in one call in C the interpreter does not come to where it lets others have their turn."""
    one_s = processor_s(lambda: sum(range(500_000)), enough_s=0) / 500_000

    def keep(seconds: float) -> None:
        sum(range(int(seconds / one_s)))

    return keep


@asynccontextmanager
async def _watching(work: Callable[[], object], *, aside: bool) -> AsyncIterator[Watch[str]]:
    """An application that works at `/work`, itself or in a thread."""

    async def answer(_request: web.Request) -> web.Response:
        await asyncio.to_thread(work) if aside else work()
        return web.Response()

    async def at_once(_request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/work", answer)
    app.router.add_get("/", at_once)
    with TimedLoop(lambda: app).running() as loop:
        async with aiohttp.ClientSession() as http:
            yield _asked_of(loop, http)


@pytest.mark.parametrize("aside", [False, True], ids=["itself", "in a thread"])
async def test_a_loop_that_stands_still_is_seen(
    keep_the_lock: Callable[[float], None],
    aside: bool,  # noqa: FBT001  # a parameter
) -> None:
    # The machine may be slow now, and slower while it is looked at, which is taken into account.
    work_s = 10 * MOST_S * slowness()
    async with _watching(lambda: keep_the_lock(work_s), aside=aside) as watch:
        outcome = await watch.send_all(["/", "/", "/work", "/", "/"], at_once=1)
    assert outcome.statuses == {200: 5}
    # A busy machine may hold up another one, too. That none is seen where nothing stands still, the next tests show.
    assert "/work" in {path for path, _ in outcome.held_up}


async def test_a_thread_that_lets_others_have_their_turn_holds_up_no_loop() -> None:
    work_s = 3 * MOST_S * slowness()
    async with _watching(lambda: _be_busy(work_s), aside=True) as watch:
        assert await watch.holds_up("/work") == {}


async def test_a_loop_that_stood_still_once_is_asked_again(keep_the_lock: Callable[[float], None]) -> None:
    works = iter([2 * MOST_S])
    async with _watching(lambda: keep_the_lock(next(works, 0)), aside=False) as watch:
        assert (await watch.send_all(["/work"], at_once=1)).held_up == []
        assert watch.loops["control"].longest_s(since_s=0) > MOST_S


def test_every_kind_comes_to_many_places_and_every_place_gets_some() -> None:
    csrf_token, routes = "token", [sent for each in of_routes(whole=False).values() for sent in each]
    pairing, every = Pairing(whole=False), Pairing(whole=True)
    to_pages = [sent for path in pages() for sent in of_page(path, LONG_FORM_BYTES, csrf_token, pairing)]
    assert _least_of_a_kind(routes, TEXTS) >= 8
    assert _least_of_a_kind(routes, JSON_BOMBS) >= 5
    assert _least_of_a_kind(to_pages, TEXTS) >= 3
    assert _least_of_a_kind(to_pages, FORM_BOMBS) >= 3
    whole = [sent for each in of_routes(whole=True).values() for sent in each]
    assert {sent.place for sent in routes} == {sent.place for sent in whole}
    assert {repr(sent) for sent in routes} <= {repr(sent) for sent in whole}
    assert min(Counter(place for place, _ in {(sent.place, sent.kind) for sent in routes}).values()) >= 2
    assert {(sent.place, sent.header) for sent in of_lines(pairing)} == {
        (sent.place, sent.header) for sent in of_lines(every)
    }
    assert {sent.kind for sent in of_lines(pairing)} == set(LINES)
    parts = [sent for path in ("/a", "/b", "/c") for sent in of_parts(path, pairing)]
    assert len({(sent.kind, sent.size) for sent in parts}) == 3 * len(PART_BOMBS)


def _least_of_a_kind(sent: Iterable[Sent], kinds: Iterable[str]) -> int:
    counted = Counter(each.kind for each in sent)
    return min(counted[kind] for kind in kinds)


def _tell(world: World, capsys: pytest.CaptureFixture[str], about: str, outcome: Outcome[Sent]) -> None:
    """The longest stalls of each loop, and what may have caused them."""
    with capsys.disabled():
        sys.stdout.write(f"\n{about}: {outcome.statuses.total()} requests, {dict(sorted(outcome.statuses.items()))}\n")
        for name, loop in world.loops.items():
            for stall in sorted(loop.stalls)[-_TOLD:]:
                of = ", ".join(map(repr, world.watch.under_way(stall)))
                sys.stdout.write(f"{name:14} {stall.seconds * 1000:6.1f} ms  {of}\n")


@pytest.mark.parametrize("service", ["identity", "cases", "contracts", "notifications"])
async def test_no_text_in_any_field_of_any_route_holds_up_a_loop(
    world: World, capsys: pytest.CaptureFixture[str], service: str
) -> None:
    outcome = await world.send_all(of_routes(whole=_WHOLE)[service])
    _tell(world, capsys, service, outcome)
    assert outcome.held_up == []
    assert outcome.statuses[401] == 0, "what is refused because of who asks is not looked at"


async def test_no_query_and_no_header_holds_up_a_loop(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = await world.send_all(of_lines(Pairing(_WHOLE)))
    _tell(world, capsys, "lines", outcome)
    assert outcome.held_up == []


async def test_no_form_in_parts_holds_up_a_loop(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    nobody, pairing, outcome = replace(world, session={}), Pairing(_WHOLE), Outcome[Sent]()
    for who, path in ((world, f"{API}/attachments"), (world, "/cases"), (nobody, "/cases")):
        outcome += await who.send_all(of_parts(path, pairing))
    _tell(world, capsys, "parts", outcome)
    assert outcome.held_up == []


async def test_no_text_in_any_field_of_any_page_holds_up_a_loop(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    pairing, outcome, token = Pairing(_WHOLE), Outcome[Sent](), world.session["X-CSRF-Token"]
    for path in pages():
        outcome += await world.send_all(of_page(path, await _limit_of(world, path), token, pairing))
    # Nobody is signed in any more: the same forms are kept over the sign-in.
    for path in ("/cases", "/sites"):
        outcome += await world.send_all(of_page(path, LONG_FORM_BYTES, token, pairing))
    _tell(world, capsys, "pages", outcome)
    assert outcome.held_up == []


async def _limit_of(world: World, path: str) -> int:
    for limit in (LONG_FORM_BYTES, BODY_BYTES, SMALL_BODY_BYTES):
        plain = Sent(path, "plain", "POST", path, lambda limit=limit: as_form("a", "plain", limit), FORM)  # type: ignore[misc]  # it is bound
        if await world.send(plain) != 413:
            return limit
    raise AssertionError(f"{path} takes no form")
