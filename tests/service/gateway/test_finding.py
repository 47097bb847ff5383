"""Where a text leads that somebody types to find a case."""

import pytest
from yarl import URL

from tests.service.gateway.stand_ins import Gateway, Json, Script, hangs_up, refuses, says

FOUND: Json = {"items": [{"number": "1000000009"}], "next_cursor": None, "total": 1}
NOTHING: Json = {"items": [], "next_cursor": None, "total": 0}
MISTYPED = refuses(422, "check_number", "number")


@pytest.mark.parametrize(
    ("typed", "case", "listed", "leads_to"),
    [
        ("1000000009", says({}), NOTHING, "/cases/1000000009"),
        (" 1000 0000-09 ", says({}), FOUND, "/cases/1000000009"),
        ("1000000009", refuses(404, "not_found"), FOUND, "/cases/1000000009"),
        ("1000000009", hangs_up, FOUND, "/cases/1000000009"),
        # Nobody's number by its check digit: the own reference of a case, or mistyped.
        ("1000 000008", MISTYPED, FOUND, "/cases?q=1000+000008"),
        ("1000000008", MISTYPED, NOTHING, "/cases/1000000008"),
        ("#1000000009", says({}), FOUND, "/cases/1000000009"),
        ("No. 1000 000 009", says({}), FOUND, "/cases/1000000009"),
        ("case \u2116 1000000009.", says({}), FOUND, "/cases/1000000009"),
        ("Dossier n\u00b0 1000 000 009", says({}), FOUND, "/cases/1000000009"),
        ("[1000000009]", says({}), FOUND, "/cases/1000000009"),
        ("\uff11\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff19", says({}), FOUND, "/cases/1000000009"),
        ("1000\u2011000\u2013009\u200b", says({}), FOUND, "/cases/1000000009"),
        ("PO-77", says({}), FOUND, "/cases?q=PO-77"),
        ("", says({}), FOUND, "/cases"),
    ],
)
async def test_a_number_leads_to_its_case_and_everything_else_to_the_list(
    gateway: Gateway, *, typed: str, case: Script, listed: Json, leads_to: str
) -> None:
    for number in ("1000000009", "1000000008"):
        gateway["cases"].answers(f"GET /cases/{number}", case)
    gateway["cases"].answers("GET /cases", says(listed))
    answer = await gateway.portal.get("/find", params={"q": typed}, headers=gateway.signed_in(), allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, leads_to)
    assert all(
        seen.path == f"/cases?q={typed.replace(' ', '+')}&limit=1&total=false"
        for seen in gateway["cases"].asked("GET /cases")
    )


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
