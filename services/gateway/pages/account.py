"""Signing in and out, changing the company, accepting an invitation, verifying an address."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from services.gateway.address import ADDRESS
from services.gateway.browsers import name_of, newcomer_headers, remember_device, remember_newcomer, sign_in_headers
from services.gateway.clients import ServiceUnavailable, fill
from services.gateway.fields import FIRST_NAME, LAST_NAME, Field, FormSpec, hidden
from services.gateway.forms import Form, FormData, refused, to_json
from services.gateway.pages.backend import Sent, ServiceRefusal, send
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import LONG_FORM_BYTES, local_path, read_form, read_public_form, redirect
from services.gateway.pages.unsent_forms import unsent_form_after_sign_in
from services.gateway.session import (
    SESSIONS,
    Visitor,
    clear_session_cookie,
    end_session,
    refuse_without_csrf,
    set_session_cookie,
    signed_in,
    token_of,
    visitor_of,
)
from services.gateway.texts import lazy
from shared.i18n import language
from shared.web.headers import BROWSER_HEADER, SESSION_HEADER
from shared.zones import zone_of

pages = web.RouteTableDef()

_ADDRESS = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}")
_CASE = re.compile(r"/cases/(\d{10})(?:/created)?", re.ASCII)
_CASE_FORMS = frozenset({"/cases/new", "/cases/new/for"})
_ABOUT = frozenset({"q", "serial", "said"})
_SERIAL_OR_SAID = re.compile(r"(?=[A-Z-]*\d)[A-Z\d-]{4,32}", re.ASCII | re.IGNORECASE)
_NOT_KEPT = 403
_ADDRESS_NOT_PROVEN = "address_not_proven"
_THE_CODE = lazy("Enter the 6 digits from the e-mail.")
_EMAIL = Field(
    "email", lazy("E-mail address"), "email", autocomplete="username", ask=lazy("Enter your e-mail address.")
)
_PASSWORD = Field(
    "password", lazy("Password"), "password", autocomplete="current-password", ask=lazy("Enter your password.")
)
SIGN_IN = FormSpec((_EMAIL, _PASSWORD))
ACCEPT = FormSpec(
    (
        FIRST_NAME,
        LAST_NAME,
        Field(
            "password",
            lazy("Password"),
            "password",
            autocomplete="new-password",
            hint=lazy("At least 10 characters. Several unrelated words make a good password."),
            ask=lazy("Choose a password."),
        ),
        hidden("locale"),
    )
)
VERIFY = FormSpec(
    (
        _EMAIL,
        Field(
            "code",
            lazy("Code from the e-mail"),
            autocomplete="one-time-code",
            digits=True,
            hint=lazy("6 digits, valid for 10 minutes. No e-mail? Check your spam folder, or ask your administrator."),
            ask=_THE_CODE,
        ),
    )
)


# Signing in and out


@pages.get("/sign-in")
async def sign_in_form(request: web.Request) -> web.Response:
    """E-mail and password. Who is signed in already is sent on, or told so where the link is somebody else's."""
    target, verified = local_path(request.query.get("next")), "verified" in request.query
    form = Form(SIGN_IN, {"email": request.query.get("email", ""), "next": target})
    visitor = await visitor_of(request)
    if visitor is None:
        return sign_in_page(request, form, verified=verified)
    # Nobody's own words are shown on a page of somebody who is signed in: only what may be an address.
    if not _ADDRESS.fullmatch(form["email"].strip()) or is_address_of(visitor, form["email"]):
        return redirect(target)
    return render(
        "somebody_else.html", visitor=visitor, email=form["email"], verified=verified, path=str(request.rel_url)
    )


def sign_in_page(request: web.Request, form: Form, *, status: int = 200, verified: bool = False) -> web.Response:
    """Says beforehand where signing in would be in vain."""
    address = request.app[ADDRESS]
    elsewhere = address.is_surely_elsewhere(request)
    if elsewhere:
        address.note_not_in_use(request)
    base_url = address.base_url if elsewhere else ""
    return render(
        "sign_in.html",
        visitor=None,
        status=status,
        form=form,
        verified=verified,
        base_url=base_url,
        wanted=_wanted(form["next"]),
    )


def _wanted(target: str) -> dict[str, str]:
    """What one comes for, where the page says it; of an address, which anybody may write, only what is no sentence."""
    path, _mark, query = target.partition("?")
    case, is_form = _CASE.fullmatch(path), path in _CASE_FORMS
    typed = (text.strip() for name, text in parse_qsl(query) if name in _ABOUT and is_form)
    about = next((text for text in typed if _SERIAL_OR_SAID.fullmatch(text)), "")
    return {"number": case[1] if case else "", "about": about, "creates": "yes" if is_form else ""}


