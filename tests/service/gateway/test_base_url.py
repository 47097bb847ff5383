"""The portal opened at another address than PORTICO_BASE_URL: it works, or one sentence says what to do."""

from collections.abc import AsyncIterator
from html import unescape

import pytest

from tests.logged import Logged
from tests.service.gateway.stand_ins import TOKEN, Gateway, a_gateway, a_session, says

_BASE = "https://portal.example"
_OPEN_IT_THERE = 'Please open the portal at <a href="https://portal.example'


@pytest.fixture
async def secure() -> AsyncIterator[Gateway]:
    """A gateway that people are meant to reach by TLS."""
    async with a_gateway(PORTICO_BASE_URL=_BASE) as gateway:
        gateway["identity"].answers("POST /session", says({**a_session(), "session_token": TOKEN}, status=201))
        yield gateway


async def _sign_in(gateway: Gateway, *, keeps_cookies: bool, **headers: str) -> tuple[int, str, str]:
    """By the page, as a browser does that keeps the cookie or drops it."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    typed = {"email": "ana@example.com", "password": "right", "next": "/cases?q=a%20b"}
    async with gateway.portal.post("/sign-in", data=typed, headers=sent, allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()
        place, cookie = answer.headers["Location"], answer.headers["Set-Cookie"].partition(";")[0]
    gateway.portal.session.cookie_jar.clear()
    sent |= {"Cookie": cookie} if keeps_cookies else {}
    async with gateway.portal.get(place, headers=sent, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", ""), unescape(await answer.text())


async def test_a_browser_that_drops_the_session_is_told_where_the_portal_is(secure: Gateway, logged: Logged) -> None:
    for _ in range(3):
        status, _, page = await _sign_in(secure, keeps_cookies=False, Host="10.0.0.5:8080")
    assert status == 403
    assert f'{_OPEN_IT_THERE}/cases?q=a%20b">https://portal.example</a>' in page
    [told] = map(str, logged.named("base_url_not_in_use"))
    assert _BASE in told
    assert "10.0.0.5:8080" in told


async def test_a_browser_without_cookies_is_told_so() -> None:
    async with a_gateway() as gateway:
        gateway["identity"].answers("POST /session", says({**a_session(), "session_token": TOKEN}, status=201))
        status, _, page = await _sign_in(gateway, keeps_cookies=False)
    assert status == 403
    assert "Please allow this site’s cookies" in page
    assert "open the portal at" not in page


@pytest.mark.parametrize(
    "host", ["portal.example", "PORTAL.example", "portal.example.", "www.portal.example", "10.0.0.5"]
)
@pytest.mark.parametrize("base_url", [_BASE, "http://portal.example:8080"])
async def test_whoever_keeps_the_session_goes_on_wherever_they_opened_the_portal(host: str, base_url: str) -> None:
    async with a_gateway(PORTICO_BASE_URL=base_url) as gateway:
        gateway["identity"].answers("POST /session", says({**a_session(), "session_token": TOKEN}, status=201))
        assert (await _sign_in(gateway, keeps_cookies=True, Host=host))[:2] == (303, "/cases?q=a%20b")


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
async def test_the_check_leads_to_no_other_site(secure: Gateway, target: str) -> None:
    cookies = {"Cookie": f"__Host-portico={TOKEN}"}
    async with secure.portal.get("/signed-in", params={"next": target}, headers=cookies, allow_redirects=False) as kept:
        assert kept.headers["Location"] == "/"
    async with secure.portal.get("/signed-in", params={"next": target}) as dropped:
        assert 'href="https://portal.example/">' in await dropped.text()


@pytest.mark.parametrize(
    ("headers", "is_told"),
    [
        ({"Host": "10.0.0.5:8080"}, True),
        ({"Host": "portal.example:8080"}, True),
        ({"Host": "www.portal.example"}, True),
        ({"Host": "portal.example"}, False),  # TLS may end before us
        ({"Host": "Portal.Example."}, False),
        ({"Host": "portal.example:443"}, False),
        ({"Host": "gateway:8080", "X-Forwarded-For": "192.0.2.7"}, False),  # a proxy, which names another host
        ({"Host": "gateway:8080", "X-Forwarded-Proto": "https"}, False),
        ({"Host": "gateway:8080", "Forwarded": "for=192.0.2.7"}, False),
        ({"Host": "gateway:8080", "Via": "1.1 proxy"}, False),
        ({"Host": "localhost:8080", "Sec-Fetch-Site": "none"}, False),  # there browsers keep the cookie without TLS
    ],
)
async def test_the_sign_in_page_says_beforehand_that_it_is_in_vain_where_that_is_sure(
    secure: Gateway, headers: dict[str, str], *, is_told: bool
) -> None:
    async with secure.portal.get("/sign-in", headers=headers) as answer:
        assert (_OPEN_IT_THERE in await answer.text()) == is_told


async def test_without_tls_in_the_base_url_any_address_will_do(gateway: Gateway) -> None:
    async with gateway.portal.get("/sign-in", headers={"Host": "10.0.0.5:8080"}) as answer:
        assert "open the portal at" not in await answer.text()


async def test_a_change_at_another_address_is_refused_with_the_reason(gateway: Gateway) -> None:
    elsewhere = {"Host": "10.0.0.5:8080", "Origin": "http://10.0.0.5:8080"}
    async with gateway.portal.post("/api/v1/sites", json={}, headers=gateway.signed_in() | elsewhere) as answer:
        problem = await answer.json()
    assert (answer.status, problem["code"]) == (403, "csrf")
    assert problem["params"] == {"reason": "address", "base_url": "http://localhost:8080"}
    async with gateway.portal.post("/sign-in", data={"email": "a@b.fr"}, headers=elsewhere) as answer:
        assert "Please open the portal at http://localhost:8080." in await answer.text()
    assert gateway["identity"].asked("POST /sites") == gateway["identity"].asked("POST /session") == []


@pytest.mark.parametrize("origin", ["http://evil.example", "not an origin", "http://[", "null.example", "file://", ""])
async def test_another_site_is_refused_as_before(gateway: Gateway, origin: str) -> None:
    headers = gateway.signed_in() | {"Host": "10.0.0.5:8080", "Origin": origin}
    async with gateway.portal.post("/api/v1/sites", json={}, headers=headers) as answer:
        problem = await answer.json()
    assert (answer.status, problem["code"], problem["params"]) == (403, "csrf", {})
