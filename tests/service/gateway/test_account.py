"""The pages of accounts: an invitation, joining, going on in another company, and the code that proves an address."""

import html
import re
from urllib.parse import quote
from uuid import uuid4

import orjson
import pytest
from aiohttp import web

from tests.service.gateway.stand_ins import (
    CSRF,
    TOKEN,
    Gateway,
    Json,
    a_session,
    hangs_up,
    problem_response,
    refuses,
    says,
)

_PATH = "/invitations/abc"


@pytest.fixture(autouse=True)
def _no_cases(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /start", refuses(503, "unavailable"))


def _two_companies() -> tuple[Json, Json]:
    """A session before and after it went on in another company of its login."""
    before, after = a_session(), a_session()
    after["user"]["company_name"] = after["memberships"][0]["company_name"] = "Second & Söhne"
    before["memberships"] = after["memberships"] = before["memberships"] + after["memberships"]
    return before, after


INVITATION = {
    "email": "ana@example.com",
    "company_name": "Second SA",
    "inviter_name": "Luc Petit",
    "has_login": False,
    "awaits_code": False,
    "expires_at": "2026-11-22T23:30:00Z",
    "time_zone": "Europe/Paris",
}


async def test_an_invitation_ends_when_its_mail_says_it_does(gateway: Gateway) -> None:
    gateway["identity"].answers(f"GET {_PATH}", says(INVITATION))
    page = await (await gateway.portal.get(_PATH)).text()
    assert "valid until 23 Nov 2026, 00:30 (Europe/Paris)." in page


async def test_a_mail_scanner_that_follows_the_link_of_an_invitation_accepts_nothing(gateway: Gateway) -> None:
    gateway["identity"].answers(f"GET {_PATH}", says(INVITATION))
    for _ in range(5):
        for method in ("GET", "HEAD"):
            async with gateway.portal.request(method, _PATH) as answer:
                assert answer.status == 200
    assert {seen.method for seen in gateway["identity"].seen} == {"GET"}


async def test_the_link_of_an_accepted_invitation_leads_to_the_page_for_the_code(gateway: Gateway) -> None:
    gateway["identity"].answers(f"GET {_PATH}", says(INVITATION | {"awaits_code": True}))
    answer = await gateway.portal.get(_PATH)
    page = await answer.text()
    assert (answer.status, answer.url.path) == (200, "/verify")
    assert "You have accepted the invitation. Only the code from the e-mail is missing." in page
    assert 'value="ana@example.com"' in page
    assert 'formaction="/verify/resend"' in page


@pytest.mark.parametrize("kept", [False, True])
async def test_the_password_of_somebody_who_has_not_proven_the_address_leads_to_the_page_for_the_code(
    gateway: Gateway, *, kept: bool
) -> None:
    gateway["identity"].answers("POST /session", refuses(403, "address_not_proven"))
    typed = {"email": "ana@example.com", "password": "the one that was chosen"}
    typed |= {"kept_path": "/cases/1000000009", "kept.text": "It jams."} if kept else {}
    async with gateway.portal.post("/sign-in", data=typed) as answer:
        page = await answer.text()
    assert (answer.status, answer.url.path) == ((403, "/sign-in") if kept else (200, "/verify"))
    assert ("You have accepted the invitation. Only the code" in page) == (not kept)
    assert ("It jams." in page) == ("Your e-mail address is not verified yet." in page) == kept
    assert 'value="ana@example.com"' in page


async def test_what_is_no_code_is_refused_with_what_one_looks_like(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /registrations/verify", refuses(422, "string_pattern_mismatch", "code"))
    async with gateway.portal.post("/verify", data={"email": "ana@example.com", "code": "12 34"}) as answer:
        page = await answer.text()
    assert answer.status == 422
    assert '<p class="error" id="f-code-error">Enter the 6 digits from the e-mail.</p>' in page


async def test_a_long_address_to_come_back_to_is_not_taken_for_something_that_was_typed(gateway: Gateway) -> None:
    async with gateway.portal.get("/sign-in", params={"next": f"/cases?q={'x' * 8050}"}) as answer:
        page = await answer.text()
    assert answer.status == 200
    assert "too long to be shown in full" not in page


@pytest.mark.parametrize("path", ["/sign-in", "/invitations/old"])
async def test_whoever_has_a_code_finds_the_page_for_it(gateway: Gateway, path: str) -> None:
    gateway["identity"].answers("GET /invitations/old", refuses(409, "invitation_replaced"))
    assert '<a href="/verify">' in await (await gateway.portal.get(path)).text()


async def test_a_user_who_joins_continues_in_the_new_company(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /session/resolve", *map(says, _two_companies()))
    gateway["identity"].answers(f"POST {_PATH}/accept", says({"state": "active", "email": "ana@example.com"}))
    form = {"csrf_token": CSRF, "join": "yes"}
    page = await (await gateway.portal.post(_PATH, data=form, headers=gateway.signed_in())).text()
    assert "You are now a member of Second &amp; Söhne." in page


@pytest.mark.parametrize(("language", "button"), [("en", "Switch to Second"), ("fr", "Passer à Second")])
async def test_the_menu_leads_to_each_other_company(gateway: Gateway, language: str, button: str) -> None:
    before, after = _two_companies()
    before["user"]["language"] = after["user"]["language"] = language
    gateway["identity"].answers("POST /session/resolve", says(before), says(after))
    gateway["identity"].answers("POST /session/switch", says(after))
    page = await (await gateway.portal.get("/", headers=gateway.signed_in())).text()
    assert page.count('name="user_id"') == 1
    [shown] = re.findall(rf'value="{after["user"]["id"]}">(?:<svg.*?</svg>)?([^<]+)<', page)
    assert shown == f"{button} &amp; Söhne"
    form = {"csrf_token": CSRF, "user_id": after["user"]["id"]}
    page = await (await gateway.portal.post("/switch-company", data=form, headers=gateway.signed_in())).text()
    assert f'value="{before["user"]["id"]}"' in page
    assert page.count("Second &amp; Söhne") == 3  # the notice, the menu and the foot


async def test_only_the_session_itself_can_switch_its_company(gateway: Gateway) -> None:
    answer = await gateway.portal.post("/switch-company", data={"user_id": "x"}, headers=gateway.signed_in())
    assert answer.status == 403
    assert gateway["identity"].asked("POST /session/switch") == []


async def test_a_form_of_the_menu_that_came_too_late_can_be_discarded(gateway: Gateway) -> None:
    form = {"csrf_token": "of-the-other-company", "user_id": str(uuid4())}
    page = await (await gateway.portal.post("/switch-company", data=form, headers=gateway.signed_in())).text()
    assert "You have signed in again, or changed the company, since this page was opened." in page
    discarded = await gateway.portal.get("/switch-company", headers=gateway.signed_in(), allow_redirects=False)
    assert (discarded.status, discarded.headers["Location"]) == (303, "/")


async def test_the_menu_of_one_company_leads_to_no_other(gateway: Gateway) -> None:
    page = await (await gateway.portal.get("/", headers=gateway.signed_in())).text()
    assert "/switch-company" not in page


async def test_another_code_is_asked_for_with_the_address_that_was_just_typed(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /registrations/resend", says({"state": "accepted"}, status=202))
    page = await (await gateway.portal.get("/verify")).text()
    form = page.partition('action="/verify"')[2].partition("</form>")[0]
    assert 'name="email"' in form
    assert '<button class="button quiet wide" formaction="/verify/resend">' in form
    typed = {"email": "ana@example.com", "code": "12"}
    answer = await gateway.portal.post("/verify/resend", data=typed)
    assert orjson.loads(gateway["identity"].seen[-1].body) == {"email": "ana@example.com"}
    assert 'value="ana@example.com"' in await answer.text()


async def test_the_page_does_not_promise_a_second_code_within_a_minute(gateway: Gateway) -> None:
    page = await (await gateway.portal.get("/verify?email=ana@example.com&again=1")).text()
    assert '<p class="notice info">A new code is sent at most once a minute' in page
    assert "notice ok" not in page


@pytest.mark.parametrize(
    ("language", "wait", "sentence"),
    [
        ("en", "30", "You can try again in about 30 seconds."),
        ("en", "720", "You can try again in about 12 minutes."),
        ("fr", "720", "Vous pourrez réessayer dans environ 12 minutes."),
    ],
)
async def test_a_refused_sign_in_says_how_long_to_wait(
    gateway: Gateway, language: str, wait: str, sentence: str
) -> None:
    gateway["identity"].answers("POST /session", refuses(429, "too_many_failures", retry_after=wait))
    headers = {"Accept-Language": language}
    answer = await gateway.portal.post("/sign-in", data={"email": "a@b.fr", "password": "no"}, headers=headers)
    assert (answer.status, answer.headers["Retry-After"]) == (429, wait)
    assert sentence in html.unescape(await answer.text())


async def test_a_page_that_is_refused_for_a_while_says_how_long(gateway: Gateway) -> None:
    gateway["identity"].answers("GET /sites", refuses(429, "too_many_requests", retry_after="40"))
    answer = await gateway.portal.get("/sites", headers=gateway.signed_in())
    assert (answer.status, answer.headers["Retry-After"]) == (429, "40")
    assert "You can try again in about 40 seconds." in await answer.text()
    gateway["identity"].answers("POST /session/switch", refuses(429, "too_many_requests", retry_after="40"))
    typed = {"csrf_token": CSRF, "user_id": "another"}
    answer = await gateway.portal.post("/switch-company", data=typed, headers=gateway.signed_in())
    assert (answer.status, answer.headers["Retry-After"]) == (429, "40")
    assert "You can try again in about 40 seconds." in await answer.text()


async def test_a_form_that_a_service_cannot_take_now_comes_back_with_when_it_can(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /session", hangs_up)
    answer = await gateway.portal.post("/sign-in", data={"email": "a@b.fr", "password": "no"})
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")


async def test_an_address_that_identity_does_not_even_read_is_refused_in_the_readers_language(gateway: Gateway) -> None:
    too_large = problem_response(413, "too_large", params={"reason": "body", "limit_bytes": 16_384})

    async def refuse(_request: web.Request) -> web.Response:
        return too_large

    gateway["identity"].answers("POST /session", refuse)
    typed = {"email": "é" * 15_000, "password": "no"}
    answer = await gateway.portal.post("/sign-in", data=typed, headers={"Accept-Language": "fr"})
    text = html.unescape(await answer.text())
    assert "ensemble, ils peuvent faire 16 ko au plus." in text
    assert "bytes" not in text


@pytest.mark.parametrize("typed", ["Jörg Roy <jörg@firma.local>", "mailto:jörg@firma.local", " jörg@firma.local "])
async def test_whoever_signs_in_may_paste_their_address_as_it_was_copied(gateway: Gateway, typed: str) -> None:
    gateway["identity"].answers("POST /session", says(a_session() | {"session_token": TOKEN}, status=201))
    form = {"email": typed, "password": "seven green kites"}
    await gateway.portal.post("/sign-in", data=form, allow_redirects=False)
    (sent,) = gateway["identity"].asked("POST /session")
    assert orjson.loads(sent.body)["email"].strip() == "jörg@firma.local"


@pytest.mark.parametrize("path", ["/sign-in", "/verify"])
async def test_no_browser_refuses_an_address_that_the_portal_would_take(gateway: Gateway, path: str) -> None:
    page = await (await gateway.portal.get(path)).text()
    [form] = re.findall(rf'<form method="post" action="{path}"[^>]*>', page)
    assert " novalidate" in form


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("/cases/new?q=RX42-0001-7F", "Sign in to create a case for RX42-0001-7F."),
        ("/cases/new?serial=rx420001", "Sign in to create a case for rx420001."),
        ("/cases/new/for?said=SA-100200", "Sign in to create a case for SA-100200."),
        ("/cases/new", "Sign in to create a case."),
        ("/cases/1000000009", "Sign in to open case 1000000009."),
        ("/cases/1000000009/created", "Sign in to open case 1000000009."),
        ("/cases", ""),
        ("/cases/10", ""),
    ],
)
async def test_whoever_has_to_sign_in_reads_what_for(gateway: Gateway, target: str, sentence: str) -> None:
    page = await (await gateway.portal.get("/sign-in", params={"next": target})).text()
    assert re.findall(r'<p class="why">([^<]*)</p>', page) == ([sentence] if sentence else [])


async def test_nobody_writes_sentences_into_the_sign_in_page_by_its_address(gateway: Gateway) -> None:
    for text in ("Call 0800-123456 for a new password", "evil.example", "<b>RX42</b>", "RX42" * 20):
        page = await (await gateway.portal.get("/sign-in", params={"next": f"/cases/new?q={quote(text)}"})).text()
        assert '<p class="why">Sign in to create a case.</p>' in page


@pytest.mark.parametrize(
    ("path", "focused"),
    [
        ("/sign-in", "email"),
        ("/sign-in?email=ana@example.com&verified=1", "password"),
        ("/verify", "email"),
        ("/verify?email=ana@example.com", "code"),
        ("/verify?email=ana@example.com&again=1", ""),  # what is new there is read first
    ],
)
async def test_the_first_empty_field_of_an_account_page_has_the_focus(
    gateway: Gateway, path: str, focused: str
) -> None:
    page = await (await gateway.portal.get(path)).text()
    assert re.findall(r'<input [^>]*name="(\w+)"[^>]* autofocus>', page) == ([focused] if focused else [])


async def test_what_was_refused_is_read_before_a_field_has_the_focus(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /session", refuses(401, "wrong_credentials"))
    page = await (await gateway.portal.post("/sign-in", data={"email": "a@b.fr", "password": "no"})).text()
    assert "<h2>Sign-in failed</h2>" in page
    assert page.count(" autofocus") == 1  # the summary


async def test_a_refused_invitation_says_that_there_is_no_account(gateway: Gateway) -> None:
    gateway["identity"].answers(f"GET {_PATH}", says(INVITATION))
    gateway["identity"].answers(f"POST {_PATH}/accept", refuses(422, "invalid", "password"))
    page = await (await gateway.portal.post(_PATH, data={"first_name": "Ana", "password": "x"})).text()
    assert "<h2>Your account was not created</h2>" in page
