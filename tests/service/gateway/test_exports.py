"""Exports in the background, on pages: where a list is large, what is sent, how far it is, and the file."""

import re
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiohttp import web

from shared.schemas.case_exports import ExportAnswer
from tests.service.gateway.stand_ins import CSRF, Gateway, Json, a_session, refuses, says
from tests.service.gateway.test_pages import A_CASE, NO_COUNTS, a_list

EXPORTS = "/cases/exports"


def an_export(**other: Any) -> Json:
    """As the service tells it."""
    values: Json = {
        "id": uuid4(),
        "format": "xlsx",
        "state": "done",
        "rows": 12_345,
        "total": 12_345,
        "created_at": "2026-12-01T11:00:00Z",
        "as_of": "2026-12-01T11:00:01Z",
        "expires_at": "2026-12-02T11:00:09Z",
        "size": 3_000_000,
        "name": "cases-2026-12-01-1100.xlsx",
        "filters": [{"label": "Status", "value": "All open"}],
        "reason": None,
    }
    return ExportAnswer.model_validate(values | other).model_dump(mode="json")


def many(count: int) -> Json:
    """What stands under each status, so many in all."""
    return {**NO_COUNTS, "status": [{"value": "new", "label": "new", "count": count}]}


async def page_of(gateway: Gateway, path: str) -> str:
    answer = await gateway.portal.get(path, headers=gateway.signed_in())
    assert answer.status == 200
    return await answer.text()


async def a_long_list(gateway: Gateway, path: str, counts: Json) -> str:
    gateway["cases"].answers(
        "GET /cases", says(a_list(A_CASE, total=1_000, more=True) | {"total_is_lower_bound": True})
    )
    gateway["cases"].answers("GET /cases/facets", says(counts))
    return await page_of(gateway, path)


@pytest.mark.parametrize(
    ("path", "count", "is_large"),
    [
        ("/cases", 5_000, False),
        ("/cases", 5_001, True),
        ("/cases?status=open&sort=title", 5_001, True),
        ("/cases?status=new", 5_001, True),
        ("/cases?status=closed", 5_001, False),
    ],
    ids=["small", "large", "open", "new", "closed"],
)
async def test_a_large_list_is_exported_in_the_background(
    gateway: Gateway, path: str, count: int, *, is_large: bool
) -> None:
    page = await a_long_list(gateway, path, many(count))
    assert ('action="/cases/exports"' in page) is is_large
    assert ('href="/cases.xlsx' in page) is not is_large
    assert 'href="/cases/exports"' in page
    if "sort" in path:
        assert '<input type="hidden" name="sort" value="title">' in page
        assert '<input type="hidden" name="status" value="open">' in page


async def test_a_list_of_which_nobody_tells_the_length_is_exported_in_the_background(gateway: Gateway) -> None:
    gateway["cases"].answers(
        "GET /cases", says(a_list(A_CASE, total=1_000, more=True) | {"total_is_lower_bound": True})
    )
    gateway["cases"].answers("GET /cases/facets", refuses(503, "unavailable"))
    assert 'action="/cases/exports"' in await page_of(gateway, "/cases")


async def test_a_list_that_is_short_is_exported_at_once_though_the_counts_are_away(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases", says(a_list(A_CASE)))
    gateway["cases"].answers("GET /cases/facets", refuses(503, "unavailable"))
    page = await page_of(gateway, "/cases")
    assert ('href="/cases.xlsx' in page, 'action="/cases/exports"' in page) == (True, False)


async def test_what_the_list_shows_is_asked_for_and_the_page_of_exports_follows(gateway: Gateway) -> None:
    gateway["cases"].answers(f"POST {EXPORTS}", says(an_export(state="waiting", total=None), status=202))
    form = {"csrf_token": CSRF, "idempotency_key": "once", "view": "submitted", "status": "open", "severity": "2"}
    for kind in ("xlsx", "csv"):
        answer = await gateway.portal.post(
            EXPORTS,
            data={**form, "format": kind, "sort": "-title", "nonsense": "1"},
            headers=gateway.signed_in(),
            allow_redirects=False,
        )
        assert (answer.status, answer.headers["Location"]) == (303, EXPORTS)
    first, second = gateway["cases"].asked(f"POST {EXPORTS}")
    wanted = {"view": "submitted", "status": "open", "severity": "2", "sort": "-title"}
    assert orjson.loads(first.body) == {"format": "xlsx", "query": wanted}
    # Each button sends once, however often it is pressed.
    assert [each.headers["Idempotency-Key"] for each in (first, second)] == ["once.xlsx", "once.csv"]


async def test_what_only_an_agents_list_asks_for_is_asked_for_too(gateway: Gateway) -> None:
    session = a_session()
    session["user"]["role"] = "agent"
    gateway["identity"].answers("POST /session/resolve", says(session))
    gateway["cases"].answers(f"POST {EXPORTS}", says(an_export(), status=202))
    form = {"csrf_token": CSRF, "format": "csv", "view": "waiting", "untaken": "1"}
    await gateway.portal.post(EXPORTS, data=form, headers=gateway.signed_in(), allow_redirects=False)
    (sent,) = gateway["cases"].asked(f"POST {EXPORTS}")
    assert orjson.loads(sent.body)["query"] == {"view": "waiting", "untaken": "1"}


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (429, "export_is_running", "An export of yours is still being made. Please wait until it has arrived."),
        (507, "storage_low", "Files cannot be stored at the moment: there is not enough space."),
        (503, "unavailable", ""),
    ],
)
async def test_an_export_that_is_refused_is_said_above_those_that_there_are(
    gateway: Gateway, status: int, code: str, said: str
) -> None:
    gateway["cases"].answers(f"POST {EXPORTS}", refuses(status, code, retry_after="10"))
    gateway["cases"].answers(f"GET {EXPORTS}", says(a_list(an_export())))
    form = {"csrf_token": CSRF, "format": "csv"}
    answer = await gateway.portal.post(EXPORTS, data=form, headers=gateway.signed_in())
    page = await answer.text()
    assert answer.status == status
    assert re.search(r'<p class="notice warn" role="alert">\S', page)
    assert said in page
    assert "cases-2026-12-01-1100.xlsx" in page


