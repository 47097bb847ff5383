"""Creating a case: what it is about, the form, and the confirmation."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web
from yarl import URL

from services.gateway.clients import fill
from services.gateway.fields import ADDRESS
from services.gateway.forms import Form, FormData
from services.gateway.messages import of_refusal
from services.gateway.pages.backend import ServiceRefusal, fetch, optional, send
from services.gateway.pages.case_form import CASE, CASE_FOR_ANOTHER, PARTS, case_json, placed, unfolded
from services.gateway.pages.case_start import Found, Start, look_up, search, start_of
from services.gateway.pages.file_forms import limits_of, read_form_with_files, refused_with_files, with_fresh_upload_key
from services.gateway.pages.for_whom import (
    ForWhom,
    choice_url,
    choices_in_place_of,
    explained,
    may_create_for_others,
    whom_of_address,
    whom_of_form,
    without_whom,
)
from services.gateway.pages.lists import PAGE_SIZE
from services.gateway.pages.pins import MOST_PINS, pin_choices
from services.gateway.pages.profile import sites_of
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import TYPED, asked_for, idempotency_header, new_idempotency_key, redirect
from services.gateway.pages.told import find_told
from services.gateway.pages.unsent_forms import here_now
from services.gateway.session import OldForm, Visitor, signed_in
from services.gateway.texts import _
from shared import errors
from shared.serials import normal_serial
from shared.text import isolated

pages = web.RouteTableDef()

_OF_THE_COMPANY = ("site_id", "pin")
_LOST_RIGHT = "for_colleague"
_FEW = {"limit": 3, "total": "false"}
_MOST_OPEN_CASES = 3  # they stand before the form
_USUAL_SEVERITY = "3"


def address_of_form(typed: FormData) -> str:
    """The address of the form that this was posted from."""
    start = start_of(typed)
    return start.url if start else "/cases/new"


# Step 1: what is it about?


@pages.get("/cases/new")
async def new_case(request: web.Request) -> web.Response:
    """For whom, where there is a choice; one field for a serial number, a SAID or a product name; then the form."""
    visitor = await signed_in(request)
    whom = await whom_of_address(request, visitor)
    if whom is None:
        gone = {"gone": "1"} if request.query.get("submitter_id") else {}
        return redirect(choice_url(request.query, **gone))
    if start := start_of(request.query):
        return await _form_page(request, visitor, start, await _prefilled(request, visitor, whom), whom)
    wanted = asked_for(request.query, "q")
    found = await look_up(request, visitor, wanted, whom) if wanted else Found()
    if found.certain is not None:
        return redirect(found.certain.url)
    # The case can be created without coverage: the visitor may be sure of the number.
    anyway = [Start("serial", wanted, whom.id), Start("said", wanted, whom.id)] if wanted else []
    change = choice_url({**request.query, **whom.of_company}) if may_create_for_others(visitor) else ""
    return render(
        "case_start.html", visitor=visitor, wanted=wanted, found=found, anyway=anyway, whom=whom, change_url=change
    )


# Step 2: the form


async def _prefilled(request: web.Request, visitor: Visitor, whom: ForWhom) -> Form:
    """The contact, the address and the PIN as the submitter's profile has them; what is missing is asked for."""
    known = whom.person or await optional(fetch(request, visitor, "identity", "/profile")) or {}
    typed = {"preferred_channel": "phone", "parts": "same", "severity": _USUAL_SEVERITY}
    typed |= {"idempotency_key": new_idempotency_key(), "site_id": str(known.get("site_id") or "")}
    typed |= {f"contact.{name}": str(known.get(name) or "") for name in ("first_name", "last_name", "email", "phone")}
    typed |= {f"equipment_address.{field.name}": str(known.get(field.name) or "") for field in ADDRESS}
    typed["pin"] = str(known.get("pin") or "")
    typed |= {"submitter_id": whom.id, "submitter_name": whom.name, "company_id": whom.company_id} if whom.id else {}
    return with_fresh_upload_key(Form(CASE, typed))


