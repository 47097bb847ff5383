"""Paths and methods as people and programs write them."""

import pytest

from tests.service.gateway.stand_ins import Gateway, says

LIST = says({"items": [], "next_cursor": None, "total": 0})


@pytest.mark.parametrize(
    ("method", "written", "path"),
    [
        ("GET", "/api/v1/cases/", "/api/v1/cases"),
        ("POST", "/api/v1/cases/", "/api/v1/cases"),
        ("GET", "/api/v1/cases/?limit=5", "/api/v1/cases?limit=5"),
        ("GET", "/api/v1//cases", "/api/v1/cases"),
        ("GET", "//api/v1/cases/", "/api/v1/cases"),
        ("POST", "/api/v1/cases/1000000009/actions/", "/api/v1/cases/1000000009/actions"),
        ("GET", "/cases/", "/cases"),
        ("POST", "/sign-in/", "/sign-in"),
    ],
)
async def test_a_slash_too_many_leads_to_the_path_without_it(
    gateway: Gateway, method: str, written: str, path: str
) -> None:
    gateway["cases"].answers("GET /cases", LIST)
    url = f"http://127.0.0.1:{gateway.portal.port}{written}"
    async with gateway.portal.session.request(
        method, url, headers=gateway.signed_in(), allow_redirects=False
    ) as answer:
        assert (answer.status, answer.headers.get("Location")) == (308, path)


@pytest.mark.parametrize("written", ["//elsewhere.example/", "/%2f/elsewhere.example/", "//elsewhere.example/cases/"])
async def test_no_slash_leads_to_another_host(gateway: Gateway, written: str) -> None:
    url = f"http://127.0.0.1:{gateway.portal.port}{written}"
    async with gateway.portal.session.get(url, allow_redirects=False) as answer:
        assert answer.status == 404
        assert "Location" not in answer.headers


async def test_what_can_be_got_can_be_asked_for_by_head(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases", LIST)
    async with gateway.portal.head("/api/v1/cases", headers=gateway.signed_in()) as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "application/json", b"")


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH"])
async def test_another_method_is_told_which_there_are(gateway: Gateway, method: str) -> None:
    async with gateway.portal.request(method, "/api/v1/cases", headers=gateway.signed_in()) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD,POST")


async def test_a_body_where_none_is_read_disturbs_nothing(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases", LIST)
    async with gateway.portal.get("/api/v1/cases", headers=gateway.signed_in(), json={"a": 1}) as answer:
        assert answer.status == 200
    assert gateway["cases"].asked("GET /cases")[0].body == b""
