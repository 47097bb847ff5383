"""The profile: edit, review, save; and the e-mail notices, a form of its own."""

import asyncio
import re

from aiohttp import web

from services.gateway.forms import Form, FormData, Shape, from_json, refused, to_json
from services.gateway.pages.backend import Sent, fetch, fetch_all, optional, send
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import read_form, redirect
from services.gateway.session import Visitor, signed_in
from services.gateway.texts import lazy
from shared.schemas.base import BODY_BYTES
from shared.schemas.notifications import CASE_MAIL_KINDS

pages = web.RouteTableDef()

_PROFILE = Shape(
    texts=(
        "first_name",
        "last_name",
        "job_title",
        "email",
        "phone",
        "alternative_phone",
        "language",
        "time_zone",
        "company_name",
        "address_line_1",
        "address_line_2",
        "postal_code",
        "city",
        "region",
        "country",
        "site_id",
        "pin",
    )
)
_DONE = {"saved": lazy("Your profile is saved."), "notices": lazy("Your choice is saved. It holds from now on.")}
_PHONES = ("phone", "alternative_phone")
_STALE = 412


async def sites_of(request: web.Request, visitor: Visitor) -> list[tuple[str, str]] | None:
    """The company's open sites to choose from, as id and name; None while identity is away."""
    sites = await optional(fetch_all(request, visitor, "identity", "/sites", {"sort": "name"}))
    return None if sites is None else [(site["id"], f"{site['name']}, {site['city']}") for site in sites]


async def _pins_of(request: web.Request, visitor: Visitor) -> list[tuple[str, str]] | None:
    """The company's PINs to choose from, as code and text; None while identity is away."""
    answer = await optional(fetch(request, visitor, "identity", "/pins"))
    return None if answer is None else [(pin["pin"], f"{pin['pin']} · {pin['label']}") for pin in answer["items"]]


async def _page(request: web.Request, visitor: Visitor, form: Form, *, status: int = 200) -> web.Response:
    sites, pins, preferences = await asyncio.gather(
        sites_of(request, visitor),
        _pins_of(request, visitor),
        optional(fetch(request, visitor, "notifications", "/notification-preferences")),
    )
    return render(
        "profile.html",
        visitor=visitor,
        status=status,
        form=form,
        sites=sites,
        pins=pins,
        preferences=preferences,
        kinds=CASE_MAIL_KINDS,
        done=_DONE.get(request.query.get("done", "")),
    )


@pages.get("/profile")
async def profile(request: web.Request) -> web.Response:
    """The form, filled with what is known."""
    visitor = await signed_in(request)
    known = await fetch(request, visitor, "identity", "/profile")
    return await _page(request, visitor, Form(from_json(known)))


@pages.post("/profile")
async def change_profile(request: web.Request) -> web.Response:
    """Review shows the values as they would be saved; save writes them; edit goes back to the form."""
    visitor = await signed_in(request)
    typed = await read_form(request, visitor, at_most=BODY_BYTES)
    if typed.get("step") == "edit":
        return await _page(request, visitor, Form(typed))
    is_save = typed.get("step") == "save"
    sent = await _put(request, visitor, typed, {} if is_save else {"dry_run": 1})
    if sent.problem is not None:
        return await _refused(request, visitor, typed, sent)
    if is_save:
        return redirect("/profile?done=saved")
    return await _review(request, visitor, typed, from_json(sent.content) | {"version": typed.get("version", "")})


async def _review(request: web.Request, visitor: Visitor, typed: FormData, reviewed: FormData) -> web.Response:
    """Everything as it will be saved; a phone number that was written in another way stands beside it."""
    sites, pins = await asyncio.gather(sites_of(request, visitor), _pins_of(request, visitor))
    return render(
        "profile_review.html",
        visitor=visitor,
        form=Form(reviewed),
        names=_PROFILE.names,
        rewritten={
            name: typed[name] for name in _PHONES if typed.get(name, "").strip() not in ("", reviewed.get(name))
        },
        sites=dict(sites or []),
        pins=dict(pins or []),
    )


async def _put(request: web.Request, visitor: Visitor, typed: FormData, query: dict[str, int]) -> Sent:
    version = typed.get("version", "")
    # An unreadable version is one that nobody ever had: the answer is that the profile has changed.
    tag = version if re.fullmatch(r"\d{1,15}", version, re.ASCII) else "0"
    body = to_json(typed, _PROFILE)
    return await send(
        request, visitor, "identity", "PUT", "/profile", body=body, query=query, headers={"If-Match": f'"{tag}"'}
    )


async def _refused(request: web.Request, visitor: Visitor, typed: FormData, sent: Sent) -> web.Response:
    form = refused(typed, sent.problem or {}, _PROFILE.names)
    if sent.status == _STALE:
        known = await fetch(request, visitor, "identity", "/profile")
        form = form.with_values(version=str(known["version"]))
    return await _page(request, visitor, form, status=sent.status)


@pages.get("/profile/notices")
async def notices(_request: web.Request) -> web.Response:
    """The address of the form; what is shown stands on the profile page."""
    return redirect("/profile#notices")


@pages.post("/profile/notices")
async def change_notices(request: web.Request) -> web.Response:
    """Opts in or out."""
    visitor = await signed_in(request)
    typed = await read_form(request, visitor)
    shape = Shape(flags=("case_emails", *(f"kinds.{kind}" for kind in CASE_MAIL_KINDS)))
    # A box that is not ticked is not sent, and means no.
    ticked = {f"kinds.{kind}": typed.get(f"kinds.{kind}", "no") for kind in CASE_MAIL_KINDS}
    body = to_json({**ticked, "case_emails": typed.get("case_emails", "")}, shape)
    sent = await send(request, visitor, "notifications", "PUT", "/notification-preferences", body=body)
    if sent.problem is None:
        return redirect("/profile?done=notices#notices")
    known = await fetch(request, visitor, "identity", "/profile")
    form = refused(from_json(known), sent.problem, ())
    return await _page(request, visitor, form, status=sent.status)
