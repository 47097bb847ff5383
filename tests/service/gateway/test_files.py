"""Files on their way through the gateway: in pieces, counted, bounded in time, and harmless on the way out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from io import BytesIO
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared import bodies
from tests.service.gateway.stand_ins import (
    CSRF,
    TOKEN,
    Gateway,
    a_portal,
    never_answers,
    refuses,
    says,
    unused_url,
    with_deadlines,
)

MIB = 1024 * 1024
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
PATH = "/api/v1/attachments"


async def pieces(size: int, sent: list[int] | None = None) -> AsyncIterator[bytes]:
    for _ in range(0, size, 64 * 1024):
        if sent is not None:
            sent.append(64 * 1024)
        yield b"x" * (64 * 1024)


async def test_a_body_goes_through_as_it_came_with_who_sends_it(gateway: Gateway) -> None:
    gateway["cases"].answers("POST /attachments", says({"items": []}, status=201))
    body = b"--x\r\n\r\n" + b"y" * (3 * MIB)
    headers = gateway.signed_in(Idempotency_Key="mine") | FORM
    answer = await gateway.portal.post(PATH, data=BytesIO(body), headers=headers)
    assert (answer.status, await answer.json()) == (201, {"items": []})
    (seen,) = gateway["cases"].seen
    assert seen.body == body
    assert (seen.headers["Content-Type"], seen.headers["Idempotency-Key"]) == (FORM["Content-Type"], "mine")
    assert "X-Portico-Actor" in seen.headers
    assert "Cookie" not in seen.headers


async def test_the_gateway_does_not_wait_for_the_end_before_it_passes_on_the_beginning(gateway: Gateway) -> None:
    began = asyncio.Event()

    async def reads_in_pieces(request: web.Request) -> web.StreamResponse:
        assert await request.content.readexactly(5) == b"first"
        began.set()
        assert await request.content.read() == b"second"
        return web.json_response({}, status=201)

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await began.wait()
        yield b"second"

    inner = web.Application()
    inner.router.add_post("/attachments", reads_in_pieces)
    async with TestServer(inner) as cases:
        urls = {name: service.url for name, service in gateway.services.items()} | {
            "cases": f"http://127.0.0.1:{cases.port}"
        }
        portal = await a_portal(urls)
        try:
            assert (await portal.post(PATH, data=body(), headers=gateway.signed_in() | FORM)).status == 201
        finally:
            await portal.close()


async def test_no_body_is_read_without_a_session_or_with_a_wrong_token(gateway: Gateway) -> None:
    nobody = await gateway.portal.post(PATH, data=b"x", headers=FORM)
    forged = await gateway.portal.post(PATH, data=b"x", headers={"Cookie": f"portico-8080={TOKEN}", **FORM})
    assert (nobody.status, forged.status) == (401, 403)
    assert gateway["cases"].seen == []
    assert CSRF not in await forged.text()


async def test_a_body_that_says_it_is_too_long_is_refused_at_once(gateway: Gateway) -> None:
    try:
        async with gateway.portal.post(
            PATH, data=BytesIO(b"x" * 7 * MIB), headers=gateway.signed_in() | FORM
        ) as answer:
            assert answer.status == 413
    except aiohttp.ClientError:
        pass  # the answer can be lost while we still send; nothing of it went on
    assert gateway["cases"].seen == []


async def test_a_body_that_does_not_say_so_is_cut_where_it_gets_too_long(gateway: Gateway) -> None:
    sent: list[int] = []
    try:
        async with gateway.portal.post(PATH, data=pieces(60 * MIB, sent), headers=gateway.signed_in() | FORM) as answer:
            assert (answer.status, answer.content_type) == (413, "application/problem+json")
    except aiohttp.ClientError:
        pass  # as above
    assert sum(sent) < 20 * MIB


@with_deadlines(upload_idle_s=0.5)
async def test_a_stalled_body_is_cut_off(gateway: Gateway) -> None:
    never = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield b"x"
        await never.wait()

    try:
        async with gateway.portal.post(PATH, data=stalls(), headers=gateway.signed_in() | FORM) as answer:
            assert answer.status == 408
    finally:
        never.set()


async def test_a_body_that_comes_in_drops_is_cut_off(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_RESERVE_S", 0.2)
    answered = asyncio.Event()

    async def drops() -> AsyncIterator[bytes]:
        while not answered.is_set():
            yield b"x"
            with suppress(TimeoutError):
                await asyncio.wait_for(answered.wait(), 0.01)

    gateway["cases"].answers("POST /attachments", says({}, status=201))
    try:
        async with gateway.portal.post(PATH, data=drops(), headers=gateway.signed_in() | FORM) as answer:
            assert answer.status == 408
    finally:
        answered.set()


@with_deadlines(answer_s=0.6)
async def test_a_service_that_is_unavailable_or_never_answers_is_named(gateway: Gateway) -> None:
    gateway["cases"].answers("POST /attachments", never_answers)
    silent = await gateway.portal.post(PATH, data=pieces(MIB), headers=gateway.signed_in() | FORM)
    assert (silent.status, silent.headers["Retry-After"]) == (503, "2")
    urls = {name: service.url for name, service in gateway.services.items()} | {"cases": unused_url()}
    portal = await a_portal(urls)
    try:
        away = await portal.post(PATH, data=pieces(MIB), headers=gateway.signed_in() | FORM)
        assert away.status == 503
    finally:
        await portal.close()


async def test_a_refusal_comes_back_as_the_service_said_it(gateway: Gateway) -> None:
    gateway["cases"].answers("POST /attachments", says({"code": "invalid"}, status=422))
    answer = await gateway.portal.post(PATH, data=pieces(MIB), headers=gateway.signed_in() | FORM)
    assert (answer.status, await answer.json()) == (422, {"code": "invalid"})


async def test_a_download_keeps_what_makes_it_harmless(gateway: Gateway) -> None:
    async def file(_request: web.Request) -> web.Response:
        kept = {
            "Content-Disposition": "attachment; filename=\"a.xml\"; filename*=UTF-8''a.xml",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "private, no-store",
        }
        return web.Response(body=b"<a/>", content_type="application/xml", headers={**kept, "X-Inner": "secret"})

    gateway["cases"].answers("GET /attachments/abc", file)
    async with gateway.portal.get(f"{PATH}/abc", headers=gateway.signed_in()) as answer:
        assert (answer.status, await answer.read(), answer.content_type) == (200, b"<a/>", "application/xml")
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["Content-Length"] == "4"
        assert "X-Inner" not in answer.headers


@pytest.mark.parametrize("path", [f"{PATH}/abc", "/api/v1/cases.csv", "/cases.csv", "/cases/1000000009/files/abc"])
async def test_the_answer_to_head_ends_with_its_headers(gateway: Gateway, path: str) -> None:
    async def file(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Disposition": "attachment; filename=a.csv"})
        await response.prepare(request)
        await response.write(b"a,b")
        return response

    gateway["cases"].answers("GET /attachments/abc", file)
    gateway["cases"].answers("GET /cases.csv", file)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.portal.port)
    asked = f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nCookie: portico-8080={TOKEN}\r\nConnection: close\r\n\r\n"
    async with asyncio.timeout(30):
        writer.write(asked.encode())
        headers, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert (headers.split()[1], body) == (b"200", b"")
    assert b"filename=a.csv" in headers


# Links to files on pages

_LINK = "/cases/1000000009/files/abc"


@pytest.mark.parametrize(
    ("status", "code", "sentence", "again"),
    [
        (409, "scanning", "This file is still being checked for viruses.", True),
        (409, "infected", "A virus was found in this file", False),
        (404, "not_found", "This page does not exist", False),
        (503, "unavailable", "A part of the portal is not reachable.", True),
    ],
)
async def test_a_file_that_cannot_be_had_is_answered_with_a_page(
    gateway: Gateway, status: int, code: str, sentence: str, *, again: bool
) -> None:
    gateway["cases"].answers("GET /attachments/abc", refuses(status, code))
    async with gateway.portal.get(_LINK, headers=gateway.signed_in()) as answer:
        page = await answer.text()
    assert (answer.status, answer.content_type) == (status, "text/html")
    assert sentence in page
    assert '<a class="button" href="/cases/1000000009">Back to the case</a>' in page
    assert (f'<a class="button primary" href="{_LINK}">Try again</a>' in page) == again


async def test_a_link_on_a_page_downloads_the_file(gateway: Gateway) -> None:
    told = says({"a": 1}, Content_Disposition="attachment; filename=a.json", Content_Security_Policy="sandbox")
    gateway["cases"].answers("GET /attachments/a%20b", told)
    async with gateway.portal.get("/cases/1000000009/files/a%20b", headers=gateway.signed_in()) as answer:
        assert (answer.status, await answer.json()) == (200, {"a": 1})
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["Content-Security-Policy"] == "sandbox"


@pytest.mark.parametrize(
    ("path", "page"),
    [
        (_LINK, "/cases/1000000009"),
        ("/cases.xlsx?status=open&sort=title", "/cases?status=open&sort=title"),
        ("/cases.csv?status=open&sort=title", "/cases?status=open&sort=title"),
    ],
)
@pytest.mark.parametrize("has_old_session", [True, False])
async def test_whoever_has_to_sign_in_for_a_file_comes_back_to_its_page(
    gateway: Gateway, path: str, page: str, *, has_old_session: bool
) -> None:
    gateway["identity"].answers("POST /session/resolve", refuses(401, "not_signed_in"))
    headers = gateway.signed_in() if has_old_session else {}
    async with gateway.portal.get(path, headers=headers, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, f"/sign-in?{urlencode({'next': page})}")
