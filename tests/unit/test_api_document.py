"""What holds answers against the API's description finds each way to differ from it."""

from typing import Any

import orjson
import pytest

from tests.api_document import NotAsDescribed, Received, check, operation_of

_SITE = {
    "id": "0198c0de-0000-7000-8000-000000000001",
    "name": "Lyon",
    "company_name": "Acme SA",
    "address_line_1": "1 rue A",
    "address_line_2": "",
    "city": "Lyon",
    "postal_code": "69001",
    "region": "",
    "country": "FR",
    "closed": False,
    "version": 1,
}
_HEADERS = {"Content-Type": "application/json; charset=utf-8", "X-Request-Id": "x", "ETag": '"1"'}


def a_problem(status: int, code: str, **other: Any) -> Received:
    told = {"type": "t", "title": "T", "status": status, "code": code, "detail": "D", "request_id": "x"}
    body = orjson.dumps(told | {"params": {}, "errors": []} | other)
    headers = {"Content-Type": "application/problem+json", "X-Request-Id": "x"}
    return Received("GET", "/api/v1/sites/1", status, headers, body)


def a_site(*, status: int = 200, headers: dict[str, str] | None = None, **fields: Any) -> Received:
    return Received("GET", "/sites/1", status, _HEADERS if headers is None else headers, orjson.dumps(_SITE | fields))


def test_an_answer_as_it_is_described_passes() -> None:
    check(a_site())
    check(a_problem(404, "not_found"))
    check(a_problem(500, "internal"))
    check(a_problem(409, "not_yet_known"))  # between the services
    check(Received("GET", "/healthz", 200, {}, b"{}"))
    check(Received("DELETE", "/sites/1", 405, {}, b""))


@pytest.mark.parametrize(
    "received",
    [
        a_site(status=203),
        a_site(headers={"Content-Type": "application/json", "X-Request-Id": "x"}),
        a_site(headers=_HEADERS | {"Content-Type": "text/plain"}),
        a_site(version="1"),
        a_site(id="1"),
        a_problem(404, "unheard_of"),
        a_problem(404, "not_found", errors=[{"field": "x"}]),
        a_problem(429, "too_many_requests"),  # without Retry-After
        a_problem(409, "stale"),
    ],
    ids=["status", "header", "media type", "type", "format", "code", "errors", "wait", "refusal"],
)
def test_an_answer_that_is_not_described_is_found(received: Received) -> None:
    with pytest.raises(NotAsDescribed):
        check(received)


def test_an_address_is_that_of_the_route_which_names_most_of_it() -> None:
    assert operation_of("GET", "/api/v1/cases/facets") == ("/cases/facets", "get")
    assert operation_of("GET", "/cases/0000000001") == ("/cases/{number}", "get")
    assert operation_of("GET", "/sites/1/more") is None


def test_a_page_is_none_of_the_apis_answers() -> None:
    html = {"Content-Type": "text/html; charset=utf-8"}
    check(Received("POST", "/sites", 303, {}, b""))
    check(Received("GET", "/cases/new", 200, html, b"<!doctype html>"))
    for status in (200, 303):
        with pytest.raises(NotAsDescribed):
            check(Received("GET", "/api/v1/sites", status, html, b"<!doctype html>"))