async def _form_page(  # what the page shows beside the form
    request: web.Request,
    visitor: Visitor,
    start: Start,
    form: Form,
    whom: ForWhom,
    *,
    status: int = 200,
    sent_before: Sequence[Mapping[str, Any]] = (),
) -> web.Response:
    """The form, with what covers the device and what is open for it already; parts that are away are left out."""
    form = explained(form, whom)
    must_choose = "submitter_id" in form.errors
    sites, pins, limits, coverage, open_cases, people = await asyncio.gather(
        _sites(request, visitor, whom),
        _pins(request, visitor, whom),
        limits_of(request, visitor),
        search(request, visitor, "/coverage", **{start.way: start.value}, **whom.of_company),
        _open_cases(request, visitor, start, whom),
        choices_in_place_of(request, visitor, whom) if must_choose else _nobody(),
    )
    device = (coverage or {}).get("device") or {}
    form = placed(form, device.get("site_id"), dict(sites or []))
    form = replace(form, spec=CASE_FOR_ANOTHER) if whom.id else form
    return render(
        "case_form.html",
        visitor=visitor,
        status=status,
        form=form,
        unfolded=unfolded(form),
        parts_choices=PARTS,
        start=start,
        sites=sites or [],
        pins=pin_choices(pins, dict(sites or [])),
        limits=limits,
        coverage=coverage or None,
        devices=_devices_to_choose(request, start, coverage or {}),
        open_cases=open_cases,
        sent_before=sent_before,
        whom=whom,
        people=people,
        must_choose=must_choose,
        change_url=choice_url({start.way: start.value, **whom.of_company}) if may_create_for_others(visitor) else "",
        # For somebody else only an administrator of the company marks a case confidential.
        may_mark=not whom.id or visitor.user.role == "company_admin",
        draft=_draft_of(start) + (f"@{whom.company_id}" if visitor.is_of_vendor else ""),
    )


def _draft_of(start: Start) -> str:
    """What is typed about a device is one draft, however its serial number was written."""
    return f"{start.way}:{normal_serial(start.value) if start.way == 'serial' else start.value}"


@dataclass(frozen=True, slots=True)
class _Devices:
    """A page of the devices under a contract: their number in all, and the addresses of the pages beside it."""

    items: Sequence[Mapping[str, Any]]
    total: int
    previous: str
    next: str


