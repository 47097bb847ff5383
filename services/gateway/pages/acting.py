"""Doing something with a case: each action has a page with its form, which scripts show in a dialog of the case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web
from yarl import URL

from services.gateway.clients import fill
from services.gateway.forms import Form, FormData
from services.gateway.pages.acting_choices import choices_for, colleague_of
from services.gateway.pages.action_bodies import Mistyped, at_fields, body_of, values_of
from services.gateway.pages.action_row import ActionRow
from services.gateway.pages.backend import Sent, ServiceRefusal, fetch, optional, send
from services.gateway.pages.case_actions import ACTIONS, allowed, row_of_entry
from services.gateway.pages.file_forms import refused_with_files
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import (
    LONG_FORM_BYTES,
    idempotency_header,
    local_path,
    new_idempotency_key,
    read_form,
    redirect,
)
from services.gateway.session import Visitor, signed_in
from services.gateway.texts import _
from shared import errors
from shared.web.app import CLOCK
from shared.zones import zone_of

pages = web.RouteTableDef()

QUEUE = "/queue"
_MOST_MEANWHILE = 5
_SHOWN, _REFUSED = 200, 422


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What has happened to the case since the visitor saw it, oldest first, and whether there is more."""

    entries: Sequence[Mapping[str, Any]] = ()
    has_more: bool = False


def path_of(number: str, action: str = "") -> str:
    """Of a case, or of what can be done with it, in its service."""
    return fill("/cases/{number}", number=number) + action


@pages.get("/cases/{number}/do/{action}")
async def form_page(request: web.Request) -> web.Response:
    """The form of an action, filled in with what the case says now; `?version=` is the one that was seen before."""
    visitor, row = await signed_in(request), _row_of(request)
    case = await fetch(request, visitor, "cases", path_of(request.match_info["number"]))
    seen = request.query.get("version", "")
    meanwhile = await _meanwhile_of(request, visitor, case, seen)
    now = request.app[CLOCK]()
    typed = values_of(row, case, zone_of(visitor.user.time_zone), now) | _own_fields(row)
    typed["next"] = request.query.get("next", "")
    return await _page(request, visitor, case, row, Form(row.form, typed), meanwhile=meanwhile)


@pages.post("/cases/{number}/do/{action}")
async def act(request: web.Request) -> web.Response:
    """Does it; what was refused comes back with everything typed, beside the current state."""
    visitor, row = await signed_in(request), _row_of(request)
    return await act_by_form(request, visitor, row, await read_form(request, visitor, at_most=LONG_FORM_BYTES))


def _row_of(request: web.Request) -> ActionRow:
    row = ACTIONS.get(request.match_info["action"])
    if row is None or not row.label:
        raise errors.NotFound
    return row


def _own_fields(row: ActionRow) -> dict[str, str]:
    return {"action": row.name, "idempotency_key": new_idempotency_key()}


async def act_by_form(request: web.Request, visitor: Visitor, row: ActionRow, typed: FormData) -> web.Response:
    """Does what the form of an action says, on whichever page it stood."""
    number = request.match_info["number"]
    zone = zone_of(visitor.user.time_zone)
    picked = typed.get("colleague_id", "") if typed.get("who") == "colleague" else ""
    try:
        body = body_of(row, typed, zone, await colleague_of(request, visitor, picked) if picked else None)
    except Mistyped as wrong:
        form = Form(row.form, {**typed, "action": row.name}, wrong.errors)
        return await _again(request, visitor, row, form, status=_REFUSED)
    path = ("/agent" if row.is_of_vendor else "") + path_of(number, "/actions")
    sent = await send(request, visitor, "cases", "POST", path, body=body, headers=idempotency_header(typed))
    if sent.problem is None:
        # If the case was like that already, it has the same version as before, and nothing was done.
        is_same = sent.content["number"] == number and str(sent.content.get("version")) == typed.get("version")
        queue = queue_of(typed, number) if sent.content["number"] == number else ""
        return redirect(seen_after(sent.content["number"], None if is_same else row, queue))
    return await _again(request, visitor, row, refused_action(row, typed, sent), status=sent.status)


async def _again(request: web.Request, visitor: Visitor, row: ActionRow, form: Form, *, status: int) -> web.Response:
    case = await fetch(request, visitor, "cases", path_of(request.match_info["number"]))
    meanwhile = await _meanwhile_of(request, visitor, case, form["version"])
    return await _page(request, visitor, case, row, form, status=status, meanwhile=meanwhile)


def seen_after(number: str, row: ActionRow | None, queue: str = "") -> str:
    """Where what was done is seen: in the queue, or on the page of the case, where a message stands at the end."""
    place = URL(queue or f"/cases/{number}")
    if row is None:
        return str(place)
    return str(place.update_query(done=row.name).with_fragment(None if row.label else "newest"))


def queue_of(typed: FormData, number: str) -> str:
    """The queue beside which the case was opened, with the case; empty for its own page."""
    place = local_path(typed.get("next"))
    return str(URL(place).update_query(case=number)) if is_queue(place) else ""


def is_queue(place: str) -> bool:
    """Whether an address is one of the agents' queues."""
    return place.split("?", 1)[0] == QUEUE


async def _meanwhile_of(request: web.Request, visitor: Visitor, case: Mapping[str, Any], seen: str) -> Meanwhile:
    """What has happened since a version that the visitor has seen; nothing where that is the current one."""
    if not (seen.isascii() and seen.isdigit() and len(seen) < len(str(2**53)) and int(seen) < case["version"]):
        return Meanwhile()
    query = {"since_version": seen, "limit": _MOST_MEANWHILE}
    try:
        page = await optional(fetch(request, visitor, "cases", path_of(case["number"], "/history"), query))
    except ServiceRefusal:
        return Meanwhile()
    return Meanwhile(page["items"], bool(page["next_cursor"])) if page else Meanwhile()


def refused_action(row: ActionRow, typed: FormData, sent: Sent) -> Form:
    """The form of an action with what is wrong."""
    return sendable_again(
        refused_with_files(row.form, {**typed, "action": row.name}, at_fields(sent.problem or {})), sent
    )


def sendable_again(form: Form, sent: Sent) -> Form:
    """A refused form; where the case or the key was what is wrong, a new key lets it be sent again."""
    match sent.code:
        case errors.StaleVersion.code:
            sentence = _(
                "Somebody changed this case in the meantime. You see it as it is now; what you typed is still there."
            )
        case errors.IdempotencyKeyReused.code:
            sentence = _("This was sent before and has arrived: see the history. If you send it again, it is repeated.")
        case _:
            return form
    return replace(form.with_values(idempotency_key=new_idempotency_key()), errors={}, general=(sentence,))


async def _page(
    request: web.Request,
    visitor: Visitor,
    case: Mapping[str, Any],
    row: ActionRow,
    form: Form,
    *,
    meanwhile: Meanwhile,
    status: int = _SHOWN,
) -> web.Response:
    """The form with the version as it is now, so that sending it again is a decision about the current state."""
    row = row.worded_for(case)
    is_allowed = row in allowed(case, by_vendor=visitor.is_of_vendor)
    choices = await choices_for(request, visitor, row, case) if is_allowed else {}
    return render(
        "case_action.html",
        visitor=visitor,
        status=status if is_allowed or status != _SHOWN else errors.Conflict.status,
        case=case,
        action=row,
        actions=ACTIONS,
        by_entry=row_of_entry,
        form=form.with_values(next=queue_of(form.typed, case["number"])),
        prefix=f"{row.name}-",
        choices=choices,
        is_allowed=is_allowed,
        meanwhile=meanwhile,
    )
