"""The columns of the list of cases, and which of them a person wants: kept in their browser for a year."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from services.gateway.cookies import COOKIES
from services.gateway.pages.requests import TYPED, local_path, read_pairs, redirect
from services.gateway.session import Visitor, refuse_cross_site, refuse_without_csrf, signed_in
from services.gateway.texts import lazy

pages = web.RouteTableDef()

_COOKIE = "portico_columns"
_A_YEAR_S = 365 * 24 * 3600
_KIND = r"(?:customer|vendor)(?:\.[a-z_]{1,20}){0,20}"
_SHAPE = re.compile(rf"{_KIND}(?:~{_KIND})?")
# By the name that the service sorts by. These two are what a row is known by, and always there.
ALWAYS = {"number": lazy("Case"), "title": lazy("Title and product")}
_CHOSEN = {
    "status": lazy("Status"),
    "severity": lazy("Severity"),
    "turn": lazy("Whose turn"),
    "product_name": lazy("Product"),
    "serial": lazy("Serial number"),
    "site_name": lazy("Site"),
    "company_name": lazy("Company"),
    "submitter": lazy("Submitted by"),
    "created_at": lazy("Created"),
    "updated_at": lazy("Updated"),
}


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one kind of reader: which there are, and which are shown where nobody has chosen any."""

    kind: str
    choices: Mapping[str, str]
    usual: tuple[str, ...]

    def labelled(self, chosen: tuple[str, ...]) -> dict[str, str]:
        """The labels of the columns that are shown, in their order."""
        return {**ALWAYS, **{name: label for name, label in self.choices.items() if name in chosen}}


# Whose case it is: for the customer a person, for the vendor a company first.
OF_CUSTOMER = Columns(
    "customer",
    {name: label for name, label in _CHOSEN.items() if name != "company_name"},
    ("status", "severity", "site_name", "submitter", "updated_at"),
)
OF_VENDOR = Columns("vendor", _CHOSEN, ("status", "severity", "site_name", "company_name", "updated_at"))


def columns_for(visitor: Visitor) -> Columns:
    """Those of the visitor's side."""
    return OF_VENDOR if visitor.is_of_vendor else OF_CUSTOMER


def chosen_columns(request: web.Request, visitor: Visitor) -> tuple[str, ...]:
    """The columns that this person has chosen, as far as there are such; else the usual ones."""
    columns = columns_for(visitor)
    kept = _kept(request).get(columns.kind)
    return columns.usual if kept is None else tuple(name for name in columns.choices if name in kept)


def _kept(request: web.Request) -> dict[str, list[str]]:
    cookie = request.app[COOKIES].read(request, _COOKIE, _SHAPE)
    kinds = [part.split(".") for part in cookie.split("~") if part]
    return {kind: names for kind, *names in kinds}


@pages.post("/cases/columns")
async def choose_columns(request: web.Request) -> web.Response:
    """Keeps the ticked columns in this browser, or forgets them (`usual`); returns to the list."""
    visitor = await signed_in(request)
    refuse_cross_site(request)
    pairs = await read_pairs(request)
    typed = request[TYPED] = dict(reversed(pairs))  # of a repeated field the first counts
    refuse_without_csrf(request, visitor, typed.get("csrf_token"))
    columns, kept = columns_for(visitor), _kept(request)
    ticked = {text for name, text in pairs if name == "column"}
    kept[columns.kind] = [name for name in columns.choices if name in ticked]
    if "usual" in typed:
        del kept[columns.kind]
    response = redirect(local_path(typed.get("next")))
    cookies = request.app[COOKIES]
    if kept:
        value = "~".join(".".join((kind, *names)) for kind, names in kept.items())
        cookies.keep(response, _COOKIE, value, max_age_s=_A_YEAR_S)
    else:
        cookies.forget(response, _COOKIE)
    return response


@pages.get("/cases/columns")
async def form_of_list(_request: web.Request) -> web.Response:
    """Its address, where it could not be sent."""
    return redirect("/cases")
