"""The pages of a company's administration."""

import html
import re

import orjson
import pytest
from aiohttp import web

from tests.service.gateway.stand_ins import CSRF, Gateway, Json, Script, a_session, refuses, says


async def _refuses_the_second_address(_request: web.Request) -> web.Response:
    sentence = "This person is a user of the company already."
    error = {"field": "invitations.1.email", "code": "already_member", "message": sentence}
    body = orjson.dumps({"status": 422, "code": "invalid", "title": "Invalid", "errors": [error]})
    return web.Response(body=body, status=422, content_type="application/problem+json")


async def test_what_is_wrong_with_one_of_many_addresses_is_said_in_the_readers_language(gateway: Gateway) -> None:
    session = a_session()
    session["user"]["language"] = "fr"
    gateway["identity"].answers("POST /session/resolve", says(session))
    gateway["identity"].answers("POST /invitations", _refuses_the_second_address)
    for path in ("/users", "/invitations", "/sites"):
        gateway["identity"].answers(
            f"GET {path}", says({"items": [], "next_cursor": None, "total": 0, "total_is_lower_bound": False})
        )
    form = {"csrf_token": CSRF, "emails": "luc@example.com ana@example.com", "role": "member"}
    answer = await gateway.portal.post("/users", data=form, headers=gateway.signed_in())
    page = await answer.text()
    assert answer.status == 422
    assert "ana@example.com\u00a0: Cette personne est déjà un utilisateur de la société." in page
    assert re.search('<a href="#f-emails">[^<]+</a>\u00a0: ana@example.com', page)


async def test_a_list_as_outlook_copies_it_invites_everybody_once(gateway: Gateway) -> None:
    _company_that_has_invited(gateway, mails=(), bouncing=())
    gateway["identity"].answers("POST /invitations", says({"items": []}, status=201))
    pasted = "Díaz, Ana <ana@example.com>; Jörg Roy <jörg@firma.local>; ANA@example.com;"
    form = {"csrf_token": CSRF, "emails": pasted, "role": "member"}
    await gateway.portal.post("/users", data=form, headers=gateway.signed_in())
    (sent,) = gateway["identity"].asked("POST /invitations")
    assert [one["email"] for one in orjson.loads(sent.body)["invitations"]] == ["ana@example.com", "jörg@firma.local"]


async def test_each_wrong_address_is_named_and_everything_that_was_pasted_stays(gateway: Gateway) -> None:
    _company_that_has_invited(gateway, mails=(), bouncing=())
    error = {"code": "email", "message": "Check this e-mail address: it should look like ana@example.com."}
    errors = [error | {"field": f"invitations.{place}.email"} for place in (1, 2)]
    problem = {"status": 422, "code": "invalid", "title": "Invalid", "errors": errors}
    gateway["identity"].answers("POST /invitations", says(problem, status=422))
    pasted = "Ana <ana@example.com>; <bob@>, luc.example.com"
    form = {"csrf_token": CSRF, "emails": pasted, "role": "member"}
    page = await (await gateway.portal.post("/users", data=form, headers=gateway.signed_in())).text()
    assert "<h2>No invitation was sent</h2>" in page
    [beneath] = re.findall(r'<p class="error" id="f-emails-error">(.*?)</p>', page, re.DOTALL)
    sentence = "Check this e-mail address: it should look like ana@example.com."
    assert beneath.split("\n") == [f"bob@: {sentence}", f"luc.example.com: {sentence}"]
    assert page.count("bob@: ") == page.count("luc.example.com: ") == 2  # above the form, and at the field
    assert "\nAna &lt;ana@example.com&gt;; &lt;bob@&gt;, luc.example.com</textarea>" in page


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        ("/users", {"do": "invite", "role": "member", "emails": "luc@example.com"}),
        ("/sites", {"name": "Lyon 2", "city": "Lyon"}),
    ],
)
async def test_a_form_that_was_changed_after_it_was_sent_can_be_sent_as_another(
    gateway: Gateway, path: str, typed: dict[str, str]
) -> None:
    service = "/invitations" if path == "/users" else "/sites"
    gateway["identity"].answers(f"POST {service}", refuses(422, "idempotency_key_reused"))
    for listed in ("/users", "/invitations", "/sites"):
        gateway["identity"].answers(
            f"GET {listed}", says({"items": [], "next_cursor": None, "total": 0, "total_is_lower_bound": False})
        )
    form = {"csrf_token": CSRF, "idempotency_key": "q" * 22, **typed}
    page = await (await gateway.portal.post(path, data=form, headers=gateway.signed_in())).text()
    assert "This form was sent before and has arrived: see the list." in page
    assert "q" * 22 not in page
    assert all(text in page for name, text in typed.items() if name not in {"do", "role"})