def _devices_to_choose(request: web.Request, start: Start, coverage: Mapping[str, Any]) -> _Devices | None:
    devices: Sequence[Mapping[str, Any]] = coverage.get("devices", ())
    if start.way != "said" or not devices:
        return None
    asked = request.query.get("device_page", "")
    last = (len(devices) - 1) // PAGE_SIZE
    page = min(int(asked), last) if asked.isascii() and asked.isdigit() and len(asked) < len("10000") else 0

    def url(number: int) -> str:
        return str(URL(start.url).update_query(device_page=number)) if 0 <= number <= last else ""

    items = devices[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
    return _Devices(items, len(devices), url(page - 1), url(page + 1))


async def _nobody() -> list[tuple[str, str]]:
    return []


async def _sites(request: web.Request, visitor: Visitor, whom: ForWhom) -> list[tuple[str, str]] | None:
    """The sites to choose from: for somebody else, only those that the visitor is not limited away from."""
    sites = await sites_of(request, visitor, whom.of_company)
    if not whom.id or visitor.user.site_ids is None or sites is None:
        return sites
    allowed = {str(site_id) for site_id in visitor.user.site_ids}
    return [(site_id, name) for site_id, name in sites if site_id in allowed]


async def _pins(request: web.Request, visitor: Visitor, whom: ForWhom) -> list[dict[str, Any]]:
    try:
        answer = await optional(fetch(request, visitor, "identity", "/pins", {**whom.of_company, "limit": MOST_PINS}))
    except ServiceRefusal:
        # A company without PINs, or a visitor of the vendor: there is nothing to choose.
        return []
    return list(answer["items"]) if answer else []


async def _open_cases(request: web.Request, visitor: Visitor, start: Start, whom: ForWhom) -> dict[str, Any] | None:
    if start.way != "serial":
        return None
    query = {"serial": start.value, "status": "open", "limit": _MOST_OPEN_CASES, **whom.of_company}
    return await optional(fetch(request, visitor, "cases", "/cases", query))


@pages.post("/cases")
async def submit_case(request: web.Request) -> web.Response:
    """Submits the case; whatever has to be mended comes back with everything typed."""
    visitor = await signed_in(request)
    try:
        posted = await read_form_with_files(request, visitor)
    except OldForm as old:
        return await _show_again(request, visitor, request[TYPED], old)
    if posted.typed.get("filled_in_by", str(visitor.user.id)) != str(visitor.user.id):
        return await _show_again(request, visitor, posted.typed, OldForm())
    start = start_of(posted.typed)
    if start is None:
        return redirect("/cases/new")
    if posted.refused or "show" in posted.typed:
        whom = await whom_of_form(request, visitor, posted.typed)
        status = errors.Invalid.status if posted.refused else 200
        return await _form_page(request, visitor, start, posted.form(CASE), whom, status=status)
    return await _submit(request, visitor, start, posted.typed)


async def _show_again(request: web.Request, visitor: Visitor, typed: FormData, refusal: OldForm) -> web.Response:
    """The form of an earlier session: nothing was done, and with a current token it can be sent.

    What another company alone has is not shown in this one.
    """
    if (start := start_of(typed)) is None:
        raise refusal
    sentence = _(
        "You have signed in again, or changed the company, since this page was opened. "
        "Please check everything and send it once more."
    )
    if typed.get("filled_in_by") != str(visitor.user.id):
        typed = {name: text for name, text in without_whom(typed).items() if name not in _OF_THE_COMPANY}
    form = with_fresh_upload_key(Form(CASE, typed, {}, (here_now(visitor), sentence)))
    whom = await whom_of_form(request, visitor, typed)
    return await _form_page(request, visitor, start, form, whom, status=refusal.status)


async def _submit(request: web.Request, visitor: Visitor, start: Start, typed: FormData) -> web.Response:
    body, key = case_json(typed), idempotency_header(typed)
    try:
        sent = await send(request, visitor, "cases", "POST", "/cases", body=body, headers=key)
    except ServiceRefusal as refusal:
        if refusal.params.get("reason") != _LOST_RIGHT:
            raise
        sentences = (of_refusal(refusal), _("If you send it now, it becomes your own case."))
        form = with_fresh_upload_key(Form(CASE, without_whom(typed), {}, sentences))
        return await _form_page(request, visitor, start, form, ForWhom(), status=refusal.status)
    if sent.problem is None:
        return redirect(f"/cases/{sent.content['number']}/created")
    form, whom = refused_with_files(CASE, typed, sent.problem), await whom_of_form(request, visitor, typed)
    if sent.code != errors.IdempotencyKeyReused.code:
        return await _form_page(request, visitor, start, form, whom, status=sent.status)
    sent_before = await _probably_sent_before(request, visitor, start, whom)
    # A new key lets the changed form be another case.
    sentence = _("This form was sent before and created a case. If you send it again, it creates another one.")
    form = replace(form.with_values(idempotency_key=new_idempotency_key()), errors={}, general=(sentence,))
    return await _form_page(request, visitor, start, form, whom, status=sent.status, sent_before=sent_before)


async def _probably_sent_before(
    request: web.Request, visitor: Visitor, start: Start, whom: ForWhom
) -> list[dict[str, Any]]:
    """The first try arrived after all, though its answer was lost: the newest cases of the same person and device."""
    query = {"view": "recent" if whom.id else "submitted", "sort": "-created_at", **_FEW, **whom.of_company}
    if start.way == "serial":
        query["serial"] = start.value
    answer = await optional(fetch(request, visitor, "cases", "/cases", query))
    return list(answer["items"]) if answer else []


# Step 3: the confirmation


@pages.get("/cases/{number}/created")
async def created(request: web.Request) -> web.Response:
    """The number, what happens next, and all details."""
    visitor = await signed_in(request)
    number = request.match_info["number"]
    case, own, told = await asyncio.gather(
        fetch(request, visitor, "cases", fill("/cases/{number}", number=number)),
        optional(fetch(request, visitor, "identity", "/profile")),
        find_told(request, visitor, number),
    )
    own_emails = {visitor.user.email, (own or {}).get("email")}
    to_tell = told_by_mail(case, {str(visitor.user.id): own_emails})
    return render("case_created.html", visitor=visitor, case=case, to_tell=to_tell, told=told)


def told_by_mail(case: Mapping[str, Any], emails: Mapping[str, Collection[object]]) -> list[str]:
    """The people whom the e-mail about a new case is for, each once, with the address where it is known.

    `emails` are those of users: a contact who is known by one of them alone is that user, as for the mail itself.
    """
    told = {str(case["submitter"]["user_id"]): str(case["submitter"]["name"])}
    for contact in (case["contact"], case["secondary_contact"]):
        if contact is not None:
            email = contact["email"]
            owner = next((user for user, owned in emails.items() if email in owned), email)
            name = isolated(f"{contact['first_name']} {contact['last_name']}") + f" ({email})"
            told.setdefault(str(contact["user_id"] or owner), name)
    return list(told.values())
