"""Whatever goes wrong behind a form, what was typed into it is not lost, and one press sends it again."""

import re
from html.parser import HTMLParser

import aiohttp
import pytest

from services.gateway.middleware import API
from services.gateway.pages.unsent_forms import FORM_SPECS
from shared.bodies import BODY_MEMORY
from tests.service.gateway.stand_ins import CSRF, TOKEN, Gateway, a_session, hangs_up, refuses, says, unmask_tokens

COMMENT = {
    "csrf_token": CSRF,
    "idempotency_key": "the-key-of-this-form",
    "upload_key": "the-upload-key-of-this-form",
    "action": "comment",
    "text": "It jams on every second page <b>\nsince Monday.",
    "attachment_ids": "file-1",
    "attachment_name.file-1": "jam.png",
}
COMMENTED = "POST /cases/1000000009/actions"
NEW_TOKEN = "a-session-token-after-signing-in-0123456789"


class _Forms(HTMLParser):
    """The forms of a page: address and hidden fields, those of a repeated name with a blank between them."""

    def __init__(self) -> None:
        super().__init__()
        self.by_address: dict[str, dict[str, str]] = {}
        self._fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._fields = self.by_address.setdefault(given.get("action", ""), {})
        if tag == "input" and given.get("type") == "hidden":
            before = self._fields.get(given["name"])
            self._fields[given["name"]] = given["value"] if before is None else f"{before} {given['value']}"


def forms_of(page: str) -> dict[str, dict[str, str]]:
    forms = _Forms()
    forms.feed(unmask_tokens(page))
    return forms.by_address


async def post(
    gateway: Gateway, path: str, typed: dict[str, str] | aiohttp.FormData, *, token: str = "", site: str = "same-origin"
) -> tuple[int, str]:
    headers = {"Sec-Fetch-Site": site} | ({"Cookie": f"portico-8080={token}"} if token else {})
    answer = await gateway.portal.post(path, data=typed, headers=headers, allow_redirects=False)
    return answer.status, await answer.text()


@pytest.mark.parametrize(
    ("path", "typed", "is_said"),
    [("/language", {"to": "fr", "next": "/cases"}, False), ("/cases/1000000009", COMMENT, True)],
)
async def test_only_where_something_was_typed_it_is_said_to_be_still_there(
    gateway: Gateway, path: str, typed: dict[str, str], *, is_said: bool
) -> None:
    gateway["identity"].answers("POST /session/resolve", hangs_up)
    status, page = await post(gateway, path, typed, token=TOKEN)
    assert status == 503
    assert "Send it again" in page
    assert ("What you typed is still here." in page) is is_said


async def test_a_comment_is_kept_while_cases_is_unavailable_and_sent_later_with_the_same_key(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases/1000000009", hangs_up)
    gateway["cases"].answers(COMMENTED, hangs_up)
    status, page = await post(gateway, "/cases/1000000009", COMMENT, token=TOKEN)
    assert status == 503
    assert "It jams on every second page &lt;b&gt;" in page
    kept = forms_of(page)["/cases/1000000009"]
    assert kept == COMMENT
    assert "<dt>Files</dt><dd>jam.png</dd>" in page
    gateway["cases"].answers(COMMENTED, says({"number": "1000000009"}))
    status, _ = await post(gateway, "/cases/1000000009", kept, token=TOKEN)
    assert status == 303
    sent = gateway["cases"].asked(COMMENTED)[-1]
    assert sent.headers["Idempotency-Key"] == "the-key-of-this-form"
    assert b"since Monday." in sent.body


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        ("/users", {"emails": "ana@example.com\nluc@example.com", "role": "member"}),
        ("/sites", {"name": "Lyon", "city": "Lyon"}),
        ("/profile", {"step": "save", "first_name": "Ana", "version": "3"}),
    ],
)
async def test_forms_for_identity_are_kept_while_it_is_unavailable(
    gateway: Gateway, path: str, typed: dict[str, str]
) -> None:
    for name in ("GET /users", "GET /sites", "GET /invitations", "GET /profile", "GET /pins"):
        gateway["identity"].answers(name, hangs_up)
    for name in ("POST /invitations", "POST /sites", "PUT /profile"):
        gateway["identity"].answers(name, hangs_up)
    gateway["notifications"].answers("GET /notification-preferences", hangs_up)
    status, page = await post(gateway, path, {"csrf_token": CSRF, **typed}, token=TOKEN)
    assert status == 503
    if path == "/profile":
        assert 'value="Ana"' in page
    else:
        assert forms_of(page)[path] == {"csrf_token": CSRF, **typed}


