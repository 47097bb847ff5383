"""Creating a case: what it is about, the form, and the confirmation."""

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web
from yarl import URL

from services.gateway.clients import fill
from services.gateway.forms import Form, Shape, Typed, refused, to_json
from services.gateway.pages.asking import ServiceRefusal, fetch, fresh_key, go, once, panel, read_form, send
from services.gateway.pages.profile import sites_of
from services.gateway.pages.rendering import render
from services.gateway.session import Visitor, refuse_without_csrf, signed_in
from shared import errors

pages = web.RouteTableDef()

Way = Literal["serial", "said", "product_number"]

_CONTACT = ("first_name", "last_name", "email", "phone")
_ADDRESS = (
    "company_name",
    "address_line_1",
    "address_line_2",
    "postal_code",
    "city",
    "region",
    "country",
)
_CASE = Shape(
    texts=(
        "serial",
        "said",
        "product_number",
        "title",
        "description",
        "troubleshooting",
        "problem_type",
        "error_code",
        "operating_system",
        "own_reference",
        *(f"contact.{name}" for name in _CONTACT),
        *(f"secondary_contact.{name}" for name in _CONTACT),
        "preferred_channel",
        "preferred_hours",
        "site_id",
        *(f"equipment_address.{name}" for name in _ADDRESS),
        *(f"parts_address.{name}" for name in _ADDRESS),
    ),
    numbers=("severity",),
    flags=("confidential",),
    always=("contact", "equipment_address", "parts_address"),
)
_WAYS: tuple[Way, ...] = ("serial", "said", "product_number")


@dataclass(frozen=True, slots=True)
class _Start:
    """What a case is about: one of the three ways to say it."""

    way: Way
    value: str

    @property
    def url(self) -> str:
        """The form for it."""
        return str(URL("/cases/new").with_query({self.way: self.value}))


def _start_of(typed: Typed) -> _Start | None:
    for way in _WAYS:
        if value := typed.get(way, "").strip():
            return _Start(way, value)
    return None


# Step 1: what is it about?


@dataclass(frozen=True, slots=True)
class _Found:
    """What a typed text may mean."""

    certain: _Start | None = None
    look_alikes: tuple[_Start, ...] = ()
    products: tuple[dict[str, Any], ...] = ()


@pages.get("/cases/new")
async def new_case(request: web.Request) -> web.Response:
    """One field that takes a serial number, a SAID or a product name; then the form."""
    visitor = await signed_in(request)
    if start := _start_of(request.query):
        return await _form_page(request, visitor, start, await _prefilled(request, visitor))
    wanted = request.query.get("q", "").strip()
    found = await _look_up(request, visitor, wanted) if wanted else _Found()
    if found.certain is not None:
        return go(found.certain.url)
    # No coverage is no dead end: whoever is sure of the number goes on with it.
    anyway = [_Start("serial", wanted), _Start("said", wanted)] if wanted else []
    return render("case_start.html", visitor=visitor, wanted=wanted, found=found, anyway=anyway)


async def _look_up(request: web.Request, visitor: Visitor, wanted: str) -> _Found:
    device, agreement, products = await asyncio.gather(
        _search(request, visitor, "/coverage", serial=wanted),
        _search(request, visitor, "/coverage", said=wanted),
        _search(request, visitor, "/products", q=wanted, limit="10"),
    )
    if device.get("device"):
        return _Found(_Start("serial", device["device"]["serial"]))
    if agreement.get("agreements") or agreement.get("devices"):
        return _Found(_Start("said", wanted))
    return _Found(
        look_alikes=tuple(_Start("serial", serial) for serial in device.get("did_you_mean", ())),
        products=tuple(products.get("items", ())),
    )


async def _search(request: web.Request, visitor: Visitor, path: str, **query: str) -> dict[str, Any]:
    """Nothing, when the text cannot be what is searched for, or contracts is away."""
    try:
        return await panel(fetch(request, visitor, "contracts", path, query)) or {}
    except ServiceRefusal as refusal:
        if refusal.status != errors.Invalid.status:
            raise
        return {}


# Step 2: the form


async def _prefilled(request: web.Request, visitor: Visitor) -> Form:
    """The contact and the address as the profile has them; what is missing is asked for."""
    known = await panel(fetch(request, visitor, "identity", "/profile")) or {}
    typed = {"preferred_channel": "phone", "parts": "same", "where": "site", "idempotency_key": fresh_key()}
    typed |= {f"contact.{name}": str(known.get(name) or "") for name in _CONTACT}
    typed |= {f"equipment_address.{name}": str(known.get(name) or "") for name in _ADDRESS}
    if known.get("site_id"):
        typed["site_id"] = str(known["site_id"])
    elif known.get("address_line_1"):
        typed["where"] = "address"
    return Form(typed)


async def _form_page(
    request: web.Request, visitor: Visitor, start: _Start, form: Form, *, status: int = 200
) -> web.Response:
    """The form, with what covers the device and what is open for it already; parts that are away are left out."""
    sites, coverage, open_cases = await asyncio.gather(
        sites_of(request, visitor),
        _search(request, visitor, "/coverage", **{start.way: start.value}),
        _open_cases(request, visitor, start),
    )
    return render(
        "case_form.html",
        visitor=visitor,
        status=status,
        form=form if sites else form.having(where="address"),
        start=start,
        sites=sites or [],
        coverage=coverage or None,
        open_cases=open_cases,
    )


async def _open_cases(request: web.Request, visitor: Visitor, start: _Start) -> list[dict[str, Any]]:
    if start.way != "serial":
        return []
    query = {"serial": start.value, "status": "open", "limit": 5}
    answer = await panel(fetch(request, visitor, "cases", "/cases", query))
    return list(answer["items"]) if answer else []


@pages.post("/cases")
async def submit_case(request: web.Request) -> web.Response:
    """Submits the case; whatever has to be mended comes back with everything typed."""
    visitor = await signed_in(request)
    typed = await read_form(request)
    refuse_without_csrf(request, visitor, typed.get("csrf_token"))
    start = _start_of(typed)
    if start is None:
        return go("/cases/new")
    sent = await send(request, visitor, "cases", "POST", "/cases", body=_case_json(typed), headers=once(typed))
    if sent.problem is None:
        return go(f"/cases/{sent.content['number']}/created")
    form = refused(typed, sent.problem, (*_CASE.names, "where"))
    if sent.code == errors.IdempotencyKeyReused.code:
        form = _sent_before(form)
    return await _form_page(request, visitor, start, form, status=sent.status)


def _case_json(typed: Typed) -> dict[str, Any]:
    """What the radio buttons leave out does not count, whatever was typed there before."""
    without = ["equipment_address" if typed.get("where") != "address" else "site_id"]
    if typed.get("parts") != "other":
        without.append("parts_address")
    body = to_json(typed, _CASE, without=without)
    if "equipment_address" in without:
        # Sent even when nothing was chosen, so that the error stands at the list of sites.
        body.setdefault("site_id", "")
    return body


def _sent_before(form: Form) -> Form:
    """The first try arrived after all, though its answer was lost: a new key lets a changed form be another case."""
    sentence = "This form was sent before, and made a case. Look under “My cases”; sending it now creates another one."
    return Form({**form.typed, "idempotency_key": fresh_key()}, {}, (sentence,))


# Step 3: the confirmation


@pages.get("/cases/{number}/created")
async def created(request: web.Request) -> web.Response:
    """The number, what happens next, and all details."""
    visitor = await signed_in(request)
    case = await fetch(request, visitor, "cases", fill("/cases/{number}", number=request.match_info["number"]))
    return render("case_created.html", visitor=visitor, case=case)
