"""Cookies of several portals on one host, and of neighbours whose cookies are many, large, or broken."""

import pytest
from aiohttp import hdrs
from multidict import CIMultiDict

from tests.service.gateway.stand_ins import TOKEN, Gateway, a_gateway, a_session, says

CREDENTIALS = {"email": "ana@example.com", "password": "correct horse battery"}
OURS = f"portico-8080={TOKEN}"


async def _is_signed_in(gateway: Gateway, *cookies: str) -> bool:
    headers = CIMultiDict((hdrs.COOKIE, cookie) for cookie in cookies)
    async with gateway.portal.get("/api/v1/session", headers=headers) as answer:
        assert answer.status in {200, 401}, await answer.text()
        return answer.status == 200


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("http://localhost:8080", "portico-8080"),
        ("http://localhost:9090", "portico-9090"),
        ("http://portal.example", "portico"),
        ("http://portal.example:80", "portico"),
        ("https://portal.example", "__Host-portico"),
        ("https://portal.example:8443", "__Host-portico-8443"),
        ("http://[::1]:8080", "portico-8080"),
    ],
)
async def test_portals_on_several_ports_of_one_host_leave_each_other_signed_in(base_url: str, name: str) -> None:
    async with a_gateway(PORTICO_BASE_URL=base_url) as gateway:
        session = a_session() | {"session_token": TOKEN, "device_proofs": "A" * 43 + ".b"}
        gateway["identity"].answers("POST /session", says(session, status=201))
        async with gateway.portal.post("/api/v1/session", json=CREDENTIALS) as answer:
            kept = [header.partition("=")[0] for header in answer.headers.getall("Set-Cookie")]
        assert kept == [name, name.replace("portico", "portico-device")]
        gateway.portal.session.cookie_jar.clear()
        assert await _is_signed_in(gateway, f"{name}={TOKEN}")
        assert not await _is_signed_in(gateway, f"{name}1={TOKEN}")


@pytest.mark.parametrize(
    "neighbour",
    [
        'open="quoted',
        'a="x; b=y',
        "=nameless",
        "no-equals",
        ";;;",
        "né=à",
        "a b=c",
        "{json}={\"a\": [1, 2], 'b': \\}",
        "a=b=c==",
        "tab=\tx",
        "expires=Wed, 21 Oct 2026 07:28:00 GMT",
        "path=/; domain=.example.com; secure; httponly",
        "$Version=1; $Path=/",
        "portico-8080-old=x; xportico-8080=y; Portico-8080=z",
        "__Host-portico=x; __Secure-a=b",
        "; ".join(f"n{number}=v" for number in range(800)),
        "=" * 3000,
        '"' * 3000,
        "%00=%ff; a=%zz",
        "\u200b=x",
        "x=" + "y" * 7000,
    ],
)
async def test_a_neighbours_broken_cookies_do_not_hide_ours(gateway: Gateway, neighbour: str) -> None:
    for cookies in (f"{neighbour}; {OURS}", f"{OURS}; {neighbour}", f'{neighbour}; {OURS}; z=y"'):
        assert await _is_signed_in(gateway, cookies)


async def test_of_cookies_with_our_name_the_first_counts_that_can_be_ours(gateway: Gateway) -> None:
    assert await _is_signed_in(gateway, f"portico-8080=; portico-8080=of-a-neighbour; {OURS}")
    assert await _is_signed_in(gateway, f'{OURS}; portico-8080="x"')
    assert await _is_signed_in(gateway, "a=b", OURS)  # in a header of its own, as some proxies send it
    assert not await _is_signed_in(gateway, f'portico-8080="{TOKEN}"')
    asked = gateway["identity"].asked("POST /session/resolve")
    assert {seen.body for seen in asked} == {b'{"token":"%s"}' % TOKEN.encode()}


async def test_a_broken_cookie_of_the_language_is_none(gateway: Gateway) -> None:
    for cookie, language in (("portico-language-8080=fr", "fr"), ("portico-language-8080=x; a", "en"), ("a=fr", "en")):
        async with gateway.portal.get("/sign-in", headers={"Cookie": cookie}) as answer:
            assert answer.headers["Content-Language"] == language