async def test_an_unsent_form_shows_its_fields_by_their_labels(gateway: Gateway) -> None:
    for name in ("GET /sites", "POST /sites"):
        gateway["identity"].answers(name, hangs_up)
    typed = {"csrf_token": CSRF, "name": "Lyon <Nord>", "country": "FR", "version": "7", "contact.city": "Nantes"}
    _, page = await post(gateway, "/sites", typed, token=TOKEN)
    shown = re.findall(r"<dt>(.*?)</dt><dd class=\"prose\">(.*?)</dd>", page)
    assert shown == [("Name of the site", "Lyon &lt;Nord&gt;"), ("Country", "France")]


async def test_choices_are_shown_as_they_were_offered(gateway: Gateway) -> None:
    typed = {"csrf_token": "old", "action": "close", "reason": "It works.", "resolved": "yes", "version": "7"}
    _, page = await post(gateway, "/cases/1000000009", typed, token=TOKEN)
    shown = re.findall(r"<dt>(.*?)</dt><dd class=\"prose\">(.*?)</dd>", page)
    assert shown == [("Reason", "It works."), ("Is the problem solved?", "Yes")]


async def test_every_form_with_texts_says_what_its_fields_are_called(gateway: Gateway) -> None:
    assert gateway.portal.app is not None
    forms = {
        route.resource.canonical
        for route in gateway.portal.app.router.routes()
        if route.method == "POST" and route.resource is not None and not route.resource.canonical.startswith(API)
    }
    without_texts = {"/language", "/sign-out", "/switch-company", "/unsubscribe/{token}"}
    without_texts |= {"/cases/exports", "/cases/favourites", "/cases/columns", "/cases/{number}/take"}
    specs = gateway.portal.app[FORM_SPECS]
    assert set(specs) == forms - without_texts


async def test_a_newcomer_keeps_the_name_but_no_password(gateway: Gateway) -> None:
    gateway["identity"].answers("GET /invitations/a-code", hangs_up)
    gateway["identity"].answers("POST /invitations/a-code/accept", hangs_up)
    typed = {"first_name": "Ana", "last_name": "Duarte", "password": "correct horse battery staple"}
    status, page = await post(gateway, "/invitations/a-code", typed)
    assert status == 503
    assert "correct horse" not in page
    assert forms_of(page)["/invitations/a-code"] == {"csrf_token": "", "first_name": "Ana", "last_name": "Duarte"}


@pytest.mark.parametrize("as_multipart", [False, True])
async def test_an_unsent_form_survives_the_end_of_the_session(gateway: Gateway, *, as_multipart: bool) -> None:
    gateway["identity"].answers("POST /session/resolve", refuses(401, "not_signed_in"))
    form = aiohttp.FormData(COMMENT, default_to_multipart=as_multipart)
    status, page = await post(gateway, "/cases/1000000009", form, token=TOKEN)
    assert status == 401
    assert "Your session has ended." in page
    # A wrong password first: it is still there.
    gateway["identity"].answers("POST /session", refuses(401, "wrong_credentials"))
    status, page = await post(gateway, "/sign-in", forms_of(page)["/sign-in"] | {"email": "a@b.fr", "password": "no"})
    assert status == 401
    gateway["identity"].answers("POST /session", says(a_session() | {"session_token": NEW_TOKEN}, status=201))
    gateway["identity"].answers("POST /session/resolve", says(a_session() | {"csrf_token": "the-new-token"}))
    status, page = await post(gateway, "/sign-in", forms_of(page)["/sign-in"] | {"email": "a@b.fr", "password": "yes"})
    assert status == 200
    kept = forms_of(page)["/cases/1000000009"]
    assert kept == COMMENT | {"csrf_token": "the-new-token"}
    gateway["cases"].answers(COMMENTED, says({"number": "1000000009"}))
    status, _ = await post(gateway, "/cases/1000000009", kept, token=NEW_TOKEN)
    assert status == 303


async def test_an_unsent_form_is_shown_in_the_language_of_the_user_who_signed_in(gateway: Gateway) -> None:
    session = a_session()
    session["user"]["language"] = "fr"
    gateway["identity"].answers("POST /session", says(session | {"session_token": NEW_TOKEN}, status=201))
    gateway["identity"].answers("POST /session/resolve", says(session))
    _, page = await post(gateway, "/cases/1000000009", COMMENT)
    _, page = await post(gateway, "/sign-in", forms_of(page)["/sign-in"] | {"email": "a@b.fr", "password": "yes"})
    assert '<html lang="fr">' in page
    assert "Envoyer à nouveau" in page


async def test_a_form_that_is_older_than_its_session_can_be_sent_with_one_press(gateway: Gateway) -> None:
    status, page = await post(gateway, "/cases/1000000009", COMMENT | {"csrf_token": "of-an-old-session"}, token=TOKEN)
    assert status == 403
    assert "You have signed in again, or changed the company, since this page was opened." in page
    assert "You are now signed in as ana@example.com, in the portal of Acme SA." in page
    assert forms_of(page)["/cases/1000000009"] == COMMENT
    assert gateway["cases"].seen == []


