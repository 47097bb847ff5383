"""A browser that brings tens of kilobytes of its neighbours' cookies is served; beyond, one page says what to do."""

from collections.abc import AsyncIterator
from html import unescape

import aiohttp
import pytest
from aiohttp import web

from services.gateway.too_long import LONGEST_HEADER, page_of
from shared.connections import Bounds
from shared.serving import Runner
from tests.service.gateway.stand_ins import TOKEN, Gateway, a_session, says


@pytest.fixture
async def portal(gateway: Gateway) -> AsyncIterator[str]:
    """The address of the gateway on a port as it is served."""
    assert gateway.portal.app is not None
    gateway["identity"].answers("POST /session/resolve", says(a_session()))
    runner = Runner(gateway.portal.app, Bounds(longest_header=LONGEST_HEADER, page_of=page_of))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await site.stop()


async def _get(url: str, cookies: str = "") -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as http, http.get(url, headers={"Cookie": cookies} if cookies else {}) as answer:
        return answer.status, answer.content_type, unescape(await answer.text())


@pytest.mark.parametrize("size", [8_000, 16_000, 32_000])
async def test_large_cookies_of_neighbours_are_no_hindrance(portal: str, size: int) -> None:
    neighbours = "; ".join(f"n{number}={'x' * 3990}" for number in range(size // 4000))
    status, _, _ = await _get(f"{portal}/api/v1/session", f"{neighbours}; portico-8080={TOKEN}")
    assert status == 200


async def test_beyond_that_a_page_says_in_both_languages_what_to_do(portal: str) -> None:
    status, kind, page = await _get(f"{portal}/cases", "x" * 40_000)
    assert (status, kind) == (431, "text/html")
    assert "Please delete the cookies of this address" in page
    assert "Supprimez les cookies de cette adresse" in page
    # They would be asked for with the same cookies.
    assert "/static/" not in page


async def test_a_program_is_told_as_programs_are(portal: str) -> None:
    status, kind, body = await _get(f"{portal}/api/v1/session", "x" * 40_000)
    assert (status, kind) == (431, "application/problem+json")
    assert '"code":"header_too_long"' in body


async def test_an_address_that_is_too_long_is_not_blamed_on_cookies(portal: str) -> None:
    status, kind, page = await _get(f"{portal}/find?q={'x' * 70_000}")
    assert (status, kind) == (414, "text/html")
    assert "The address of this page is too long." in page
    assert "cookies" not in page
