"""One user's many requests wait for each other, not others for them; far too many are refused, and lose nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import orjson
import pytest
from aiohttp import ClientResponse, web
from yarl import URL

from deploy.local.waiting import until
from services.gateway import rate_limits
from services.gateway.rate_limits import LIMITS
from services.gateway.session import SESSIONS
from tests.logged import Logged
from tests.service.gateway.stand_ins import (
    CSRF,
    PATIENT,
    TOKEN,
    Gateway,
    Json,
    a_gateway,
    a_session,
    says,
    unmask_tokens,
)

LUC = "the-session-token-of-somebody-else-0123456789"
PATH = "/api/v1/cases"
# Whoever has been here before has had theirs.
ONE_NOW_AND_THEN = "0.01"


@pytest.fixture(autouse=True)
def long_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, too, nobody waits too long in line."""
    monkeypatch.setattr(rate_limits, "LONGEST_IN_LINE_S", 60.0)


class CountedCases:
    """A cases service that keeps its callers until it is told to go on, and counts them."""

    def __init__(self) -> None:
        self.inside = self.most_inside = 0
        self.may_go = asyncio.Event()
        self.came = asyncio.Condition()

    async def __call__(self, _request: web.Request) -> web.Response:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        async with self.came:
            self.came.notify_all()
        try:
            await self.may_go.wait()
        finally:
            self.inside -= 1
        return web.json_response({"items": []})

    async def until_inside(self, count: int) -> None:
        async with self.came:
            await self.came.wait_for(lambda: self.inside >= count)


@asynccontextmanager
async def a_house_of_two(**environment: str) -> AsyncIterator[Gateway]:
    """Ana and Luc are signed in, in companies of their own, and have been here before."""
    async with a_gateway(PATIENT, **environment) as gateway:
        ana, luc = a_session(), a_session()
        luc["user"]["id"] = str(uuid4())

        async def resolve(request: web.Request) -> web.Response:
            token = orjson.loads(await request.read())["token"]
            return web.json_response({TOKEN: ana, LUC: luc}[token])

        gateway["identity"].answers("POST /session/resolve", resolve)
        gateway["cases"].answers("GET /cases", says({"items": []}))
        # By the first time each gets known, by the second it is counted whose requests they are.
        for headers in (gateway.signed_in(), of_luc()) * 2:
            assert (await gateway.portal.get(PATH, headers=headers)).status == 200
        yield gateway


def of_luc() -> dict[str, str]:
    return {"Cookie": f"portico-8080={LUC}", "X-CSRF-Token": CSRF}


async def refused(answer: ClientResponse) -> Json:
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) >= 1
    body: Json = await answer.json()
    assert body["code"] == "too_many_requests"
    return body


async def test_one_users_many_requests_delay_no_other_user() -> None:
    async with a_house_of_two(GATEWAY_USER_REQUESTS_AT_ONCE="3") as gateway:
        cases = CountedCases()
        gateway["cases"].answers("GET /cases", cases)
        sent = [asyncio.create_task(gateway.portal.get(PATH, headers=gateway.signed_in())) for _ in range(20)]
        await cases.until_inside(3)
        luc = asyncio.create_task(gateway.portal.get(PATH, headers=of_luc()))
        await cases.until_inside(4)
        assert cases.inside == 4
        cases.may_go.set()
        answers = await asyncio.gather(*sent, luc)
        assert {answer.status for answer in answers} == {200}
        assert cases.most_inside == 4


async def test_a_session_that_this_replica_does_not_know_yet_has_as_many_places_as_any() -> None:
    async with a_house_of_two(GATEWAY_USER_REQUESTS_AT_ONCE="3") as gateway:
        cases = CountedCases()
        gateway["cases"].answers("GET /cases", cases)
        app = gateway.portal.app
        assert app is not None
        app[SESSIONS].forget(TOKEN)
        # Else who comes when identity has told already whose session it is has the places of its user.
        known, session = asyncio.Event(), a_session()

        async def resolve(_request: web.Request) -> web.Response:
            await known.wait()
            return web.json_response(session)

        gateway["identity"].answers("POST /session/resolve", resolve)
        sent = [asyncio.create_task(gateway.portal.get(PATH, headers=gateway.signed_in())) for _ in range(20)]
        lines = app[LIMITS]._places._lines

        async def all_are_in_line() -> bool:
            return sum(line.here for line in lines.values()) == 20

        assert await until(all_are_in_line, deadline_s=30, pause_s=0.01)
        known.set()
        await cases.until_inside(3)
        cases.may_go.set()
        assert {answer.status for answer in await asyncio.gather(*sent)} == {200}
        assert cases.most_inside == 3