async def test_files_that_could_not_be_kept_are_named_as_missing(gateway: Gateway) -> None:
    form = aiohttp.FormData(COMMENT)
    form.add_field("file", b"\x89PNG", filename="b.png", content_type="image/png")
    status, page = await post(gateway, "/cases/1000000009", form)
    assert status == 401
    gateway["identity"].answers("POST /session", says(a_session() | {"session_token": NEW_TOKEN}, status=201))
    _, page = await post(gateway, "/sign-in", forms_of(page)["/sign-in"] | {"email": "a@b.fr", "password": "yes"})
    assert "add them afterwards" in page
    assert "lost_files" not in page


@pytest.mark.parametrize("token", ["", TOKEN])
async def test_nothing_that_another_site_sends_is_kept(gateway: Gateway, token: str) -> None:
    status, page = await post(gateway, "/cases/1000000009", COMMENT, token=token, site="cross-site")
    assert status == (403 if token else 303)
    assert "It jams" not in page


async def test_a_page_that_is_only_looked_at_still_leads_to_the_sign_in(gateway: Gateway) -> None:
    answer = await gateway.portal.get("/cases?status=open", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in?next=%2Fcases%3Fstatus%3Dopen")


# What nobody would write

QUOTES = '"' * 120_000  # five bytes each in a page
TOO_LONG = "too long to be shown in full"


@pytest.mark.parametrize("field", ["title", "description", "unheard_of", "x" * 1000])
async def test_an_endless_text_is_not_sent_back_to_a_visitor_without_a_session(gateway: Gateway, field: str) -> None:
    status, page = await post(gateway, "/cases", {field: QUOTES, "own_reference": "kept all the same"})
    assert status == 401
    assert len(page) < 150_000
    assert TOO_LONG in page
    assert "kept all the same" in page


@pytest.mark.parametrize(
    ("path", "route", "length"), [("/sign-in", "/session", 120_000), ("/verify", "/registrations/verify", 5000)]
)
async def test_an_endless_address_is_not_sent_back(gateway: Gateway, path: str, route: str, length: int) -> None:
    gateway["identity"].answers(f"POST {route}", refuses(422, "invalid", "email"))
    status, page = await post(gateway, path, {"email": QUOTES[:length], "password": "x", "code": "1"})
    assert status == 422
    assert len(page) < 20_000
    assert TOO_LONG in page


async def test_a_text_that_is_too_long_comes_back_whole(gateway: Gateway) -> None:
    typed = {"title": "t" * 130, "description": "d" * 15_000}
    status, page = await post(gateway, "/cases", typed)
    kept = forms_of(page)["/sign-in"]
    assert (status, kept["kept.title"], kept["kept.description"]) == (401, "t" * 130, "d" * 15_000)
    assert TOO_LONG not in page


async def test_a_form_that_comes_back_from_a_service_is_bounded_too(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases/1000000009", hangs_up)
    gateway["cases"].answers(COMMENTED, hangs_up)
    status, page = await post(gateway, "/cases/1000000009", COMMENT | {"text": QUOTES}, token=TOKEN)
    assert status == 503
    assert len(page) < 300_000
    assert TOO_LONG in page


@pytest.mark.parametrize("as_multipart", [False, True])
async def test_a_form_that_the_gateway_has_no_room_for_is_not_redirected_to_the_sign_in(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, *, as_multipart: bool
) -> None:
    assert gateway.portal.app is not None
    monkeypatch.setattr(gateway.portal.app[BODY_MEMORY], "_most", 10)
    status, page = await post(gateway, "/cases", aiohttp.FormData(COMMENT, default_to_multipart=as_multipart))
    assert status == 503
    assert "Please try again shortly" in page


async def test_the_page_says_that_a_text_was_cut_until_the_form_has_arrived(gateway: Gateway) -> None:
    _, page = await post(gateway, "/cases/1000000009", COMMENT | {"text": QUOTES})
    for answer in (refuses(401, "wrong_credentials"), says(a_session() | {"session_token": NEW_TOKEN}, status=201)):
        assert TOO_LONG in page
        gateway["identity"].answers("POST /session", answer)
        typed = forms_of(page)["/sign-in"] | {"email": "a@b.fr", "password": "yes"}
        status, page = await post(gateway, "/sign-in", typed)
    assert status == 200
    assert TOO_LONG in page
    gateway["cases"].answers("GET /cases/1000000009", hangs_up)
    gateway["cases"].answers(COMMENTED, hangs_up)
    _, page = await post(gateway, "/cases/1000000009", forms_of(page)["/cases/1000000009"], token=TOKEN)
    assert TOO_LONG in page
    assert b"kept_cut" not in gateway["cases"].asked(COMMENTED)[0].body
