"""The application of every process: problems, limits, deadlines, request ids, health."""

import asyncio
import gzip
import io
import json
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import REGISTRY
from pydantic import Field, Secret, StringConstraints

from deploy.local.child import Child, free_port
from deploy.local.parts import Mongod
from deploy.local.waiting import until
from services.cases.app import create_app as create_cases
from services.cases.settings import CasesSettings
from shared import bodies, errors
from shared.schemas.attachments import AttachmentIds
from shared.schemas.base import Cleaned, Request
from shared.web.app import create_app
from shared.web.requests import read_body
from shared.web.responses import answer
from tests.builders import MONGO_DRIVER, TEST_SECRET, UNREACHABLE_BROKER, an_actor, signed, until_ready

Client = TestClient[Any, Any]


class Order(Request):
    """What the test application takes."""

    name: str = Field(max_length=10)
    count: int = Field(strict=True)


class Choice(Request):
    """A body in which nothing is required."""

    name: str = "any"


class Lengths(Request):
    """All that has a length: texts as they come, cleaned and secret, and lists as they come and looked through."""

    plain: Annotated[str, Field(min_length=2, max_length=3)]
    cleaned: Annotated[str, Cleaned(least=1, most=1)]
    secret: Secret[Annotated[str, StringConstraints(min_length=2, max_length=3)]]
    listed: Annotated[list[str], Field(min_length=1, max_length=1)]
    looked_through: Annotated[AttachmentIds, Field(min_length=2, max_length=3)]


async def measure(request: web.Request) -> web.Response:
    await read_body(request, Lengths)
    return answer({})


async def take(request: web.Request) -> web.Response:
    order = await read_body(request, Order)
    return answer({"name": order.name})


async def choose(request: web.Request) -> web.Response:
    return answer((await read_body(request, Choice)).model_dump())


async def break_down(_request: web.Request) -> web.Response:
    raise RuntimeError("CANARY: a secret of the inside")


async def refuse(_request: web.Request) -> web.Response:
    raise errors.TooManyRequests(retry_after_s=7)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    app = create_app()
    app.router.add_post("/orders", take)
    app.router.add_post("/lengths", measure)
    app.router.add_post("/choices", choose)
    app.router.add_get("/broken/{code}", break_down)
    app.router.add_get("/limited", refuse)
    async with TestClient(TestServer(app)) as it:
        yield it


async def problem_of(response: Any) -> dict[str, Any]:
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = json.loads(await response.read())
    assert set(body) >= {"type", "title", "status", "detail", "request_id", "errors"}
    assert body["status"] == response.status
    assert body["request_id"] == response.headers["X-Request-Id"]
    return body


async def test_where_no_field_is_required_no_body_is_needed(client: Client) -> None:
    for headers in ({}, {"Content-Type": "application/json"}):
        async with client.post("/choices", data=b"", headers=headers) as response:
            assert (response.status, await response.json()) == (200, {"name": "any"})
    async with client.post("/choices", data=b"name=a") as response:
        assert response.status == 415
    async with client.post("/orders") as response:
        assert response.status == 415


async def test_what_breaks_is_a_500_that_tells_nothing_of_the_inside(client: Client) -> None:
    async with client.get("/broken/secret-code") as response:
        body = await problem_of(response)
    assert (response.status, body["errors"]) == (500, [])
    assert "CANARY" not in str(body)


async def test_unknown_paths_and_methods_are_problems_too(client: Client) -> None:
    async with client.get("/nowhere") as response:
        assert ((await problem_of(response))["status"], response.status) == (404, 404)
    async with client.delete("/orders") as response:
        assert (await problem_of(response))["status"] == 405
        assert response.headers["Allow"] == "POST"


async def test_a_wait_is_told_in_seconds(client: Client) -> None:
    async with client.get("/limited") as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "7")
        await problem_of(response)


async def test_a_request_id_is_taken_when_it_is_one_and_made_when_it_is_not(client: Client) -> None:
    async with client.get("/nowhere", headers={"X-Request-Id": "abc-12345678"}) as response:
        assert response.headers["X-Request-Id"] == "abc-12345678"
    for bad in ("short", "x" * 65, "with space in it", "{}{}{}{}{}"):
        async with client.get("/nowhere", headers={"X-Request-Id": bad}) as response:
            made = response.headers["X-Request-Id"]
        assert made != bad
        assert len(made) == 32


async def test_every_wrong_field_is_named(client: Client) -> None:
    async with client.post("/orders", json={"name": "x" * 11, "count": "1", "extra": 1}) as response:
        body = await problem_of(response)
    assert {(error["field"], error["code"]) for error in body["errors"]} == {
        ("name", "string_too_long"),
        ("count", "int_type"),
        ("extra", "extra_forbidden"),
    }


async def test_an_answer_names_a_hundred_wrong_fields_and_of_too_many_none(client: Client) -> None:
    async def named(strange: int) -> list[str]:
        async with client.post("/orders", json={f"strange{n}": 1 for n in range(strange)}) as response:
            return [error["code"] for error in (await problem_of(response))["errors"]]

    assert len(await named(900)) == 100
    assert await named(2000) == ["too_many_errors"]


