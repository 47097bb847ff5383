"""Nobody acts as somebody else without being told: pages say whose they are, and lead on from there."""

import html
import re
from typing import Any

import pytest

from tests.service.gateway.stand_ins import CSRF, Gateway, a_session, refuses, says, unmask_tokens
from tests.service.gateway.test_account import INVITATION

_PATH = "/invitations/abc"
_FOR_LUC = INVITATION | {"email": "luc@example.com"}


async def _get(gateway: Gateway, path: str, *, signed_in: bool = True) -> tuple[int, str, str]:
    headers = gateway.signed_in() if signed_in else {}
    async with gateway.portal.get(path, headers=headers, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", ""), unmask_tokens(html.unescape(await answer.text()))


def _forms(page: str, action: str) -> list[dict[str, str]]:
    found = re.findall(rf'<form method="post" action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    return [dict(re.findall(r'<input[^>]* name="([^"]+)" value="([^"]*)"', form)) for form in found]


@pytest.mark.parametrize("has_login", [True, False])
async def test_an_invitation_of_somebody_else_says_who_is_signed_in_and_comes_back_after_signing_out(
    gateway: Gateway, *, has_login: bool
) -> None:
    gateway["identity"].answers(f"GET {_PATH}", says(_FOR_LUC | {"has_login": has_login}))
    gateway["identity"].answers("POST /session/end", says({}))
    _, _, page = await _get(gateway, _PATH)
    assert "You are signed in as <b>ana@example.com</b>" in page
    assert "This page is for <b>luc@example.com</b>" in page
    assert _forms(page, _PATH) == []
    form = _forms(page, "/sign-out")[-1]
    assert form == {"csrf_token": CSRF, "next": _PATH}
    left = await gateway.portal.post("/sign-out", data=form, headers=gateway.signed_in(), allow_redirects=False)
    assert (left.status, left.headers["Location"]) == (303, _PATH)
    _, _, page = await _get(gateway, _PATH, signed_in=False)
    assert ("Sign in and continue" in page) == has_login
    assert (len(_forms(page, _PATH)) == 1) == (not has_login)


async def test_an_invitation_of_ones_own_is_joined(gateway: Gateway) -> None:
    gateway["identity"].answers(f"GET {_PATH}", says(INVITATION | {"email": "Ana@example.com", "has_login": True}))
    _, _, page = await _get(gateway, _PATH)
    assert _forms(page, _PATH) == [{"csrf_token": CSRF, "join": "yes"}]
    assert len(_forms(page, "/sign-out")) == 1  # that of the menu


async def test_verifying_an_address_does_not_lead_to_the_start_page_of_whoever_is_signed_in(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /registrations/verify", says({"state": "active"}))
    _, _, page = await _get(gateway, "/verify?email=luc@example.com")
    assert "You are signed in as ana@example.com." in page
    typed = {"email": "Luc@example.com", "code": "123456"}
    async with gateway.portal.post("/verify", data=typed, headers=gateway.signed_in(), allow_redirects=False) as sent:
        path = sent.headers["Location"]
    status, _, page = await _get(gateway, path)
    assert status == 200
    assert "The e-mail address Luc@example.com is verified." in page
    assert "You are signed in as <b>ana@example.com</b>" in page
    assert _forms(page, "/sign-out")[-1]["next"].startswith("/sign-in?")


@pytest.mark.parametrize(
    ("query", "status", "place"),
    [
        ("", 303, "/"),
        ("?next=%2Fcases", 303, "/cases"),
        ("?next=%2Fcases&email=ANA%40example.com+", 303, "/cases"),
        ("?next=%2Fcases&email=luc%40example.com", 200, ""),
        ("?next=//evil.example&email=ana%40example.com", 303, "/"),
        ("?next=%2Fcases&email=Call+0800+123+to+be+let+in", 303, "/cases"),
        (f"?email={'x' * 3000}%40example.com", 303, "/"),
    ],
)
async def test_the_sign_in_page_leads_on_whoever_it_is_meant_for(
    gateway: Gateway, query: str, status: int, place: str
) -> None:
    assert (await _get(gateway, f"/sign-in{query}"))[:2] == (status, place)


@pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/", "/\\evil.example", ""])
@pytest.mark.parametrize("signed_in", [True, False])
async def test_signing_out_leads_to_no_other_site(gateway: Gateway, target: str, *, signed_in: bool) -> None:
    gateway["identity"].answers("POST /session/end", says({}))
    headers, form = gateway.signed_in() if signed_in else {}, {"csrf_token": CSRF, "next": target}
    answer = await gateway.portal.post("/sign-out", data=form, headers=headers, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/")


async def test_the_sign_out_of_an_old_session_can_be_discarded(gateway: Gateway) -> None:
    form = {"csrf_token": "of-another-session", "next": "/verify"}
    async with gateway.portal.post("/sign-out", data=form, headers=gateway.signed_in()) as answer:
        page = await answer.text()
    assert "You are now signed in as ana@example.com, in the portal of Acme SA." in page
    assert gateway["identity"].asked("POST /session/end") == []
    assert (await _get(gateway, "/sign-out"))[:2] == (303, "/")


async def test_a_form_that_somebody_else_left_unsent_names_who_would_send_it(gateway: Gateway) -> None:
    luc = a_session()
    luc["user"] |= {"email": "luc@example.com", "company_name": "Beta SA"}
    gateway["identity"].answers("POST /session", says(luc | {"session_token": "x" * 40}, status=201))
    gateway["identity"].answers("POST /session/resolve", says(luc))
    typed = {"email": "luc@example.com", "password": "y", "kept_path": "/cases/1000000009", "kept.text": "It jams."}
    async with gateway.portal.post("/sign-in", data=typed) as answer:
        page = await answer.text()
    assert "You are now signed in as luc@example.com, in the portal of Beta SA." in page
    assert "It jams." in page


_LINK = "/unsubscribe/AaIDJy1Ocs6JwXpTzm4rdwADNTQgLtGX8vo0Q7cI49P3DA"
_STOPS: dict[str, Any] = {
    "kind": "case_created",
    "stop_label": {"en": "Stop e-mails about new cases", "fr": "Ne plus"},
    "email": "l…@example.com",
    "is_wanted": True,
}


async def test_a_link_that_stops_the_mails_of_somebody_else_says_whose_they_are(gateway: Gateway) -> None:
    gateway["notifications"].answers(f"GET {_LINK}", says(_STOPS))
    gateway["notifications"].answers(f"POST {_LINK}", says({}))
    async with gateway.portal.post(_LINK, data={"scope": "kind"}, headers=gateway.signed_in()) as answer:
        page = await answer.text()
    assert "From now on they no longer go to l…@example.com." in page
    assert ">E-mail notices of ana@example.com</a>" in page


@pytest.mark.parametrize("away", ["notifications", "identity"])
async def test_a_link_stops_mails_though_nobody_can_be_named(gateway: Gateway, away: str) -> None:
    gateway["notifications"].answers(f"POST {_LINK}", says({}))
    if away == "notifications":
        gateway["notifications"].answers(f"GET {_LINK}", refuses(503, "unavailable"))
    else:
        gateway["notifications"].answers(f"GET {_LINK}", says(_STOPS))
        gateway["identity"].answers("POST /session/resolve", refuses(503, "unavailable"))
    async with gateway.portal.post(_LINK, data={"scope": "kind"}, headers=gateway.signed_in()) as answer:
        page = await answer.text()
    assert answer.status == 200
    assert "From now on" in page
    assert "/profile#notices" in page
