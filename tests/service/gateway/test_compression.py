"""Pages go out compressed, and nobody learns a secret by how long they are."""

import asyncio
import re
import zlib

import pytest

from services.gateway.csrf import unmasked
from tests.service.gateway.stand_ins import CSRF, Gateway, a_gateway, a_session, says

HTTPS = "https://portal.example.com"
PAGE = "/help"


async def _encoding(gateway: Gateway, path: str = PAGE, **headers: str) -> str:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await gateway.portal.get(path, headers={"Accept-Encoding": "gzip, deflate, br"} | given)
    assert "text/html" not in answer.content_type or answer.headers["Vary"] == "Accept-Encoding"
    return answer.headers.get("Content-Encoding", "")


@pytest.mark.parametrize("site", ["same-origin", "none"])
async def test_a_page_asked_for_from_the_portal_is_compressed(gateway: Gateway, site: str) -> None:
    assert await _encoding(gateway, Sec_Fetch_Site=site) in {"gzip", "deflate"}


async def test_what_is_sent_is_the_page(gateway: Gateway) -> None:
    target = f"{gateway.portal.make_url(PAGE)}"
    async with gateway.portal.session.get(target, headers={"Accept-Encoding": "identity"}) as plain:
        text, length = await plain.text(), plain.content_length
        assert "Content-Encoding" not in plain.headers
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.portal.port)
    writer.write(f"GET {PAGE} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert b"Content-Encoding: gzip" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert length is not None
    assert len(body) < length / 1.5
    assert zlib.decompress(body, wbits=31).decode() == text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_page_that_another_site_asked_for_is_not(gateway: Gateway, site: str) -> None:
    assert await _encoding(gateway, Sec_Fetch_Site=site) == ""


async def test_who_does_not_say_who_sent_them_gets_it_compressed_only_without_tls(gateway: Gateway) -> None:
    assert await _encoding(gateway) != ""
    async with a_gateway(PORTICO_BASE_URL=HTTPS) as other:
        assert await _encoding(other) == ""
        assert await _encoding(other, Sec_Fetch_Site="none") != ""


async def test_refusals_as_pages_are_compressed_and_answers_of_the_api_are_not(gateway: Gateway) -> None:
    assert await _encoding(gateway, "/nowhere") != ""
    assert await _encoding(gateway, "/api/v1/openapi.json") == ""


async def test_no_two_answers_carry_the_same_token_and_each_is_taken(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /session/resolve", says(a_session()))
    gateway["identity"].answers("PUT /profile/language", says({}))
    shown = set()
    for _ in range(2):
        page = await (await gateway.portal.get(PAGE, headers=gateway.signed_in())).text()
        assert CSRF not in page
        found = set(re.findall(r'name="csrf_token" value="([^"]+)"', page))
        assert {unmasked(token) for token in found} == {CSRF}
        shown |= found
    assert len(shown) == 2
    for token in shown:
        form, cookie = {"to": "fr", "next": "/", "csrf_token": token}, gateway.signed_in()["Cookie"]
        answer = await gateway.portal.post("/language", data=form, headers={"Cookie": cookie}, allow_redirects=False)
        assert answer.status == 303
