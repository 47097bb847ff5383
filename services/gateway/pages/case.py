"""One case: its history, its details, and what may be done with it."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from services.gateway.clients import fill
from services.gateway.forms import Form, FormData, Shape, to_json
from services.gateway.pages.backend import Sent, fetch, send
from services.gateway.pages.file_forms import limits_of, names_of_files, read_form_with_files, refused_with_files
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import idempotency_header, new_idempotency_key, redirect
from services.gateway.session import Visitor, signed_in
from services.gateway.texts import _, lazy
from shared import errors

pages = web.RouteTableDef()

_REFUSED = 422
_ACTIONS = {
    "comment": Shape(texts=("action", "text"), lists=("attachment_ids",)),
    "attach": Shape(texts=("action",), lists=("attachment_ids",)),
    "close": Shape(texts=("action", "reason"), numbers=("version",), flags=("resolved",)),
    "cancel": Shape(texts=("action", "reason"), numbers=("version",)),
    "reopen": Shape(texts=("action", "reason"), numbers=("version",)),
    "change_severity": Shape(texts=("action",), numbers=("version", "severity")),
}
_DONE = {
    "comment": lazy("Your comment is added."),
    "attach": lazy("Your files are added."),
    "close": lazy("The case is closed."),
    "cancel": lazy("The case is cancelled."),
    "reopen": lazy("The case is open again."),
    "change_severity": lazy("The severity is changed."),
}


async def _case_page(
    request: web.Request, visitor: Visitor, *, refused_form: Form | None = None, status: int = 200
) -> web.Response:
    before = request.query.get("before", "") if refused_form is None else ""
    case, limits, older = await asyncio.gather(
        fetch(request, visitor, "cases", _path(request)),
        limits_of(request, visitor),
        fetch(request, visitor, "cases", _path(request, "/history"), {"cursor": before}) if before else _nothing(),
    )
    forms = {action: _empty(action) for action in _ACTIONS}
    if refused_form is not None:
        # With the version as it is now, so that sending it again is a decision about the current state.
        forms[refused_form["action"]] = refused_form
    return render(
        "case.html",
        visitor=visitor,
        status=status,
        case=case,
        history=_history(case, older),
        forms=forms,
        limits=limits,
        refused=refused_form,
        refused_files=names_of_files(refused_form.typed) if refused_form else [],
        done=_DONE.get(request.query.get("done", "")),
    )


async def _nothing() -> None:
    """In place of what is not asked for."""


def _history(case: Mapping[str, Any], older: Mapping[str, Any] | None) -> dict[str, Any]:
    """The part of the history to show: what came with the case, or the older entries that were asked for."""
    entries = case["history"]
    shown = {
        "items": entries,
        "next_cursor": case.get("history_cursor"),
        "total": case.get("history_total", len(entries)),
    }
    return {**(older or shown), "is_newest": older is None}


def _empty(action: str) -> Form:
    return Form({"action": action, "idempotency_key": new_idempotency_key(), "upload_key": new_idempotency_key()})


def _path(request: web.Request, action: str = "") -> str:
    return fill("/cases/{number}", number=request.match_info["number"]) + action


@pages.get("/cases/{number}")
async def case(request: web.Request) -> web.Response:
    """Header, history, details, and the actions that the services allow this visitor."""
    return await _case_page(request, await signed_in(request))


@pages.post("/cases/{number}")
async def act_on_case(request: web.Request) -> web.Response:
    """Does one action; what was refused comes back with everything typed, beside the current state."""
    visitor = await signed_in(request)
    posted = await read_form_with_files(request, visitor)
    typed = posted.typed
    action = _action(typed)
    if action not in _ACTIONS:
        raise errors.Invalid(_("This cannot be done with a case."))
    if posted.refused:
        return await _case_page(request, visitor, refused_form=posted.form, status=_REFUSED)
    body = to_json({**typed, "action": action}, _ACTIONS[action])
    sent = await send(
        request, visitor, "cases", "POST", _path(request, "/actions"), body=body, headers=idempotency_header(typed)
    )
    if sent.problem is None:
        return redirect(f"/cases/{sent.content['number']}?done={action}")
    return await _case_page(request, visitor, refused_form=_refused_action(action, typed, sent), status=sent.status)


def _action(typed: FormData) -> str:
    """Files go without a word too."""
    action = typed.get("action", "")
    is_wordless = action == "comment" and typed.get("attachment_ids") and not typed.get("text", "").strip()
    return "attach" if is_wordless else action


def _refused_action(action: str, typed: FormData, sent: Sent) -> Form:
    form = refused_with_files(typed, sent.problem or {}, _ACTIONS[action].names, tag=action)
    match sent.code:
        case errors.StaleVersion.code:
            sentence = _(
                "Somebody changed this case in the meantime. You see it as it is now; what you typed is still there."
            )
        case errors.IdempotencyKeyReused.code:
            sentence = _("This was sent before and has arrived: see the history. Sending it now does it once more.")
        case _:
            return form
    return replace(form.with_values(idempotency_key=new_idempotency_key()), errors={}, general=(sentence,))
