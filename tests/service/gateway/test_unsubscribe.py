"""The public page behind the unsubscribe link of an e-mail."""

import logging

import pytest
from aiohttp import FormData, web

from tests.logged import Logged
from tests.service.gateway.stand_ins import Gateway, problem_response, says

TOKEN = "AaIDJy1Ocs6JwXpTzm4rdwADNTQgLtGX8vo0Q7cI49P3DA"
PATH = f"/unsubscribe/{TOKEN}"
FOUND = {
    "kind": "case_created",
    "stop_label": {"en": "Stop e-mails about new cases", "fr": "Ne plus recevoir d’e-mails"},
    "email": "a…@example.com",
    "is_wanted": True,
}


@pytest.fixture
def portal(gateway: Gateway) -> Gateway:
    gateway["notifications"].answers(f"GET {PATH}", says(FOUND))
    gateway["notifications"].answers(f"POST {PATH}", says({}))
    return gateway


def _bodies(gateway: Gateway) -> list[bytes]:
    return [seen.body for seen in gateway["notifications"].asked(f"POST {PATH}")]


async def test_the_page_shows_what_would_stop_and_changes_nothing(portal: Gateway) -> None:
    async with portal.portal.get(PATH) as response:
        page = await response.text()
        assert response.status == 200
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] == "no-store"
    assert "a…@example.com" in page
    assert "Stop e-mails about new cases" in page
    assert f'<form method="post" action="{PATH}">' in page
    async with portal.portal.head(PATH) as response:
        assert response.status == 200
    assert _bodies(portal) == []


async def test_an_older_version_that_does_not_say_what_stops_is_waited_for(gateway: Gateway) -> None:
    older = {name: value for name, value in FOUND.items() if name != "stop_label"}
    gateway["notifications"].answers(f"GET {PATH}", says(older))
    async with gateway.portal.get(PATH) as response:
        assert response.status == 503


async def test_what_has_stopped_already_is_not_offered_again(gateway: Gateway) -> None:
    gateway["notifications"].answers(f"GET {PATH}", says(FOUND | {"is_wanted": False}))
    page = await (await gateway.portal.get(PATH)).text()
    assert "E-mails of this kind no longer go to a…@example.com." in page
    assert "Stop e-mails about new cases" not in page
    assert '<button class="button" name="scope" value="case_emails">Stop all e-mails about cases</button>' in page
    assert '<a class="button primary" href="/profile#notices">' in page


@pytest.mark.parametrize("as_multipart", [False, True])
async def test_a_provider_needs_no_session_no_origin_and_no_csrf_token(portal: Gateway, *, as_multipart: bool) -> None:
    form = FormData({"List-Unsubscribe": "One-Click"}, default_to_multipart=as_multipart)
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://webmail.example", "Cookie": "portico-8080="}
    async with portal.portal.post(PATH, data=form, headers=headers) as response:
        assert response.status == 200
    assert _bodies(portal) == [b'{"scope":"kind"}']


@pytest.mark.parametrize(
    ("typed", "scope"),
    [("scope=kind", "kind"), ("scope=case_emails", "case_emails"), ("scope=x", "kind"), ("", "kind")],
)
async def test_the_form_chooses_between_the_kind_and_all(portal: Gateway, typed: str, scope: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with portal.portal.post(PATH, data=typed, headers=headers) as response:
        assert response.status == 200
        assert "no-store" in response.headers["Cache-Control"]
    assert _bodies(portal) == [b'{"scope":"%s"}' % scope.encode()]


@pytest.mark.parametrize("body", [b"\xff\xfe=%zz", b"&" * 5000, b"a=1&" * 200])
async def test_no_form_breaks_the_page(portal: Gateway, body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with portal.portal.post(PATH, data=body, headers=headers) as response:
        assert response.status == 200


async def test_a_broken_link_says_so_and_has_no_button(gateway: Gateway) -> None:
    async with gateway.portal.get("/unsubscribe/broken") as response:
        page = await response.text()
        assert response.status == 404
    assert '<form method="post" action="/unsubscribe' not in page


async def test_while_notifications_is_unavailable_unsubscribing_is_not_confirmed(gateway: Gateway) -> None:
    gateway["notifications"].answers(f"POST {PATH}", _away)
    async with gateway.portal.post(PATH, data={"List-Unsubscribe": "One-Click"}) as response:
        assert response.status == 503
        assert "Retry-After" in response.headers
    await gateway["notifications"].stop()
    async with gateway.portal.post(PATH, data={"List-Unsubscribe": "One-Click"}) as response:
        assert response.status == 503
    async with gateway.portal.get(PATH) as response:
        assert response.status == 503


async def _away(_request: web.Request) -> web.Response:
    return problem_response(503, "unavailable")


async def test_the_token_stays_out_of_the_logs(
    portal: Gateway, logged: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    # The test server writes an access log; `serve` does not.
    caplog.set_level(logging.WARNING, "aiohttp.access")
    async with portal.portal.get(PATH), portal.portal.post(PATH, data={"List-Unsubscribe": "One-Click"}):
        pass
    said = str(logged.lines())
    assert "/unsubscribe/{token}" in said
    assert TOKEN not in said