async def test_beyond_the_line_requests_are_refused_and_the_others_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MOST_IN_LINE", 50)
    async with a_house_of_two(GATEWAY_USER_REQUESTS_AT_ONCE="1") as gateway:
        cases = CountedCases()
        gateway["cases"].answers("GET /cases", cases)
        sent = [asyncio.create_task(gateway.portal.get(PATH, headers=gateway.signed_in())) for _ in range(60)]

        async def all_but_the_line_are_answered() -> bool:
            return sum(task.done() for task in sent) >= 9

        assert await until(all_but_the_line_are_answered, deadline_s=30, pause_s=0.01)
        cases.may_go.set()
        answers = await asyncio.gather(*sent)
        statuses = [answer.status for answer in answers]
        assert (statuses.count(200), statuses.count(429)) == (51, 9)
        await refused(next(answer for answer in answers if answer.status == 429))


async def test_of_long_lists_one_is_made_at_a_time_and_short_ones_beside_it() -> None:
    async with a_house_of_two(GATEWAY_USER_REQUESTS_AT_ONCE="2") as gateway:
        lists = CountedCases()
        gateway["cases"].answers("GET /cases", lists)
        long = f"{PATH}?limit=200"
        sent = [asyncio.create_task(gateway.portal.get(long, headers=gateway.signed_in())) for _ in range(5)]
        sent += [asyncio.create_task(gateway.portal.get(PATH, headers=gateway.signed_in())) for _ in range(5)]
        await lists.until_inside(3)
        lists.may_go.set()
        assert {answer.status for answer in await asyncio.gather(*sent)} == {200}
        assert lists.most_inside == 3


@pytest.mark.parametrize(
    "limit", ["200", "200.0", "%2B200", "%20200", "2_00", "0200", "%D9%A2%D9%A0%D9%A0", "200&limit=1"]
)
async def test_a_long_list_is_one_however_it_is_asked_for(limit: str) -> None:
    async with a_house_of_two(GATEWAY_USER_REQUESTS_AT_ONCE="2") as gateway:
        lists = CountedCases()
        gateway["cases"].answers("GET /cases", lists)
        headers = gateway.signed_in() | {"Content-Type": "multipart/x"}
        sent = [
            asyncio.create_task(gateway.portal.get(URL(f"{PATH}?limit={limit}", encoded=True), headers=headers))
            for _ in range(5)
        ]
        short = [asyncio.create_task(gateway.portal.get(f"{PATH}?limit=50", headers=headers)) for _ in range(5)]
        await lists.until_inside(3)
        lists.may_go.set()
        assert {answer.status for answer in await asyncio.gather(*sent, *short)} == {200}
        assert lists.most_inside == 3


async def test_files_on_their_way_leave_the_places_for_everything_else_free() -> None:
    async with a_house_of_two(GATEWAY_USER_REQUESTS_AT_ONCE="1") as gateway:
        uploads = CountedCases()
        gateway["cases"].answers("POST /attachments", uploads)
        headers = gateway.signed_in() | {"Content-Type": "multipart/form-data; boundary=x"}
        sent = [
            asyncio.create_task(gateway.portal.post("/api/v1/attachments", data=b"", headers=headers)) for _ in "123456"
        ]
        await uploads.until_inside(4)
        assert (await gateway.portal.get(PATH, headers=gateway.signed_in())).status == 200
        uploads.may_go.set()
        assert {answer.status for answer in await asyncio.gather(*sent)} == {200}
        assert uploads.most_inside == 4


async def test_forms_on_a_bad_line_hold_up_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "LONGEST_IN_LINE_S", 3.0)
    async with a_house_of_two(GATEWAY_USER_REQUESTS_AT_ONCE="1") as gateway:
        gateway["cases"].answers("POST /cases", says({}))
        came, may_end = asyncio.Semaphore(0), asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield b"{"
            came.release()
            await may_end.wait()
            yield b"}"

        headers = gateway.signed_in() | {"Content-Type": "application/json"}
        sent = [asyncio.create_task(gateway.portal.post(PATH, data=body(), headers=headers)) for _ in "1234"]
        for _ in sent:
            await came.acquire()
        assert (await gateway.portal.get(PATH, headers=gateway.signed_in())).status == 200
        assert not any(task.done() for task in sent)
        may_end.set()
        assert {answer.status for answer in await asyncio.gather(*sent)} == {200}


async def test_who_is_far_too_fast_is_refused_and_others_are_not() -> None:
    async with a_house_of_two(GATEWAY_USER_REQUESTS_PER_S="1") as gateway:
        answers = [await gateway.portal.get(PATH, headers=gateway.signed_in()) for _ in range(4)]
        assert {answer.status for answer in answers} == {200}
        at_once = await asyncio.gather(*(gateway.portal.get(PATH, headers=gateway.signed_in()) for _ in range(10)))
        assert 429 in {answer.status for answer in at_once}
        told = await refused(next(answer for answer in at_once if answer.status == 429))
        assert told["detail"] == "Too many requests came at once. Please wait a moment, then try again."
        assert (await gateway.portal.get(PATH, headers=of_luc())).status == 200