async def test_too_many_addresses_are_called_addresses(gateway: Gateway) -> None:
    error = {"field": "invitations", "code": "too_long", "message": "List should have at most 100 items"}
    problem = {"status": 422, "code": "invalid", "title": "Invalid", "errors": [error]}
    gateway["identity"].answers("POST /invitations", says(problem, status=422))
    for path in ("/users", "/invitations", "/sites"):
        gateway["identity"].answers(f"GET {path}", _listed())
    typed = {"csrf_token": CSRF, "emails": " ".join(f"a{n}@example.com" for n in range(101)), "role": "member"}
    page = await (await gateway.portal.post("/users", data=typed, headers=gateway.signed_in())).text()
    assert '<p class="error" id="f-emails-error">Enter at most 100 e-mail addresses.</p>' in page


def _listed(*items: Json) -> Script:
    return says({"items": items, "next_cursor": None, "total": len(items), "total_is_lower_bound": False})


def _invitation(email: str) -> Json:
    return {
        "id": f"id-of-{email}",
        "email": email,
        "role": "member",
        "site_id": None,
        "state": "pending",
        "expires_at": _LATER,
    }


def _mail(email: str, state: str, **other: str | None) -> Json:
    return {"email": email, "state": state, "smtp_reply": None, "reason": None, "bouncing_reply": None} | other


_LATER = "2030-01-01T00:00:00Z"
_GONE = "550 5.1.1 No such user"


def _company_that_has_invited(
    gateway: Gateway, *emails: str, mails: tuple[Json, ...], bouncing: tuple[str, ...]
) -> None:
    for path in ("/users", "/sites"):
        gateway["identity"].answers(f"GET {path}", _listed())
    gateway["identity"].answers("GET /invitations", _listed(*map(_invitation, emails)))
    gateway["notifications"].answers("GET /deliveries", _listed(*mails))
    gateway["notifications"].answers(
        "GET /bouncing-addresses", says({"items": [{"email": email, "smtp_reply": _GONE} for email in bouncing]})
    )


async def test_an_accepted_invitation_is_marked_until_the_code_is_entered(gateway: Gateway) -> None:
    for path in ("/users", "/sites"):
        gateway["identity"].answers(f"GET {path}", _listed())
    gateway["notifications"].answers("GET /deliveries", _listed())
    invitations = [_invitation("ana@example.com"), _invitation("luc@example.com") | {"accepted_at": _LATER}]
    gateway["identity"].answers("GET /invitations", _listed(*invitations))
    page = await (await gateway.portal.get("/users", headers=gateway.signed_in())).text()
    [marked] = re.findall(
        r'<tr role="row">(.*?)Accepted. The code from the e-mail has not been entered yet.', page, re.DOTALL
    )
    assert "luc@example.com" in marked.rpartition('<tr role="row">')[2]


async def test_each_invitation_shows_the_state_of_its_newest_e_mail(gateway: Gateway) -> None:
    mails = (
        _mail("gone@example.com", "suppressed", reason="bouncing", bouncing_reply=_GONE),
        _mail("gone@example.com", "failed", smtp_reply=_GONE, bouncing_reply=_GONE),
        _mail("spam@example.com", "failed", smtp_reply="554 5.7.1 Policy <b>"),
        _mail("cleared@example.com", "suppressed", reason="bouncing"),
        _mail("grey@example.com", "queued", smtp_reply="451 4.7.1 Greylisted"),
        _mail("waits@example.com", "sending"),
        _mail("fine@example.com", "sent", smtp_reply="250 OK as 17"),
        _mail("fine@example.com", "failed", smtp_reply="554 5.7.1 An older one"),
    )
    emails = dict.fromkeys(mail["email"] for mail in mails)
    _company_that_has_invited(gateway, *emails, "new+1@example.com", mails=mails, bouncing=("new+1@example.com",))
    page = await (await gateway.portal.get("/users", headers=gateway.signed_in())).text()
    told = dict(re.findall(r'<td role="cell" class="main">([^<]+)<p class="hint">([^<]+)</p>', page))
    check = "Please check the address, or send it again."
    way_out = "Ask your vendor to unblock the address, or withdraw this and invite another."
    assert told == {
        "gone@example.com": f"Could not be delivered: {_GONE}. {way_out}",
        "spam@example.com": f"Could not be delivered: 554 5.7.1 Policy &lt;b&gt;. {check}",
        "cleared@example.com": "The e-mail was not sent. Please send it again.",
        "grey@example.com": "Not delivered yet, we keep trying: 451 4.7.1 Greylisted",
        "waits@example.com": "The e-mail is waiting to be sent.",
        "new+1@example.com": f"Could not be delivered: {_GONE}. {way_out}",
    }
    (asked,) = gateway["notifications"].asked("GET /bouncing-addresses")
    assert asked.path.endswith("?email=new%2B1@example.com")


