"""The profile: edit, review, save; and the e-mail notices, a form of its own."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from services.gateway import labels
from services.gateway.fields import ADDRESS, FIRST_NAME, LAST_NAME, Field, FormSpec, hidden, with_autocomplete
from services.gateway.forms import Form, FormData, from_json, refused, to_json
from services.gateway.pages.backend import Sent, fetch, fetch_all, optional, send
from services.gateway.pages.invited import find_bouncing
from services.gateway.pages.pins import MOST_PINS, pin_choices
from services.gateway.pages.rendering import phone_number, render
from services.gateway.pages.requests import local_path, read_form, redirect
from services.gateway.session import Visitor, signed_in
from services.gateway.texts import lazy
from shared.schemas.base import BODY_BYTES
from shared.schemas.notifications import CASE_MAIL_KINDS
from shared.text import isolated

pages = web.RouteTableDef()

_Choice = tuple[str, str]

PROFILE = FormSpec(
    (
        FIRST_NAME,
        LAST_NAME,
        Field("job_title", lazy("Job title"), optional=True, autocomplete="organization-title"),
        Field(
            "email",
            lazy("Contact e-mail"),
            "email",
            autocomplete="email",
            hint=lazy("E-mails about cases go here. The address you sign in with stays as it is."),
            ask=lazy("Enter an e-mail address."),
        ),
        Field(
            "phone",
            lazy("Phone"),
            "tel",
            autocomplete="tel",
            hint=lazy("With the country code, and an extension if there is one: +33 4 72 00 00 00 ext. 12."),
            ask=lazy("Enter a phone number."),
        ),
        Field(
            "alternative_phone",
            lazy("Alternative phone"),
            "tel",
            optional=True,
            help=lazy("We try it if nobody answers the first number."),
        ),
        Field(
            "language",
            lazy("Language"),
            "select",
            autocomplete="language",
            choices=labels.languages,
            help=lazy("The portal and its e-mails are written in it."),
            ask=lazy("Choose a language."),
        ),
        Field(
            "time_zone",
            lazy("Time zone"),
            "time_zone",
            help=lazy("Every time in the portal and in e-mails is written in it."),
            ask=lazy("Choose a time zone."),
        ),
        *with_autocomplete(
            ADDRESS,
            {
                "company_name": "organization",
                "address_line_1": "address-line1",
                "address_line_2": "address-line2",
                "postal_code": "postal-code",
                "city": "address-level2",
                "region": "address-level1",
                "country": "country",
            },
        ),
        Field(
            "site_id",
            lazy("Main site"),
            "select",
            optional=True,
            empty=lazy("None"),
            is_id=True,
            help=lazy("Case forms suggest this site first."),
        ),
        Field(
            "pin",
            lazy("PIN"),
            "select",
            optional=True,
            empty=lazy("None"),
            hint=lazy("A wrong PIN delays the case."),
        ),
    )
)
_NOTICES = ("case_emails", *(f"kinds.{kind}" for kind in CASE_MAIL_KINDS))
NOTICES = FormSpec(tuple(hidden(name, json="flag") for name in _NOTICES))
_PHONES = ("phone", "alternative_phone")
_STALE = 412


async def sites_of(
    request: web.Request, visitor: Visitor, of_company: Mapping[str, str] | None = None
) -> list[tuple[str, str]] | None:
    """A company's open sites to choose from, as id and name; None while identity is away."""
    sites = await optional(fetch_all(request, visitor, "identity", "/sites", {**(of_company or {}), "sort": "name"}))
    if sites is None:
        return None
    return [(site["id"], f"{isolated(site['name'])}, {isolated(site['city'])}") for site in sites]


async def _sites_and_pins(request: web.Request, visitor: Visitor) -> tuple[list[_Choice] | None, list[_Choice] | None]:
    """The company's, to choose from; a PIN says where it is valid. None for what identity does not tell now."""
    sites, pins = await asyncio.gather(
        sites_of(request, visitor),
        optional(fetch(request, visitor, "identity", "/pins", {"limit": MOST_PINS})),
    )
    return sites, None if pins is None else list(pin_choices(pins["items"], dict(sites or ())))


async def _preferences_of(request: web.Request, visitor: Visitor) -> dict[str, Any] | None:
    """Which e-mails the visitor gets; None while notifications are away, or of a version that does not label kinds."""
    preferences = await optional(fetch(request, visitor, "notifications", "/notification-preferences"))
    # A form without its kinds would switch them all off.
    return preferences if preferences is not None and "labels" in preferences else None