async def test_a_company_has_a_pace_as_a_whole() -> None:
    async with a_house_of_two(GATEWAY_COMPANY_REQUESTS_PER_S="1") as gateway:
        at_once = await asyncio.gather(*(gateway.portal.get(PATH, headers=gateway.signed_in()) for _ in range(12)))
        assert 429 in {answer.status for answer in at_once}
        assert (await gateway.portal.get(PATH, headers=of_luc())).status == 200


async def test_visitors_without_a_session_share_the_bound_of_their_network() -> None:
    async with a_house_of_two(GATEWAY_NETWORK_REQUESTS_PER_S="1") as gateway:
        at_once = await asyncio.gather(*(gateway.portal.get("/help") for _ in range(12)))
        assert {answer.status for answer in at_once} == {200, 429}
        assert (await gateway.portal.get(PATH, headers=gateway.signed_in())).status == 200
        assert (await gateway.portal.get("/favicon.ico")).status == 200  # what stylesheets and icons are is for anybody


async def test_static_files_are_bounded_by_network() -> None:
    async with a_house_of_two(GATEWAY_STATIC_REQUESTS_PER_S="1") as gateway:
        sent = (gateway.portal.get("/static/portico.css", headers=gateway.signed_in()) for _ in range(12))
        at_once = await asyncio.gather(*sent)
        assert {answer.status for answer in at_once} == {200, 429}
        await refused(next(answer for answer in at_once if answer.status == 429))
        assert (await gateway.portal.get(PATH, headers=gateway.signed_in())).status == 200
        assert (await gateway.portal.get("/help")).status == 200


@pytest.mark.parametrize("path", ["/static/nothing.css", "/static/no/thing", "/static/"])
async def test_a_stylesheet_that_is_not_there_is_no_page_and_asks_no_service(path: str) -> None:
    async with a_gateway(PATIENT) as gateway:
        for method in ("GET", "POST"):
            answer = await gateway.portal.request(method, path, headers=gateway.signed_in())
            assert answer.status in (404, 405)
            assert answer.content_type == "application/problem+json"
        assert [seen for service in gateway.services.values() for seen in service.seen] == []


async def test_a_stylesheet_that_is_given_out_is_no_line_of_the_log(logged: Logged) -> None:
    async with a_gateway(PATIENT) as gateway:
        for path, status in (("/static/portico.css", 200), ("/static/nothing.css", 404), ("/help", 200)):
            assert (await gateway.portal.get(path)).status == status
    assert [(line["route"], line["status"]) for line in logged.named("request")] == [
        ("/static/{name}", 404),
        ("/help", 200),
    ]


async def test_a_refused_page_says_when_to_try_again_and_asks_no_service() -> None:
    async with a_house_of_two(GATEWAY_USER_REQUESTS_PER_S=ONE_NOW_AND_THEN) as gateway:
        for service in gateway.services.values():
            service.seen.clear()
        page = await gateway.portal.get("/cases", headers=gateway.signed_in())
        assert (page.status, page.content_type) == (429, "text/html")
        assert int(page.headers["Retry-After"]) >= 1
        text = await page.text()
        assert "Please wait a moment" in text
        assert "Ana Duarte" in text
        assert [seen for service in gateway.services.values() for seen in service.seen] == []


async def test_a_form_that_is_refused_loses_nothing_that_was_typed() -> None:
    async with a_house_of_two(GATEWAY_USER_REQUESTS_PER_S=ONE_NOW_AND_THEN) as gateway:
        typed = {"csrf_token": CSRF, "title": "Jams in tray 3", "description": "Since this morning."}
        page = await gateway.portal.post("/cases/new", data=typed, headers=gateway.signed_in())
        assert page.status == 429
        assert int(page.headers["Retry-After"]) >= 1
        text = await page.text()
        assert "Jams in tray 3" in text
        assert "Since this morning." in text
        assert f'value="{CSRF}"' in unmask_tokens(text)


async def test_zero_means_no_bound() -> None:
    names = (
        "USER_REQUESTS_PER_S",
        "COMPANY_REQUESTS_PER_S",
        "NETWORK_REQUESTS_PER_S",
        "STATIC_REQUESTS_PER_S",
        "USER_REQUESTS_AT_ONCE",
    )
    async with a_house_of_two(**{f"GATEWAY_{name}": "0" for name in names}) as gateway:
        answers = await asyncio.gather(*(gateway.portal.get(PATH, headers=gateway.signed_in()) for _ in range(100)))
        assert {answer.status for answer in answers} == {200}
