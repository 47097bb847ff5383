"""For whom a case is created: oneself, a colleague, or on the vendor's side a user of any company."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web
from yarl import URL

from services.gateway.clients import fill
from services.gateway.forms import Form, FormData
from services.gateway.pages.backend import ServiceRefusal, fetch, optional
from services.gateway.pages.lists import PAGE_SIZE, ListPage, ListState, fetch_list
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import redirect
from services.gateway.session import Visitor, signed_in
from services.gateway.texts import _
from shared import errors
from shared.actor import Role
from shared.text import isolated

pages = web.RouteTableDef()

_CHOICE = "/cases/new/for"
# What a case is about, as far as it was said before.
_CARRIED = ("serial", "said", "product_number", "q")
_PEOPLE = ListPage(_CHOICE, columns={}, filters=dict.fromkeys(("company_id", *_CARRIED, "name", "gone"), ""))
_MOST_CHOICES = 200
_LONGEST_ID = 100  # longer than any is: it becomes part of a path
_NAMING = ("submitter_id", "submitter_name", "company_id")


@dataclass(frozen=True, slots=True)
class ForWhom:
    """The submitter of a case. Without an id it is the visitor, who on the vendor's side has to name one."""

    id: str = ""
    name: str = ""
    company_id: str = ""
    person: Mapping[str, Any] = field(default_factory=dict)  # as identity knows them; empty while it is away
    is_gone: bool = False  # not active any more, or not the visitor's to name

    @property
    def query(self) -> dict[str, str]:
        """As pages of the form name the submitter."""
        return {"submitter_id": self.id} if self.id else {}

    @property
    def of_company(self) -> dict[str, str]:
        """As services are told whose things are meant; nothing for the visitor's own company."""
        return {"company_id": self.company_id} if self.company_id else {}


def may_create_for_others(visitor: Visitor) -> bool:
    """Whether there is a choice."""
    return visitor.user.role is not Role.MEMBER


def choice_url(typed: Mapping[str, str], **more: str) -> str:
    """The page on which to choose, which leads back to what the case is about."""
    query = {name: text for name in ("company_id", *_CARRIED) if (text := typed.get(name, "").strip())}
    return str(URL(_CHOICE).with_query({**query, **more}))


async def whom_of_address(request: web.Request, visitor: Visitor) -> ForWhom | None:
    """Who is named in the address; None where somebody has to be chosen, because nobody is, or they are gone."""
    submitter_id = _named(visitor, request.query)
    if not submitter_id:
        return None if visitor.is_of_vendor else ForWhom()
    try:
        return _known(await fetch(request, visitor, "identity", fill("/submitters/{id}", id=submitter_id)))
    except ServiceRefusal as refusal:
        if refusal.status != errors.NotFound.status:
            raise
        return None


async def whom_of_form(request: web.Request, visitor: Visitor, typed: FormData) -> ForWhom:
    """Who is named in a form that is shown again, whatever became of them meanwhile."""
    whom = ForWhom(_named(visitor, typed), typed.get("submitter_name", ""), typed.get("company_id", "").strip())
    if not whom.id:
        return whom
    try:
        found = await optional(fetch(request, visitor, "identity", fill("/submitters/{id}", id=whom.id)))
    except ServiceRefusal as refusal:
        if refusal.status not in {errors.NotFound.status, errors.Forbidden.status}:
            raise
        return replace(whom, is_gone=True)
    return whom if found is None else _known(found)


def _named(visitor: Visitor, typed: Mapping[str, str]) -> str:
    submitter_id = typed.get("submitter_id", "").strip()[:_LONGEST_ID]
    return "" if submitter_id == str(visitor.user.id) else submitter_id


def _known(person: Mapping[str, Any]) -> ForWhom:
    return ForWhom(str(person["id"]), str(person["name"]), str(person["company_id"]), person)