@pytest.mark.parametrize("do", ["invite", "resend"])
@pytest.mark.parametrize("bounces", [True, False])
async def test_an_invitation_to_a_bouncing_address_is_not_called_sent(
    gateway: Gateway, do: str, *, bounces: bool
) -> None:
    email = "gone@example.com"
    _company_that_has_invited(gateway, email, mails=(), bouncing=(email,) if bounces else ())
    gateway["identity"].answers("POST /invitations", says({"items": [_invitation(email)]}, status=201))
    gateway["identity"].answers("POST /invitations/1/resend", says(_invitation(email)))
    form = {"csrf_token": CSRF, "do": do, "id": "1", "emails": email, "role": "member"}
    answer = await gateway.portal.post("/users", data=form, headers=gateway.signed_in(), allow_redirects=False)
    assert answer.status == 303
    page = await (await gateway.portal.get(answer.headers["Location"], headers=gateway.signed_in())).text()
    sentence = "Not every e-mail can be delivered: a mail server has refused an address for good. See the list below."
    assert (f'<p class="notice warn" role="status">{sentence}</p>' in page) == bounces
    assert ('<p class="notice ok"' in page) == (not bounces)


_COMES_BACK = f"E-mails to this address come back: {_GONE}."


def _as(role: str) -> Json:
    session = a_session()
    return session | {"user": session["user"] | {"role": role}}


async def test_a_user_whose_address_bounces_is_marked_with_the_way_out(gateway: Gateway) -> None:
    gone = "gone@example.com"
    _company_that_has_invited(gateway, mails=(), bouncing=(gone,))
    people = [
        {"id": "1", "name": "Luc Petit", "email": email, "role": "member", "active": True, "site_ids": None}
        for email in (gone, "luc@x.example")
    ]
    gateway["identity"].answers("GET /users", _listed(*people))
    page = await (await gateway.portal.get("/users", headers=gateway.signed_in())).text()
    assert page.count("come back") == 1
    assert f"{_COMES_BACK} Ask your vendor to unblock the address once its mailbox is there." in page
    assert 'value="clear"' not in page