async def _page(
    request: web.Request,
    visitor: Visitor,
    form: Form,
    *,
    own_emails: Sequence[str] = (),
    status: int = 200,
) -> web.Response:
    (sites, pins), preferences, bouncing = await asyncio.gather(
        _sites_and_pins(request, visitor),
        _preferences_of(request, visitor),
        find_bouncing(request, visitor, own_emails),
    )
    return render(
        "profile.html",
        visitor=visitor,
        status=status,
        form=form,
        sites=sites,
        pins=pins,
        preferences=preferences,
        bouncing=bouncing,
        done=request.query.get("done", ""),
    )


@pages.get("/profile")
async def profile(request: web.Request) -> web.Response:
    """The form, filled with what is known."""
    visitor = await signed_in(request)
    known = await fetch(request, visitor, "identity", "/profile")
    own_emails = sorted({visitor.user.email, known.get("email", "")} - {""})
    form = Form(PROFILE, from_json(known) | {"next": _way_back(request.query)})
    return await _page(request, visitor, form, own_emails=own_emails)


def _way_back(asked: Mapping[str, str]) -> str:
    """The page of this site that saving goes back to; empty where one came from none."""
    return local_path(asked["next"]) if asked.get("next") else ""


@pages.post("/profile")
async def change_profile(request: web.Request) -> web.Response:
    """Review shows the values as they would be saved; save writes them; edit goes back to the form."""
    visitor = await signed_in(request)
    typed = await read_form(request, visitor, at_most=BODY_BYTES)
    if typed.get("step") == "edit":
        return await _page(request, visitor, Form(PROFILE, typed))
    is_save = typed.get("step") == "save"
    sent = await _put(request, visitor, typed, {} if is_save else {"dry_run": 1})
    if sent.problem is not None:
        return await _refused(request, visitor, typed, sent)
    if is_save:
        return redirect(_way_back(typed) or "/profile?done=saved")
    carried = {"version": typed.get("version", ""), "next": _way_back(typed)}
    return await _review(request, visitor, typed, from_json(sent.content) | carried)


async def _review(request: web.Request, visitor: Visitor, typed: FormData, reviewed: FormData) -> web.Response:
    """Everything as it will be saved, with each phone number as it was typed if it is written otherwise now."""
    sites, pins = await _sites_and_pins(request, visitor)
    return render(
        "profile_review.html",
        visitor=visitor,
        form=Form(PROFILE, reviewed),
        rewritten={name: typed[name] for name in _PHONES if _is_rewritten(typed.get(name, ""), reviewed.get(name, ""))},
        sites=dict(sites or []),
        pins=dict(pins or []),
    )


def _is_rewritten(typed: str, kept: str) -> bool:
    return bool(typed.strip()) and typed.strip() not in (kept, phone_number(kept))


async def _put(request: web.Request, visitor: Visitor, typed: FormData, query: dict[str, int]) -> Sent:
    version = typed.get("version", "")
    # An unreadable version never existed: the answer is that the profile has changed.
    tag = version if re.fullmatch(r"\d{1,15}", version, re.ASCII) else "0"
    body = to_json(typed, PROFILE)
    return await send(
        request, visitor, "identity", "PUT", "/profile", body=body, query=query, headers={"If-Match": f'"{tag}"'}
    )


async def _refused(request: web.Request, visitor: Visitor, typed: FormData, sent: Sent) -> web.Response:
    form = refused(PROFILE, typed, sent.problem or {})
    if sent.status == _STALE:
        known = await fetch(request, visitor, "identity", "/profile")
        form = form.with_values(version=str(known["version"]))
    return await _page(request, visitor, form, status=sent.status)


@pages.get("/profile/notices")
async def notices(_request: web.Request) -> web.Response:
    """The address that the form is posted to; the form itself is on the profile page."""
    return redirect("/profile#notices")


@pages.post("/profile/notices")
async def change_notices(request: web.Request) -> web.Response:
    """Opts in or out."""
    visitor = await signed_in(request)
    typed = await read_form(request, visitor)
    # A box that is not ticked is not sent, and means no.
    body = to_json({f"kinds.{kind}": "no" for kind in CASE_MAIL_KINDS} | dict(typed), NOTICES)
    sent = await send(request, visitor, "notifications", "PUT", "/notification-preferences", body=body)
    if sent.problem is None:
        return redirect("/profile?done=notices#notices")
    known = await fetch(request, visitor, "identity", "/profile")
    form = replace(refused(NOTICES, {}, sent.problem), spec=PROFILE, typed=from_json(known))
    return await _page(request, visitor, form, status=sent.status)