def is_address_of(visitor: Visitor, email: str) -> bool:
    """Whether it is the address that the visitor signs in with."""
    return email.strip().casefold() == visitor.user.email.casefold()


@pages.post("/sign-in")
async def sign_in(request: web.Request) -> web.Response:
    """Starts a session and goes back to the wanted page, or shows the form that the last session left unsent."""
    typed = await read_public_form(request, at_most=LONG_FORM_BYTES)
    body, headers = to_json(typed, SIGN_IN), sign_in_headers(request)
    sent = await send(request, None, "identity", "POST", "/session", body=body, headers=headers)
    if sent.problem is not None:
        form = refused(SIGN_IN, typed, sent.problem).with_values(next=local_path(typed.get("next")))
        if sent.code == _ADDRESS_NOT_PROVEN and not form["kept_path"]:
            return _to_the_code(typed.get("email", ""))
        return sign_in_page(request, form, status=sent.status)
    token = str(sent.content["session_token"])
    response = await unsent_form_after_sign_in(request, typed, token) or _to_the_check(typed.get("next"))
    set_session_cookie(request, response, token)
    remember_device(request, response, str(sent.content.get("device_proofs", "")))
    return response


def _to_the_check(target: str | None) -> web.Response:
    return redirect(f"/signed-in?{urlencode({'next': local_path(target)})}")


@pages.get("/signed-in")
async def signed_in_now(request: web.Request) -> web.Response:
    """On to the wanted page, where the browser has kept the session; else says what to do: nobody goes in circles."""
    target = local_path(request.query.get("next"))
    if token_of(request):
        return redirect(target)
    address = request.app[ADDRESS]
    if address.is_secure:
        address.note_not_in_use(request)
    base_url = address.base_url if address.is_secure else ""
    return render("not_kept.html", visitor=None, status=_NOT_KEPT, base_url=base_url, target=target)


@pages.post("/sign-out")
async def sign_out(request: web.Request) -> web.Response:
    """Ends the session, here and everywhere, and goes to the start page, or back to what is somebody else's."""
    typed = await read_public_form(request)
    if (visitor := await visitor_of(request)) is not None:
        refuse_without_csrf(request, visitor, typed.get("csrf_token"))
        await end_session(request, visitor)
    response = redirect(local_path(typed.get("next")))
    clear_session_cookie(request, response)
    return response


@pages.get("/sign-out")
@pages.get("/switch-company")
async def form_of_every_page(_request: web.Request) -> web.Response:
    """Its address, where it is not sent after all."""
    return redirect("/")


@pages.post("/switch-company")
async def switch_company(request: web.Request) -> web.Response:
    """Continues in another company of the same login."""
    visitor = await signed_in(request)
    typed = await read_form(request, visitor)
    sent = await _move_session(request, visitor, "/session/switch", {"user_id": typed.get("user_id", "")})
    if sent.problem is not None:
        raise ServiceRefusal(sent.status, sent.problem, retry_after=str(sent.problem.get("retry_after", "")))
    return redirect("/?done=switched")


async def _move_session(request: web.Request, visitor: Visitor, path: str, body: object) -> Sent:
    """Asks identity for what lets the session go on as another user."""
    sent = await send(request, visitor, "identity", "POST", path, body=body, headers={SESSION_HEADER: visitor.token})
    if sent.problem is None:
        request.app[SESSIONS].forget(visitor.token)
    return sent


# Invitations


def _path(request: web.Request, action: str = "") -> str:
    return fill("/invitations/{code}", code=request.match_info["code"]) + action


async def _invitation(request: web.Request, visitor: Visitor | None, form: Form, *, status: int = 200) -> web.Response:
    """The invitation with the form to accept it, or why it cannot be accepted; the code's page where that is due."""
    found = await send(request, None, "identity", "GET", _path(request), headers=newcomer_headers(request))
    if found.problem is not None:
        if found.status >= 500 and request.method == "POST":  # noqa: PLR2004
            raise ServiceUnavailable("identity")  # what was typed is kept
        return render("invitation_gone.html", visitor=visitor, status=found.status, away=found.status >= 500)  # noqa: PLR2004
    if found.content.get("awaits_code") and request.method == "GET":
        return _to_the_code(found.content["email"])
    return render(
        "invitation.html",
        visitor=visitor,
        status=status,
        form=form,
        invitation=found.content,
        # Whoever is invited may have no zone yet; the e-mail gives the time in this one too.
        company_zone=zone_of(found.content["time_zone"]),
        path=request.path,
        is_for_visitor=visitor is not None and is_address_of(visitor, found.content["email"]),
    )