@pytest.mark.parametrize("language", ["en", "fr"])
async def test_the_page_says_how_far_each_export_is(gateway: Gateway, language: str) -> None:
    gateway["cases"].answers(
        f"GET {EXPORTS}",
        says(
            a_list(
                an_export(state="running", rows=2_500, total=10_000, size=0, expires_at=None),
                an_export(state="waiting", rows=0, total=None, as_of=None, expires_at=None),
                done := an_export(filters=[{"label": "Words", "value": "<b>jam</b>"}]),
                an_export(state="failed", reason="too_large"),
                an_export(state="expired"),
            )
        ),
    )
    session = a_session()
    session["user"]["language"] = language
    gateway["identity"].answers("POST /session/resolve", says(session))
    page = await page_of(gateway, EXPORTS)
    assert '<progress max="10000" value="2500" aria-label="' in page
    assert page.count('/file"') == 1
    assert f'href="/cases/exports/{done["id"]}/file"' in page
    assert "&lt;b&gt;jam&lt;/b&gt;" in page
    # Without a script the browser looks again; with one, the script does.
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page
    assert "exports." in page
    words = {
        "en": (
            "2,500 of 10,000 cases",
            "Ready",
            "12,345 cases as of",
            "Kept until",
            "The file became too large.",
            "No longer kept",
        ),
        "fr": (
            "2\u202f500 dossiers sur 10\u202f000",
            "Prêt",
            "12\u202f345 dossiers, état au",
            "Conservé jusqu’au",
            "trop volumineux",
            "N’est plus conservé",
        ),
    }
    for each in words[language]:
        assert each in page


async def test_a_page_on_which_nothing_goes_on_does_not_look_again(gateway: Gateway) -> None:
    gateway["cases"].answers(f"GET {EXPORTS}", says(a_list(an_export())))
    page = await page_of(gateway, EXPORTS)
    assert "http-equiv" not in page
    assert "exports." not in page


async def test_who_has_no_exports_is_told_how_they_come_about(gateway: Gateway) -> None:
    gateway["cases"].answers(f"GET {EXPORTS}", says(a_list()))
    assert "A list of more than 5,000 cases is exported in the background." in await page_of(gateway, EXPORTS)


async def test_the_file_is_passed_on(gateway: Gateway) -> None:
    async def sends(_request: web.Request) -> web.Response:
        return web.Response(body=b"PK", headers={"Content-Disposition": 'attachment; filename="a.xlsx"'})

    path = f"{EXPORTS}/{uuid4()}/file"
    gateway["cases"].answers(f"GET {path}", sends)
    for prefix in ("", "/api/v1"):
        answer = await gateway.portal.get(prefix + path, headers=gateway.signed_in())
        assert (answer.status, await answer.read()) == (200, b"PK")
        assert answer.headers["Content-Disposition"] == 'attachment; filename="a.xlsx"'


async def test_a_file_that_is_gone_leads_back_to_the_exports(gateway: Gateway) -> None:
    path = f"{EXPORTS}/{uuid4()}/file"
    gateway["cases"].answers(f"GET {path}", refuses(409, "export_not_there"))
    answer = await gateway.portal.get(path, headers=gateway.signed_in())
    page = await answer.text()
    assert answer.status == 409
    assert "This file is not there" in page
    assert f'href="{EXPORTS}"' in page


async def test_a_file_after_the_session_has_ended_leads_to_signing_in_and_the_exports(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /session/resolve", refuses(401, "not_signed_in"))
    path = f"{EXPORTS}/{uuid4()}/file"
    answer = await gateway.portal.get(path, headers=gateway.signed_in(), allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in?next=%2Fcases%2Fexports")
