"""Where a text leads that somebody types to find a case."""

import pytest

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
        ("PO-77", says({}), FOUND, "/cases?q=PO-77"),
        ("", says({}), FOUND, "/cases"),
    ],
)
async def test_a_number_leads_to_its_case_and_everything_else_to_the_list(
    gateway: Gateway, *, typed: str, case: Script, listed: Json, leads_to: str
) -> None:
    gateway["cases"].answers(f"GET /cases/{''.join(typed.split()).replace('-', '')}", case)
    gateway["cases"].answers("GET /cases", says(listed))
    answer = await gateway.portal.get("/find", params={"q": typed}, headers=gateway.signed_in(), allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, leads_to)
    assert all(
        seen.path == f"/cases?q={typed.replace(' ', '+')}&limit=1" for seen in gateway["cases"].asked("GET /cases")
    )
