"""The company's administration: sites, users and invitations."""

import asyncio
import re
from dataclasses import replace

from aiohttp import web

from services.gateway import labels
from services.gateway.clients import fill
from services.gateway.fields import ADDRESS, Field, FormSpec
from services.gateway.forms import Form, FormData, refused, to_json
from services.gateway.messages import of_field
from services.gateway.pages.backend import Sent, ServiceRefusal, fetch_all, send
from services.gateway.pages.invited import (
    find_bouncing,
    find_news,
    find_news_of_users,
    invited_addresses,
    may_clear,
)
from services.gateway.pages.lists import ListPage, fetch_list
from services.gateway.pages.profile import sites_of
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import idempotency_header, new_idempotency_key, read_form, redirect
from services.gateway.pasted_addresses import addresses_in
from services.gateway.session import Visitor, signed_in
from services.gateway.texts import _, lazy
from shared.errors import IdempotencyKeyReused, NotFound
from shared.i18n import number
from shared.schemas.base import BODY_BYTES

pages = web.RouteTableDef()

SITE = FormSpec(
    (
        Field(
            "name",
            lazy("Name of the site"),
            hint=lazy("The name people use, such as “Lyon” or “Warehouse north”."),
            ask=lazy("Enter the name of the site."),
        ),
        *ADDRESS,
    )
)
SITES = ListPage(
    "/sites",
    columns={
        "name": lazy("Name"),
        "address": lazy("Address"),
        "city": lazy("City"),
        "country": lazy("Country"),
        "cases": lazy("Cases"),
    },
)
USERS = ListPage(
    "/users",
    columns={"name": lazy("Name"), "role": lazy("Role"), "sites": lazy("Sites"), "active": lazy("State")},
)
USERS_OF_VENDOR = replace(USERS, columns={**USERS.columns, "sites": lazy("Companies")})
INVITATIONS = FormSpec(
    (
        Field(
            "emails",
            lazy("E-mail addresses"),
            "area",
            rows=3,
            hint=lazy("One or many, with or without names. You can paste them from a mail program or a spreadsheet."),
            ask=lazy("Enter at least one e-mail address."),
        ),
        Field("role", lazy("Role"), "radios", choices=labels.role_choices, ask=lazy("Choose a role.")),
        Field("site_id", lazy("Limit to a site"), "select", optional=True, empty=lazy("All sites"), is_id=True),
    )
)
_DONE = {
    "added": lazy("The site is added."),
    "invited": lazy("The invitations are on their way by e-mail. They are valid for 7 days."),
    "resent": lazy("The invitation is sent again; the link in the older e-mail no longer works."),
    "undeliverable": lazy(
        "Not every e-mail can be delivered: a mail server has refused an address for good. See the list below."
    ),
    "cleared": lazy("E-mails go to this address again. What was not sent meanwhile is not sent later."),
    "revoked": lazy("The invitation is withdrawn; its link no longer works."),
}
_UNDELIVERABLE = "undeliverable"
_MOST_ADDRESSES = 100
_SHOWN_OF_ADDRESS = 100
_INVITED_FIELD = re.compile(r"invitations\.(\d+)\.(\w+)")


def _new(spec: FormSpec, **typed: str) -> Form:
    return Form(spec, {"idempotency_key": new_idempotency_key()} | typed)


def _ready_to_send(form: Form, sent: Sent) -> Form:
    """What was changed after it had been sent, as by the way back in the browser: it may be sent as another form."""
    if sent.code != IdempotencyKeyReused.code:
        return form
    sentence = _(
        "This form was sent before and has arrived: see the list. What you changed since was not sent. Please send it "
        "again."
    )
    return replace(form.with_values(idempotency_key=new_idempotency_key()), errors={}, general=(sentence,))


# Sites


async def _sites_page(request: web.Request, visitor: Visitor, form: Form, *, status: int = 200) -> web.Response:
    listing, listed = await fetch_list(request, visitor, "identity", "/sites", SITES.at(request.query))
    done = _DONE.get(request.query.get("done", ""))
    return render("sites.html", visitor=visitor, status=status, form=form, listing=listing, sites=listed, done=done)


@pages.get("/sites")
async def sites(request: web.Request) -> web.Response:
    """The company's locations, and the form to add one."""
    visitor = await signed_in(request)
    return await _sites_page(request, visitor, _new(SITE, company_name=visitor.user.company_name))


@pages.post("/sites")
async def add_site(request: web.Request) -> web.Response:
    """Adds a location."""
    visitor = await signed_in(request)
    typed = await read_form(request, visitor, at_most=BODY_BYTES)
    sent = await send(
        request, visitor, "identity", "POST", "/sites", body=to_json(typed, SITE), headers=idempotency_header(typed)
    )
    if sent.problem is not None:
        form = _ready_to_send(refused(SITE, typed, sent.problem), sent)
        return await _sites_page(request, visitor, form, status=sent.status)
    return redirect("/sites?done=added")


# Users and invitations


