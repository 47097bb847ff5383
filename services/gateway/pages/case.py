"""One case: its history, its details, and what may be done with it."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from services.gateway.clients import fill
from services.gateway.forms import Form, FormData, to_json
from services.gateway.pages.acting import act_by_form, path_of, refused_action, seen_after
from services.gateway.pages.action_row import ActionRow
from services.gateway.pages.answering import SENT, UNSENT, empty_answer
from services.gateway.pages.backend import download, fetch, nothing, send
from services.gateway.pages.case_actions import ACTIONS, menu, row_of_entry
from services.gateway.pages.conversation import Conversation
from services.gateway.pages.file_forms import limits_of, names_of_files, read_form_with_files
from services.gateway.pages.marks import VISITS
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import idempotency_header, new_idempotency_key, redirect
from services.gateway.pages.same_device import Row, find_same_device
from services.gateway.pages.told import find_told
from services.gateway.session import Visitor, signed_in
from shared import errors

pages = web.RouteTableDef()

_REFUSED = 422


async def case_page(
    request: web.Request,
    visitor: Visitor,
    *,
    refused_form: Form | None = None,
    answer: Form | None = None,
    status: int = 200,
) -> web.Response:
    """A case by its number in the path, with the form that was refused: of an action, or an agent's answer."""
    query = request.query if request.method == "GET" else {}
    number = request.match_info["number"]
    only_messages = query.get("show") == "messages"
    parts, told = await asyncio.gather(
        case_parts(request, visitor, number, before=query.get("before", ""), only_messages=only_messages),
        find_told(request, visitor, number),
    )
    return render(
        "case.html",
        visitor=visitor,
        status=status,
        forms={"comment": refused_form or _empty("comment")},
        answer=answer or empty_answer(parts["case"]),
        answered=SENT.get(query.get("done", "")),
        unsent=UNSENT,
        refused=refused_form,
        refused_files=names_of_files(refused_form.typed) if refused_form else [],
        done=ACTIONS.get(query.get("done", "")),
        told=told,
        **parts,
    )


async def case_parts(
    request: web.Request, visitor: Visitor, number: str, *, before: str = "", only_messages: bool = False
) -> dict[str, Any]:
    """What the templates show of a case, with its newest history, or with the part before a cursor."""
    path = path_of(number)
    (case, same_device), limits, older = await asyncio.gather(
        _case_and_device(request, visitor, path),
        limits_of(request, visitor),
        fetch(request, visitor, "cases", f"{path}/history", {"cursor": before}) if before else nothing(),
    )
    if not before:
        request.app[VISITS].remember(request, visitor, case)
    return {
        "case": case,
        "talk": Conversation.of(case, older, only_messages=only_messages),
        "menu": menu(case, by_vendor=visitor.is_of_vendor),
        "actions": ACTIONS,
        "by_entry": row_of_entry,
        "limits": limits,
        "same_device": same_device,
    }


async def _case_and_device(request: web.Request, visitor: Visitor, path: str) -> tuple[dict[str, Any], Sequence[Row]]:
    case = await fetch(request, visitor, "cases", path)
    return case, await find_same_device(request, visitor, case)


def _empty(action: str) -> Form:
    keys = {"idempotency_key": new_idempotency_key(), "upload_key": new_idempotency_key()}
    return Form(ACTIONS[action].form, {"action": action} | keys)


def _path(request: web.Request, action: str = "") -> str:
    return path_of(request.match_info["number"], action)


@pages.get("/cases/{number}")
async def case(request: web.Request) -> web.Response:
    """Header, history, details, and the actions that the services allow this visitor."""
    return await case_page(request, await signed_in(request))


@pages.get("/cases/{number}/files/{id}")
async def file_of_case(request: web.Request) -> web.StreamResponse:
    """A file on its way to the browser; why there is none is said on a page. A page shows it `?as=picture`."""
    visitor = await signed_in(request)
    query = {"as": "picture"} if request.query.get("as") == "picture" else None
    return await download(request, visitor, "cases", fill("/attachments/{id}", id=request.match_info["id"]), query)


@pages.post("/cases/{number}")
async def act_on_case(request: web.Request) -> web.Response:
    """Does one action; what was refused comes back with everything typed, beside the current state."""
    visitor = await signed_in(request)
    posted = await read_form_with_files(request, visitor)
    typed = posted.typed
    row = ACTIONS.get(typed.get("action", ""))
    if row is None:
        raise errors.Invalid("This cannot be done with a case.", params={"reason": "action"})
    if row.label:
        # From a page of an older version, which had the forms of all actions within.
        return await act_by_form(request, visitor, row, typed)
    if posted.refused:
        return await case_page(request, visitor, refused_form=posted.form(row.form), status=_REFUSED)
    action = _without_text(typed) or row
    body, key = to_json({**typed, "action": action.name}, action.form), idempotency_header(typed)
    sent = await send(request, visitor, "cases", "POST", _path(request, "/actions"), body=body, headers=key)
    if sent.problem is None:
        return redirect(seen_after(sent.content["number"], action))
    return await case_page(request, visitor, refused_form=refused_action(row, typed, sent), status=sent.status)


def _without_text(typed: FormData) -> ActionRow | None:
    """What a comment of files alone is; None for anything else."""
    is_files_alone = typed["action"] == "comment" and typed.get("attachment_ids") and not typed.get("text", "").strip()
    return ACTIONS["attach"] if is_files_alone else None