def explained(form: Form, whom: ForWhom) -> Form:
    """The form with a sentence at the submitter that says what to do, where cases does not know them."""
    if "submitter_id" not in form.errors or not whom.id:
        return form
    if whom.is_gone:
        sentence = _(
            "%(name)s is not an active user of the company any more. Please choose somebody else; what you typed is "
            "still there."
        )
    elif whom.person:
        sentence = _("%(name)s has joined only just now. Please send the form again in a moment.")
    else:
        return form
    return replace(form, errors={**form.errors, "submitter_id": sentence % {"name": whom.name or _("This person")}})


async def choices_in_place_of(request: web.Request, visitor: Visitor, whom: ForWhom) -> list[tuple[str, str]]:
    """Whom to choose instead, for a form that has to stay as it is; the first 200 of a large company."""
    if visitor.is_of_vendor and not whom.company_id:
        return []
    query = {**whom.of_company, "sort": "name", "limit": _MOST_CHOICES, "total": "false"}
    try:
        found = await optional(fetch(request, visitor, "identity", "/submitters", query))
    except ServiceRefusal:
        return []
    people = found["items"] if found else []
    return [(str(person["id"]), f"{isolated(person['name'])} · {person['email']}") for person in people]


def without_whom(typed: FormData) -> FormData:
    """The same form for oneself."""
    return {name: text for name, text in typed.items() if name not in _NAMING}


# Choosing


@pages.get(_CHOICE)
async def choose(request: web.Request) -> web.Response:
    """On the vendor's side first the company; then one of its active users, found by name or address."""
    visitor = await signed_in(request)
    listing = _PEOPLE.at(request.query)
    if visitor.is_of_vendor and "company_id" not in listing.wanted:
        path = "/vendor/companies"
        listing, found = await fetch_list(request, visitor, "identity", path, listing, query=_searched)
        return _choice_page(visitor, listing, found, company=None)
    of_company = {"company_id": listing.wanted["company_id"]} if visitor.is_of_vendor else {}
    try:
        listing, found = await fetch_list(
            request, visitor, "identity", "/submitters", listing, query=lambda state: _searched(state) | of_company
        )
    except ServiceRefusal as refusal:
        if visitor.is_of_vendor and refusal.status in {errors.NotFound.status, errors.Invalid.status}:
            return redirect(listing.url(company_id="", name=""))
        raise
    return _choice_page(visitor, listing, found, company=await _company_of(request, visitor, listing))


def _searched(listing: ListState) -> dict[str, str]:
    query = {"sort": "name", "limit": str(PAGE_SIZE), "q": listing.wanted.get("name", "")}
    return query | ({"cursor": listing.cursor} if listing.cursor else {})


async def _company_of(request: web.Request, visitor: Visitor, listing: ListState) -> Mapping[str, Any] | None:
    """The company that somebody of the vendor has chosen."""
    if not visitor.is_of_vendor:
        return None
    path = fill("/vendor/companies/{id}", id=listing.wanted["company_id"])
    found: Mapping[str, Any] = await fetch(request, visitor, "identity", path)
    return found


def _choice_page(
    visitor: Visitor, listing: ListState, found: Mapping[str, Any], *, company: Mapping[str, Any] | None
) -> web.Response:
    carried = {name: listing.wanted[name] for name in _CARRIED if name in listing.wanted}
    is_company = visitor.is_of_vendor and company is None
    return render(
        "case_for.html",
        visitor=visitor,
        listing=listing,
        found=found,
        company=company,
        is_company=is_company,
        carried=carried | ({"company_id": company["id"]} if company else {}),
        urls=_urls(visitor, listing, found["items"], carried, is_company=is_company),
        own_url="" if visitor.is_of_vendor else str(URL("/cases/new").with_query(carried)),
    )


def _urls(
    visitor: Visitor,
    listing: ListState,
    items: Sequence[Mapping[str, Any]],
    carried: Mapping[str, str],
    *,
    is_company: bool,
) -> dict[str, str]:
    """Where each choice leads, by its id."""
    if is_company:
        return {item["id"]: listing.url(company_id=item["id"], name="", gone="") for item in items}
    # Whoever chooses themselves is named by nothing.
    named = {item["id"]: {} if item["id"] == str(visitor.user.id) else {"submitter_id": item["id"]} for item in items}
    return {item_id: str(URL("/cases/new").with_query({**carried, **whom})) for item_id, whom in named.items()}