async def _users_page(request: web.Request, visitor: Visitor, form: Form, *, status: int = 200) -> web.Response:
    users_page = USERS_OF_VENDOR if visitor.is_of_vendor else USERS
    (listing, listed), invited, known_sites = await asyncio.gather(
        fetch_list(request, visitor, "identity", "/users", users_page.at(request.query)),
        fetch_all(request, visitor, "identity", "/invitations", {}),
        sites_of(request, visitor),
    )
    pending = [invitation for invitation in invited if invitation["state"] == "pending"]
    news, news_of_users = await asyncio.gather(
        find_news(request, visitor, [invitation["email"] for invitation in pending]),
        find_news_of_users(request, visitor, [user["email"] for user in listed["items"]]),
    )
    done = request.query.get("done", "")
    return render(
        "users.html",
        visitor=visitor,
        status=status,
        form=form,
        listing=listing,
        users=listed,
        pending=pending,
        news=news,
        news_of_users=news_of_users,
        may_clear=may_clear(visitor),
        sites=known_sites or [],
        site_names=dict(known_sites or []),
        done=_DONE.get(done),
        is_warning=done == _UNDELIVERABLE,
    )


@pages.get("/users")
async def users(request: web.Request) -> web.Response:
    """Who is in the company, who is invited, and the form to invite."""
    return await _users_page(request, await signed_in(request), _new(INVITATIONS, role="member"))


@pages.post("/users")
async def change_users(request: web.Request) -> web.Response:
    """Invites, sends an invitation again, withdraws it, or lets e-mails go to a bouncing address again."""
    visitor = await signed_in(request)
    typed = await read_form(request, visitor, at_most=BODY_BYTES)
    match typed.get("do"):
        case "resend":
            path = fill("/invitations/{id}/resend", id=typed.get("id", ""))
            sent, done = (
                await send(request, visitor, "identity", "POST", path, body={}, headers=idempotency_header(typed)),
                "resent",
            )
        case "revoke":
            path = fill("/invitations/{id}", id=typed.get("id", ""))
            sent, done = await send(request, visitor, "identity", "DELETE", path), "revoked"
        case "clear":
            sent, done = await _clear(request, visitor, typed.get("email", "")), "cleared"
        case _:
            sent, done = await _invite(request, visitor, typed), "invited"
    if sent.problem is not None:
        return await _users_page(request, visitor, _refused_invitations(typed, sent), status=sent.status)
    if done in {"invited", "resent"} and await find_bouncing(request, visitor, invited_addresses(sent)):
        done = _UNDELIVERABLE
    return redirect(f"/users?done={done}")


async def _clear(request: web.Request, visitor: Visitor, email: str) -> Sent:
    path = fill("/vendor/bouncing-addresses/{email}", email=email)
    try:
        return await send(request, visitor, "notifications", "DELETE", path)
    except ServiceRefusal as refusal:
        if refusal.status != NotFound.status:
            raise
        return Sent(204, {})  # it was cleared already, as by a second click


def _addresses(typed: FormData) -> list[str]:
    """As many as identity needs to see that there are too many."""
    return addresses_in(typed.get("emails", ""))[: _MOST_ADDRESSES + 1]


async def _invite(request: web.Request, visitor: Visitor, typed: FormData) -> Sent:
    chosen = to_json(typed, INVITATIONS, without=("emails",))
    body = {"invitations": [{"email": address} | chosen for address in _addresses(typed)]}
    return await send(
        request, visitor, "identity", "POST", "/invitations", body=body, headers=idempotency_header(typed)
    )


def _refused_invitations(typed: FormData, sent: Sent) -> Form:
    """The API names places in the list of addresses; the form says which addresses those are, each on a line."""
    addresses = _addresses(typed)
    if not addresses and "emails" in typed:
        return Form(INVITATIONS, typed, {"emails": _("Enter at least one e-mail address.")})
    problem = dict(sent.problem or {})
    errors = [_named(error, addresses) for error in problem.get("errors", ())]
    of_addresses = [error["message"] for error in errors if error["field"] == "emails"]
    problem["errors"] = [error for error in errors if error["field"] != "emails"]
    if of_addresses:
        problem["errors"].append({"field": "emails", "code": "address", "message": "\n".join(of_addresses)})
    shown = {"role": "member", "idempotency_key": new_idempotency_key()} | dict(typed)
    return _ready_to_send(refused(INVITATIONS, shown, problem), sent)


def _named(error: dict[str, str], addresses: list[str]) -> dict[str, str]:
    if error["field"] == "invitations" and error["code"] == "too_long":
        sentence = _("Enter at most %(count)s e-mail addresses.") % {"count": number(_MOST_ADDRESSES)}
        return error | {"field": "emails", "code": "address", "message": sentence}
    found = _INVITED_FIELD.fullmatch(error["field"])
    if found is None:
        return error
    if found[2] != "email":
        return error | {"field": found[2]}
    place = int(found[1])
    address = addresses[place] if place < len(addresses) else ""
    sentence = _("%(address)s: %(reason)s") % {"address": address[:_SHOWN_OF_ADDRESS], "reason": of_field(error)}
    return error | {"field": "emails", "code": "address", "message": sentence}