async def test_a_vendor_admin_clears_an_address_on_the_page_that_says_it_bounces(gateway: Gateway) -> None:
    gone = "gone+1@example.com"
    _company_that_has_invited(gateway, gone, mails=(), bouncing=(gone,))
    gateway["identity"].answers("POST /session/resolve", says(_as("vendor_admin")))
    gateway["notifications"].answers(
        "DELETE /vendor/bouncing-addresses/gone%2B1@example.com", says({}, status=204), refuses(404, "not_found")
    )
    page = await (await gateway.portal.get("/users", headers=gateway.signed_in())).text()
    assert "Unblock the address once its mailbox is there, then send it again." in page
    assert f'<input type="hidden" name="do" value="clear"><input type="hidden" name="email" value="{gone}">' in "".join(
        line.strip() for line in page.splitlines()
    )
    form = {"csrf_token": CSRF, "do": "clear", "email": gone}
    for _ in range(2):  # a second click finds nothing left to clear
        answer = await gateway.portal.post("/users", data=form, headers=gateway.signed_in(), allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/users?done=cleared")
    assert len(gateway["notifications"].asked("DELETE /vendor/bouncing-addresses/gone%2B1@example.com")) == 2


async def test_the_page_of_users_does_without_the_ledger(gateway: Gateway) -> None:
    _company_that_has_invited(gateway, "ana@example.com", mails=(), bouncing=())
    for path in ("/deliveries", "/bouncing-addresses"):
        gateway["notifications"].answers(f"GET {path}", says({"code": "unavailable"}, status=503))
    gateway["identity"].answers("POST /invitations", says({"items": [_invitation("ana@example.com")]}, status=201))
    form = {"csrf_token": CSRF, "emails": "ana@example.com", "role": "member"}
    answer = await gateway.portal.post("/users", data=form, headers=gateway.signed_in())
    page = await answer.text()
    assert answer.status == 200
    assert "ana@example.com" in page
    assert "The invitations are on their way" in page


def _a_user(name: str, role: str, **other: object) -> Json:
    return {"id": name, "name": name, "email": "x@acme.example", "role": role, "active": True, "site_ids": None} | other


async def test_each_user_is_shown_with_what_they_are_limited_to(gateway: Gateway) -> None:
    _company_that_has_invited(gateway, mails=(), bouncing=())
    gateway["identity"].answers("GET /sites", _listed({"id": "s1", "name": "Lyon 2", "city": "Lyon"}))
    people = [
        _a_user("Ana Duarte", "company_admin"),
        _a_user("Luc Petit", "member", site_ids=["s1"]),
        _a_user("Eve Roy", "case_manager", site_ids=["gone"], active=False),
    ]
    gateway["identity"].answers("GET /users", _listed(*people))
    page = html.unescape(await (await gateway.portal.get("/users", headers=gateway.signed_in())).text())
    rows = re.findall(r'<td role="cell" class="main">.*?</tr>', page, re.DOTALL)
    told = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in rows]
    assert told == [
        "AD Ana Duarte x@acme.example Company administrator All sites Active",
        "LP Luc Petit x@acme.example Member Lyon 2, Lyon Active",
        "ER Eve Roy x@acme.example Case manager A closed site Not active",
    ]


@pytest.mark.parametrize(("path", "tab"), [("/users", "Users"), ("/sites", "Sites")])
async def test_the_pages_of_a_company_are_tabs_of_its_administrator(gateway: Gateway, path: str, tab: str) -> None:
    _company_that_has_invited(gateway, mails=(), bouncing=())
    page = await (await gateway.portal.get(path, headers=gateway.signed_in())).text()
    tabs = page.partition('<nav class="tabs"')[2].partition("</nav>")[0]
    assert re.findall(r'href="([^"]+)"', tabs) == ["/users", "/sites"]
    assert re.findall(r'aria-current="page">(\w+)', tabs) == [tab]


async def test_whoever_finds_only_the_sites_has_no_tabs(gateway: Gateway) -> None:
    _company_that_has_invited(gateway, mails=(), bouncing=())
    gateway["identity"].answers("POST /session/resolve", says(_as("member")))
    page = await (await gateway.portal.get("/sites", headers=gateway.signed_in())).text()
    assert 'class="tabs"' not in page
    assert "<h1>Sites" in page


async def test_every_role_is_explained_where_it_is_chosen(gateway: Gateway) -> None:
    _company_that_has_invited(gateway, mails=(), bouncing=())
    page = await (await gateway.portal.get("/users", headers=gateway.signed_in())).text()
    choices = re.findall(r'name="role" value="(\w+)"(?: checked)?> ([^<]+)<', page)
    assert [(code, bool(re.fullmatch(r"[^:]+: .+", text))) for code, text in choices] == [
        ("member", True),
        ("case_manager", True),
        ("company_admin", True),
    ]


@pytest.mark.parametrize(
    ("do", "heading", "is_open"),
    [
        ("invite", "No invitation was sent", True),
        ("resend", "The invitation was not sent again", False),
        ("revoke", "The invitation was not withdrawn", False),
    ],
)
async def test_what_was_not_done_is_named_and_only_its_own_form_is_open(
    gateway: Gateway, do: str, heading: str, *, is_open: bool
) -> None:
    _company_that_has_invited(gateway, mails=(), bouncing=())
    for route in ("POST /invitations", "POST /invitations/1/resend", "DELETE /invitations/1"):
        gateway["identity"].answers(route, refuses(409, "conflict"))
    form = {"csrf_token": CSRF, "do": do, "id": "1", "emails": "luc@example.com", "role": "member"}
    page = await (await gateway.portal.post("/users", data=form, headers=gateway.signed_in())).text()
    assert f"<h2>{heading}</h2>" in page
    assert ('<dialog id="invite" aria-labelledby="invite-title" open>' in page) is is_open
