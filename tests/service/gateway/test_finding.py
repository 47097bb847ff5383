"""Where a text leads that somebody types to find a case."""

import html
import re

import pytest
from yarl import URL

from tests.service.gateway.stand_ins import Gateway, Json, Script, hangs_up, refuses, says

A_ROW: Json = {
    "number": "1000000009",
    "title": "Fan noise",
    "status": "new",
    "severity": 3,
    "turn": "vendor",
    "product_name": "LaserPress 600",
    "serial": None,
    "site_name": "Lyon",
    "submitter": {"user_id": "1", "name": "Ana Duarte"},
    "updated_at": "2026-11-22T09:00:00Z",
}
FOUND: Json = {"items": [A_ROW], "next_cursor": None, "total": 1, "total_is_lower_bound": False}
NOTHING: Json = {"items": [], "next_cursor": None, "total": 0, "total_is_lower_bound": False}
MISTYPED = refuses(422, "check_number", "number", digits=10)


@pytest.mark.parametrize(
    ("typed", "case", "leads_to"),
    [
        ("1000000009", says({}), "/cases/1000000009"),
        (" 1000 0000-09 ", says({}), "/cases/1000000009"),
        ("1000000009", refuses(404, "not_found"), "/cases/1000000009"),
        ("1000000009", hangs_up, "/cases/1000000009"),
        # Nobody's number by its check digit: the own reference of a case, or mistyped, which the list says.
        ("1000 000008", MISTYPED, "/cases?q=1000+000008"),
        ("#1000000009", says({}), "/cases/1000000009"),
        ("No. 1000 000 009", says({}), "/cases/1000000009"),
        ("case \u2116 1000000009.", says({}), "/cases/1000000009"),
        ("Dossier n\u00b0 1000 000 009", says({}), "/cases/1000000009"),
        ("[1000000009]", says({}), "/cases/1000000009"),
        ("\uff11\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff19", says({}), "/cases/1000000009"),
        ("1000\u2011000\u2013009\u200b", says({}), "/cases/1000000009"),
        ("PO-77", says({}), "/cases?q=PO-77"),
        ("", says({}), "/cases"),
    ],
)
async def test_a_number_leads_to_its_case_and_everything_else_to_the_list(
    gateway: Gateway, typed: str, case: Script, leads_to: str
) -> None:
    for number in ("1000000009", "1000000008"):
        gateway["cases"].answers(f"GET /cases/{number}", case)
    answer = await gateway.portal.get("/find", params={"q": typed}, headers=gateway.signed_in(), allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, leads_to)


async def seen_at(gateway: Gateway, path: str) -> tuple[int, str]:
    gateway["cases"].answers("GET /cases/facets", says({"status": [], "severity": [], "site": []}))
    answer = await gateway.portal.get(path, headers=gateway.signed_in())
    return answer.status, html.unescape(await answer.text())


async def test_what_is_found_stands_under_the_words_which_stay_in_the_field(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases", says(FOUND))
    status, page = await seen_at(gateway, "/cases?q=fan")
    assert status == 200
    assert '<h1>Results for “fan” <span class="number">1</span></h1>' in page
    assert re.search(r'id="search" name="q"[^>]* value="fan"', page)
    assert '<a href="/cases">Show all cases</a>' in page


async def test_a_mistyped_number_that_is_not_found_as_anything_else_is_said_beside_the_field(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases", says(NOTHING))
    gateway["cases"].answers("GET /cases/1000000008", MISTYPED)
    status, page = await seen_at(gateway, "/cases?q=1000+000008")
    assert status == 200
    assert "Please check the case number: it seems to be mistyped." in page
    assert re.search(r'id="find" name="q"[^>]* value="1000 000008"', page)


async def test_a_number_that_is_not_mistyped_and_not_found_is_not_called_so(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases", says(NOTHING))
    gateway["cases"].answers("GET /cases/1000000009", refuses(404, "not_found"))
    _status, page = await seen_at(gateway, "/cases?q=1000000009")
    assert "mistyped" not in page
    assert "No case matches these filters." in page


@pytest.mark.parametrize(
    ("script", "path", "status", "value"),
    [
        (refuses(404, "not_found"), "/cases/1000000009", 404, "1000000009"),
        (MISTYPED, "/cases/1000000008", 422, "1000000008"),
        (says({}), "/nowhere", 404, ""),
    ],
)
async def test_where_nothing_is_there_is_a_field_to_search_by(
    gateway: Gateway, *, script: Script, path: str, status: int, value: str
) -> None:
    gateway["cases"].answers(f"GET {path}", script)
    shown, page = await seen_at(gateway, path)
    assert shown == status
    assert re.search(f'id="find" name="q"[^>]* value="{value}"', page)


async def test_whoever_is_not_signed_in_is_offered_no_search(gateway: Gateway) -> None:
    answer = await gateway.portal.get("/nowhere")
    assert answer.status == 404
    assert 'name="q"' not in await answer.text()


@pytest.mark.parametrize(
    ("pasted", "asked"),
    [
        ("Error 4930: the tray is empty. " * 5, ("Error 4930: the tray is empty. " * 5).rstrip()),
        ("a" * 1000, "a" * 500),
        ("4930\n\tfuser\x00\x1b[31m " * 50, ("4930 fuser " * 50)[:500]),
        ("tray\u202e 3\u200b", "tray 3"),
        ("\u200b\u3164", None),
    ],
)
async def test_a_pasted_message_leads_to_the_list_as_far_as_it_fits_into_an_address(
    gateway: Gateway, pasted: str, asked: str | None
) -> None:
    gateway["cases"].answers("GET /cases", says(NOTHING))
    answer = await gateway.portal.get("/find", params={"q": pasted}, headers=gateway.signed_in(), allow_redirects=False)
    assert answer.status == 303
    assert URL(answer.headers["Location"]).query.get("q") == asked
