"""Who was told of a case: cases is asked first whether the visitor sees it, then notifications with its word."""

import pytest

from shared.case_passes import CASE_HEADER
from shared.signing import ACTOR_HEADER
from tests.service.gateway.stand_ins import SIGNED_ACTOR, Gateway, Script, hangs_up, refuses, says
from tests.service.gateway.test_pages import a_list

PATH, PASS = "GET /cases/1000000009/deliveries", "GET /cases/1000000009/pass"
ADDRESS = "/api/v1/cases/1000000009/deliveries"


async def test_notifications_is_asked_with_the_pass_of_cases_whatever_the_client_sends(gateway: Gateway) -> None:
    gateway["cases"].answers(PASS, says({"token": "signed by cases"}))
    gateway["notifications"].answers(PATH, says(a_list()))
    headers = gateway.signed_in() | {CASE_HEADER: "signed by nobody"}
    answer = await gateway.portal.get(f"{ADDRESS}?limit=2&cursor=c", headers=headers)
    assert (answer.status, await answer.json()) == (200, a_list())
    (asked,) = gateway["notifications"].asked(PATH)
    assert asked.path == "/cases/1000000009/deliveries?limit=2&cursor=c"
    assert asked.headers[CASE_HEADER] == "signed by cases"
    assert {seen.headers[ACTOR_HEADER] for seen in (asked, *gateway["cases"].asked(PASS))} == {SIGNED_ACTOR}


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (refuses(404, "not_found"), 404, "not_found"),
        (refuses(422, "check_number", "number"), 422, "check_number"),
        (hangs_up, 503, "unavailable"),
    ],
    ids=["not seen", "mistyped", "away"],
)
async def test_whoever_does_not_see_the_case_learns_nothing_from_the_ledger(
    gateway: Gateway, script: Script, status: int, code: str
) -> None:
    gateway["cases"].answers(PASS, script)
    gateway["notifications"].answers(PATH, says(a_list()))
    answer = await gateway.portal.get(ADDRESS, headers=gateway.signed_in())
    assert (answer.status, (await answer.json())["code"]) == (status, code)
    assert gateway["notifications"].asked(PATH) == []


async def test_no_pass_leaves_the_portal(gateway: Gateway) -> None:
    gateway["cases"].answers(PASS, says({"token": "signed by cases"}))
    answer = await gateway.portal.get("/api/v1/cases/1000000009/pass", headers=gateway.signed_in())
    assert answer.status == 404
    assert gateway["cases"].asked(PASS) == []