def _to_the_code(email: str) -> web.Response:
    """To the page for the 6-digit code, for somebody who has accepted already."""
    return redirect(f"/verify?{urlencode({'email': email, 'accepted': 1})}")


@pages.get("/invitations/{code}")
async def invitation(request: web.Request) -> web.Response:
    """Who invites whom to what."""
    return await _invitation(request, await visitor_of(request), Form(ACCEPT))


@pages.post("/invitations/{code}")
async def accept_invitation(request: web.Request) -> web.Response:
    """A new login continues with its verification; a signed-in one is a member at once."""
    typed = await read_public_form(request)
    visitor = await _joining_visitor(request, typed)
    path, name = _path(request, "/accept"), name_of(request)
    if visitor is not None:
        sent = await _move_session(request, visitor, path, {})
    else:
        headers = {BROWSER_HEADER: name}
        sent = await send(request, None, "identity", "POST", path, body=_acceptance(typed), headers=headers)
    if sent.problem is not None:
        return await _invitation(request, visitor, refused(ACCEPT, typed, sent.problem), status=sent.status)
    response = _after_accepting(sent)
    if visitor is None:
        remember_newcomer(request, response, name)
    return response


def _acceptance(typed: FormData) -> dict[str, Any]:
    """In the language of the page, which the newcomer reads: the invitation's own is the inviter's."""
    return to_json({**typed, "locale": language()}, ACCEPT)


async def _joining_visitor(request: web.Request, typed: FormData) -> Visitor | None:
    """The signed-in visitor who joins, if the form has the session's token; None for a form that makes a new login."""
    if typed.get("join") != "yes":
        return None
    visitor = await signed_in(request)
    refuse_without_csrf(request, visitor, typed.get("csrf_token"))
    return visitor


def _after_accepting(sent: Sent) -> web.Response:
    if sent.content["state"] == "verify":
        return redirect(f"/verify?{urlencode({'email': sent.content['email']})}")
    return redirect("/?done=joined")


# Verification


@pages.get("/verify")
async def verify_form(request: web.Request) -> web.Response:
    """The six digits that were e-mailed."""
    form = Form(VERIFY, {"email": request.query.get("email", "")})
    return await _code_page(request, form)


@pages.post("/verify")
async def verify(request: web.Request) -> web.Response:
    """The account is active, or waits for approval; signing in comes next."""
    typed = await read_public_form(request)
    sent = await _ask_as_newcomer(request, "/registrations/verify", to_json(typed, VERIFY))
    if sent.problem is not None:
        return await _code_page(request, _code_explained(typed, sent.problem), status=sent.status)
    if sent.content["state"] == "pending_approval":
        return render("waiting_for_approval.html", visitor=None)
    return redirect(f"/sign-in?{urlencode({'verified': 1, 'email': typed.get('email', '')})}")


def _code_explained(typed: FormData, problem: Mapping[str, Any]) -> Form:
    """The refused form, which says what a code looks like where that was none."""
    form = refused(VERIFY, typed, problem)
    if ("code", "string_pattern_mismatch") not in {
        (at.get("field"), at.get("code")) for at in problem.get("errors", ())
    }:
        return form
    return replace(form, errors={**form.errors, "code": str(_THE_CODE)})


@pages.post("/verify/resend")
async def resend_code(request: web.Request) -> web.Response:
    """Asks for another code; the answer is the same for every address."""
    typed = await read_public_form(request)
    sent = await _ask_as_newcomer(request, "/registrations/resend", to_json(typed, VERIFY, without=("code",)))
    if sent.problem is not None:
        return await _code_page(request, refused(VERIFY, typed, sent.problem), status=sent.status)
    return redirect(f"/verify?{urlencode({'email': typed.get('email', ''), 'again': 1})}")


async def _code_page(request: web.Request, form: Form, *, status: int = 200) -> web.Response:
    """Without a session; a visitor who has one is told whose, because the code makes another account."""
    return render(
        "verify.html",
        visitor=None,
        status=status,
        form=form,
        sent_again="again" in request.query,
        has_accepted="accepted" in request.query,
        somebody=await visitor_of(request),
    )


async def _ask_as_newcomer(request: web.Request, path: str, body: object) -> Sent:
    return await send(request, None, "identity", "POST", path, body=body, headers=newcomer_headers(request))
