"""Lists that are longer than one page of a service."""

import html
import re
from typing import Any

import pytest
from aiohttp import web

from tests.service.gateway.stand_ins import Gateway, Json, Script, says


def in_pages(items: list[Json], **also: Any) -> Script:
    """Answers as a service does, with a cursor behind each page."""

    async def script(request: web.Request) -> web.Response:
        start, limit = int(request.query.get("cursor", "0")), int(request.query["limit"])
        end = start + limit
        cursor = str(end) if end < len(items) else None
        return web.json_response({"items": items[start:end], "next_cursor": cursor, "total": len(items), **also})

    return script


def a_site(number: int) -> Json:
    return {
        "id": f"site-{number}",
        "name": f"Site {number:03}",
        "city": "Lyon",
        "address_line_1": "1 rue de la Gare",
        "address_line_2": "",
        "postal_code": "69000",
        "country": "FR",
    }


def a_user(number: int) -> Json:
    return {
        "name": f"User {number:03}",
        "email": f"u{number}@example.com",
        "role": "member",
        "active": True,
        "site_ids": None,
    }


def an_invitation(number: int) -> Json:
    return {
        "id": f"invitation-{number}",
        "email": f"guest{number}@example.com",
        "role": "member",
        "site_id": None,
        "state": "pending",
        "expires_at": "2026-11-29T09:00:00Z",
    }


@pytest.fixture
def portal(gateway: Gateway) -> Gateway:
    whole = {"total_is_lower_bound": False}
    gateway["identity"].answers("GET /sites", in_pages([a_site(number) for number in range(1, 202)], **whole))
    gateway["identity"].answers("GET /users", in_pages([a_user(number) for number in range(1, 61)], **whole))
    gateway["identity"].answers("GET /invitations", in_pages([an_invitation(number) for number in range(1, 202)]))
    gateway["identity"].answers("GET /profile", says({"site_id": "site-201", "version": 1}))
    gateway["identity"].answers("GET /pins", says({"items": []}))
    gateway["notifications"].answers(
        "GET /notification-preferences", says({"case_emails": True, "kinds": {}, "labels": {}})
    )
    gateway["cases"].answers("GET /cases/facets", says({"status": [], "severity": [], "site": []}))
    return gateway


async def _page(gateway: Gateway, path: str) -> str:
    answer = await gateway.portal.get(path, headers=gateway.signed_in())
    assert answer.status == 200
    return await answer.text()


async def _pages(gateway: Gateway, path: str) -> list[str]:
    """This page and those that *Next page* leads to."""
    pages = [await _page(gateway, path)]
    while found := re.search(r'href="([^"]+)" rel="next"', pages[-1]):
        pages.append(await _page(gateway, html.unescape(found[1])))
    return pages


async def test_the_last_of_201_sites_can_be_chosen(portal: Gateway) -> None:
    assert '<option value="site-201" selected>Site 201, Lyon</option>' in await _page(portal, "/profile")
    assert '<option value="site-201">Site 201, Lyon</option>' in await _page(portal, "/users")


async def test_no_more_sites_are_fetched_than_a_list_can_offer(portal: Gateway) -> None:
    portal["identity"].answers("GET /sites", in_pages([a_site(number) for number in range(1, 5_402)]))
    await _page(portal, "/profile")
    assert len(portal["identity"].asked("GET /sites")) == 25


async def test_all_sites_are_listed_page_by_page(portal: Gateway) -> None:
    pages = await _pages(portal, "/sites")
    assert re.findall(r"<b>Site (\d+)</b>", "".join(pages)) == [f"{number:03}" for number in range(1, 202)]
    assert "1–50 of 201" in pages[0]
    assert "50 on this page, 201 in all" in pages[1]
    assert "201–201 of 201" in pages[-1]
    assert ["First page" in page for page in pages] == [False, True, True, True, True]


async def test_each_page_of_a_list_leads_back_to_the_one_before(portal: Gateway) -> None:
    pages = await _pages(portal, "/sites")
    for before, page in zip(pages[-2::-1], pages[:0:-1], strict=True):
        previous = re.search(r'href="([^"]+)" rel="prev"', page)
        assert previous is not None
        found = await _page(portal, html.unescape(previous[1]))
        assert re.findall(r"<b>(Site \d+)</b>", found) == re.findall(r"<b>(Site \d+)</b>", before)
    assert 'rel="prev"' not in pages[0]


async def test_all_users_are_listed_page_by_page_beside_all_pending_invitations(portal: Gateway) -> None:
    first, second = await _pages(portal, "/users")
    assert re.findall(r"<b>User (\d+)</b>", first + second) == [f"{number:03}" for number in range(1, 61)]
    assert "51–60 of 60" in second
    for page in (first, second):
        assert "guest201@example.com" in page
        assert '<span class="number">201</span>' in page


async def test_a_page_of_a_list_that_is_not_counted_to_its_end_claims_no_place(portal: Gateway) -> None:
    rows: Json = {"items": [], "next_cursor": None, "total": 1_000, "total_is_lower_bound": True}
    portal["cases"].answers("GET /cases", says(rows))
    assert "0 on this page, 1,000+ in all" in await _page(portal, "/cases?cursor=behind")
