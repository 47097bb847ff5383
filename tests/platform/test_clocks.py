"""Machines whose clocks are wrong: what is theirs to say, what goes on all the same, and no circles."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.cases.app import create_app as create_cases
from services.cases.settings import CasesSettings
from services.gateway.clients import Service
from services.identity.app import create_app as create_identity
from services.identity.handlers import operators
from services.identity.handlers.operators import NewOperatorUser
from services.identity.passwords import Passwords
from services.identity.settings import IdentitySettings
from shared.clock import DatabaseClock, utc_now
from shared.logging import set_up
from shared.mongo import connect
from shared.settings import ServiceSettings
from shared.signing import verifier
from shared.web.app import CLOCK, DATABASE
from shared.web.requests import VERIFY
from tests.builders import MONGO_DRIVER, TEST_SECRET, UNREACHABLE_BROKER, an_email, until_ready
from tests.logged import Logged
from tests.service.gateway.stand_ins import a_portal, unused_url

PASSWORD = "correct horse battery staple"
OFF = [timedelta(seconds=90), timedelta(minutes=10), timedelta(minutes=-10), timedelta(hours=13), timedelta(hours=-13)]

Client = TestClient[web.Request, web.Application]
Create = Callable[[ServiceSettings], web.Application]


def off_by(span: timedelta) -> Callable[[], datetime]:
    return lambda: utc_now() + span


@asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[Client]:
    async with TestClient(TestServer(app)) as client:
        await until_ready(client)
        yield client


@pytest.fixture
def identity(mongo_url: str) -> web.Application:
    return create_identity(IdentitySettings.model_validate(_environment(mongo_url)))


@pytest.fixture
def cases(mongo_url: str) -> web.Application:
    return create_cases(CasesSettings.model_validate(_environment(mongo_url)))


def _environment(mongo_url: str) -> dict[str, str]:
    return {
        "PORTICO_SECRET_KEY": TEST_SECRET,
        "MONGO_URL": mongo_url,
        "MONGO_DRIVER": MONGO_DRIVER,
        "RABBITMQ_URL": UNREACHABLE_BROKER,
    }


def set_machine_clock(app: web.Application, span: timedelta) -> None:
    """As if the whole process ran on a machine that is wrong by this."""
    clock = app[CLOCK]
    assert isinstance(clock, DatabaseClock)
    clock.own = off_by(span)


def believe_only_the_machine(app: web.Application, span: timedelta) -> None:
    """As if the database could not tell: this service checks signatures by a clock that is wrong by this."""
    app[VERIFY] = verifier(TEST_SECRET, off_by(span))


@asynccontextmanager
async def a_portal_before(identity: web.Application, cases: web.Application) -> AsyncIterator[Client]:
    """A gateway before the two, with somebody signed in."""
    async with running(identity) as one, running(cases) as other:
        urls: dict[Service, str] = {
            "identity": str(one.make_url("/")).rstrip("/"),
            "cases": str(other.make_url("/")).rstrip("/"),
            "contracts": unused_url(),
            "notifications": unused_url(),
        }
        email = await _a_user(identity)
        portal = await a_portal(urls)
        try:
            typed = {"email": email, "password": PASSWORD}
            signed_in = await portal.post("/sign-in", data=typed, allow_redirects=False)
            assert (signed_in.status, signed_in.headers["Location"]) == (303, "/signed-in?next=%2F")
            yield portal
        finally:
            await portal.close()


async def _a_user(identity: web.Application) -> str:
    email = an_email()
    person = {"email": email, "password": PASSWORD, "first_name": "Vera", "last_name": "Vendor"}
    wanted = NewOperatorUser.model_validate(person | {"role": "vendor_admin", "language": "en", "time_zone": "UTC"})
    passwords = Passwords()
    try:
        await operators.create_vendor_admin(identity[DATABASE], passwords, wanted, utc_now())
    finally:
        passwords.close()
    return email


async def degraded(client: Client) -> dict[str, str]:
    told: dict[str, str] = (await (await client.get("/readyz")).json())["degraded"]
    return told


@pytest.mark.parametrize("span", OFF)
async def test_a_wrong_clock_is_named_at_readyz_and_once_in_the_log(
    cases: web.Application, mongo_url: str, span: timedelta, logged: Logged
) -> None:
    set_machine_clock(cases, span)
    clock = cases[CLOCK]
    assert isinstance(clock, DatabaseClock)
    db = connect(mongo_url, "clocks", MONGO_DRIVER)
    for _ in range(3):
        await clock.compare(db)
    await db.close()
    (wrong,) = logged.named("clock_wrong")
    assert abs(wrong["ahead_of_database_s"] - span.total_seconds()) < 5
    async with running(cases) as client:
        said = (await degraded(client))["clock"]
        assert ("ahead of the database" if span > timedelta() else "behind the database") in said
        assert abs(int(said.split()[0]) - abs(span.total_seconds())) < 5


@pytest.mark.parametrize("span", [timedelta(), timedelta(seconds=3), timedelta(seconds=-3)])
async def test_a_clock_that_is_right_enough_is_left_alone(cases: web.Application, span: timedelta) -> None:
    set_machine_clock(cases, span)
    async with running(cases) as client:
        assert "clock" not in await degraded(client)
        assert abs(cases[CLOCK]() - utc_now() - span) < timedelta(seconds=1)


async def test_a_clock_that_is_set_right_is_no_longer_named(cases: web.Application) -> None:
    set_machine_clock(cases, timedelta(minutes=10))
    async with running(cases) as client:
        assert "clock" in await degraded(client)
        set_machine_clock(cases, timedelta())
        clock = cases[CLOCK]
        assert isinstance(clock, DatabaseClock)
        await clock.compare(cases[DATABASE])
        assert "clock" not in await degraded(client)


@pytest.mark.parametrize("span", OFF)
@pytest.mark.parametrize("who", ["identity", "cases"])
async def test_a_service_on_a_machine_whose_clock_is_wrong_goes_on_by_the_databases(
    identity: web.Application, cases: web.Application, who: str, span: timedelta
) -> None:
    """Hours too: no session ends of it, and none that was made meanwhile lasts longer or shorter."""
    set_machine_clock(identity if who == "identity" else cases, span)
    async with a_portal_before(identity, cases) as portal:
        for path in ("/", "/cases", "/api/v1/cases"):
            answer = await portal.get(path, allow_redirects=False)
            assert answer.status == 200, path
        user = (await (await portal.get("/api/v1/session")).json())["user"]
        session = await identity[DATABASE]["sessions"].find_one({"user_id": UUID(user["id"])})
        assert session is not None
        assert abs(session["created_at"] - utc_now()) < timedelta(minutes=1)


@pytest.mark.parametrize("span", [timedelta(seconds=59), timedelta(seconds=-59)])
async def test_a_minute_between_two_machines_is_no_trouble_even_if_nobody_can_tell_them(
    identity: web.Application, cases: web.Application, span: timedelta
) -> None:
    believe_only_the_machine(cases, span)
    async with a_portal_before(identity, cases) as portal:
        assert (await portal.get("/api/v1/cases")).status == 200


@pytest.mark.parametrize("span", [timedelta(seconds=130), timedelta(minutes=10)])
async def test_a_service_that_takes_nobodys_word_is_a_part_that_is_not_reachable_and_nobody_goes_in_circles(
    identity: web.Application, cases: web.Application, span: timedelta, logged: Logged
) -> None:
    believe_only_the_machine(cases, span)
    async with a_portal_before(identity, cases) as portal:
        page = await portal.get("/cases", allow_redirects=False)
        api = await portal.get("/api/v1/cases", allow_redirects=False)
        sheet = await portal.get("/cases.xlsx", allow_redirects=False)
        start = await portal.get("/", allow_redirects=False)
        named = logged.named("actor_rejected")
        assert [page.status, api.status, sheet.status, start.status] == [503, 503, 503, 200]
        assert "A part of the portal is not reachable" in await page.text()
        assert (await api.json())["code"] == "unavailable"
        assert {line["service"] for line in named} == {"cases"}
        assert all("clock" in line["look_at"] and "PORTICO_SECRET_KEY" in line["look_at"] for line in named)


async def test_the_same_for_a_service_with_another_key(identity: web.Application, cases: web.Application) -> None:
    cases[VERIFY] = verifier(TEST_SECRET[::-1], utc_now)
    async with a_portal_before(identity, cases) as portal:
        page = await portal.get("/cases", allow_redirects=False)
        assert page.status == 503


async def test_one_slow_answer_is_no_reason_for_the_time_to_jump(mongo_url: str, logged: Logged) -> None:
    set_up("cases", "info")
    off = timedelta(seconds=6.5)
    db = connect(mongo_url, "clocks", MONGO_DRIVER)
    clock = DatabaseClock(off_by(-off))
    await clock.compare(db)
    # Asked two seconds before the answer was made, and heard two seconds after.
    slow = iter((timedelta(seconds=-2), timedelta(seconds=2)))
    clock.own = lambda: utc_now() - off + next(slow)
    await clock.compare(db)
    clock.own = off_by(-off)
    assert clock.trouble.startswith(("6 s behind", "7 s behind"))
    assert abs(clock() - utc_now()) < timedelta(seconds=1)
    await db.close()
    assert logged.named("clock_wrong")
    assert not logged.named("clock_right_again")