async def test_lengths_are_refused_in_plain_words(client: Client) -> None:
    async def refused(text: str, files: list[str]) -> dict[str, tuple[str, str]]:
        names = ("plain", "cleaned", "secret")
        body = dict.fromkeys(names, text) | {"listed": files, "looked_through": files}
        async with client.post("/lengths", json=body) as response:
            found = (await problem_of(response))["errors"]
        return {error["field"]: (error["code"], error["message"]) for error in found}

    assert await refused("", []) == {
        "plain": ("string_too_short", "Use at least 2 characters."),
        "cleaned": ("string_too_short", "Use at least 1 character."),
        "secret": ("string_too_short", "Use at least 2 characters."),
        "listed": ("too_short", "Give at least 1 entry."),
        "looked_through": ("too_short", "Give at least 2 entries."),
    }
    assert await refused("four", ["a", "b", "c", "d"]) == {
        "plain": ("string_too_long", "Use at most 3 characters."),
        "cleaned": ("string_too_long", "Use at most 1 character."),
        "secret": ("string_too_long", "Use at most 3 characters."),
        "listed": ("too_long", "Give at most 1 entry."),
        "looked_through": ("too_long", "Give at most 3 entries."),
    }


async def test_a_chunked_body_over_the_limit_is_413(client: Client) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 65_536

    headers = {"Content-Type": "application/json"}
    async with client.post("/orders", data=chunks(), headers=headers) as response:
        assert (await problem_of(response))["status"] == 413


async def test_a_body_that_never_ends_is_cut_off(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_DEADLINE_S", 0.3)

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"name": "'
        await asyncio.sleep(5)

    headers = {"Content-Type": "application/json"}
    async with client.post("/orders", data=slowly(), headers=headers) as response:
        assert (await problem_of(response))["status"] == 408


@pytest.mark.parametrize(
    "encodings", [["gzip"], ["identity", "gzip"], ["gzip", "identity"], ["identity, GZIP"], ["deflate"]]
)
async def test_a_packed_body_is_refused_however_its_headers_say_so(client: Client, encodings: list[str]) -> None:
    bomb = gzip.compress(b"[" * 20_000_000)
    headers = [("Content-Type", "application/json"), *(("Content-Encoding", encoding) for encoding in encodings)]
    async with client.post("/orders", data=io.BytesIO(bomb), headers=headers) as response:
        assert (await problem_of(response))["status"] == 415


async def test_a_body_that_says_it_is_not_packed_is_taken(client: Client) -> None:
    headers = {"Content-Encoding": "identity"}
    async with client.post("/orders", json={"name": "x", "count": 1}, headers=headers) as response:
        assert response.status == 200


# A whole service, with its database away and back


def settings(mongo_url: str) -> CasesSettings:
    return CasesSettings.model_validate(
        {
            "PORTICO_SECRET_KEY": TEST_SECRET,
            "MONGO_URL": mongo_url,
            "MONGO_DRIVER": MONGO_DRIVER,
            "RABBITMQ_URL": UNREACHABLE_BROKER,
        }
    )


async def test_a_service_starts_without_its_database_says_503_and_comes_back_by_itself(absent_mongod: Mongod) -> None:
    async with TestClient(TestServer(create_cases(settings(absent_mongod.url)))) as client:
        async with client.get("/healthz") as alive, client.get("/readyz") as ready:
            assert (alive.status, ready.status) == (200, 503)
        async with client.get("/cases", headers=signed(an_actor())) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "2")
            assert (await problem_of(response))["code"] == "unavailable"
        await absent_mongod.start()
        await until_ready(client)
        async with client.get("/cases", headers=signed(an_actor())) as response:
            assert response.status == 200
        async with client.get("/readyz") as ready:
            body = await ready.json()
        # The broker is still away: HTTP can be served all the same.
        assert (ready.status, body["degraded"]["broker"]) == (200, "unavailable")


async def test_metrics_name_routes_by_their_template(mongo_url: str) -> None:
    labels = {"method": "GET", "route": "/cases/{number}", "status": "422"}
    before = REGISTRY.get_sample_value("portico_http_requests_total", labels) or 0
    async with TestClient(TestServer(create_cases(settings(mongo_url)))) as client:
        await until_ready(client)
        async with client.get("/cases/1234567890", headers=signed(an_actor())) as response:
            assert response.status == 422
        async with client.get("/metrics") as metrics:
            text = await metrics.text()
    assert REGISTRY.get_sample_value("portico_http_requests_total", labels) == before + 1
    assert 'portico_http_requests_total{method="GET",route="/cases/{number}",status="422"}' in text
    assert "1234567890" not in text


# Callers who leave

_WAITS = """
import asyncio, sys
from aiohttp import web
from shared.serving import serve
from shared.web.app import create_app

async def wait(request):
    print("began", flush=True)
    try:
        await asyncio.sleep(float(sys.argv[3]))
        print("finished", flush=True)
    except asyncio.CancelledError:
        print("given up", flush=True)
        raise
    return web.Response()

app = create_app()
app.router.add_get("/wait", wait)
serve(app, host="127.0.0.1", port=int(sys.argv[1]), stop_with_caller=sys.argv[2] == "stop")
"""


@pytest.mark.parametrize(("then", "heard", "within_s"), [("stop", "given up", 60), ("finish", "finished", 1)])
async def test_a_request_whose_caller_has_left_ends_where_the_service_says_so(
    tmp_path: Path, then: str, heard: str, within_s: int
) -> None:
    port = free_port()
    server = Child(
        "server", [sys.executable, "-c", _WAITS, str(port), then, str(within_s)], tmp_path / "log", cwd=Path.cwd()
    )

    async def says(words: str) -> bool:
        return words in server.log_tail()

    server.start()
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5)) as http:

            async def asked() -> bool:
                with suppress(aiohttp.ClientError, TimeoutError):
                    await http.get(f"http://127.0.0.1:{port}/wait")
                return await says("began")

            assert await until(asked, deadline_s=60)
        assert await until(lambda: says(heard), deadline_s=30)
    finally:
        server.kill()
