"""The agents' workspace: their queues, a list of cases, and beside it the case that is worked on."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web
from yarl import URL

from services.gateway.clients import fill
from services.gateway.forms import Form
from services.gateway.messages import of_problem
from services.gateway.pages.acting import QUEUE, is_queue, sendable_again
from services.gateway.pages.answering import ANSWER, NOTE, REPLY, SENT, UNSENT, at_fields, body_of, empty_answer
from services.gateway.pages.backend import ServiceRefusal, fetch, nothing, optional, send
from services.gateway.pages.case import case_page, case_parts
from services.gateway.pages.case_actions import ACTIONS
from services.gateway.pages.file_forms import read_form_with_files, refused_with_files
from services.gateway.pages.finding import number_in
from services.gateway.pages.lists import ListPage, ListState, companies_in_sight, fetch_list
from services.gateway.pages.queue_rows import pressing
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import asked_for, idempotency_header, new_idempotency_key, read_form, redirect
from services.gateway.session import Visitor, signed_in
from services.gateway.texts import _, lazy
from shared import errors
from shared.text import isolated
from shared.web.app import CLOCK
from shared.zones import zone_of

pages = web.RouteTableDef()

_ROWS = 25
_SHOWN, _REFUSED = 200, 422
_FIRST_QUEUE = "mine"


@dataclass(frozen=True)
class QueueOfPage:
    """What the page says of an empty queue, and the order where nobody asks for another."""

    empty: str
    order: str = "created_at"


# As in labels.queues.
QUEUES: Mapping[str, QueueOfPage] = {
    "unassigned": QueueOfPage(lazy("Every case has somebody who looks after it.")),
    "mine": QueueOfPage(lazy("You look after no case now.")),
    "replied": QueueOfPage(lazy("You have answered everybody."), "unanswered"),
    "first_answers": QueueOfPage(lazy("No first answer is due."), "first_answer"),
    "callbacks": QueueOfPage(lazy("Nobody waits for a call."), "callback"),
    "escalations": QueueOfPage(lazy("No case is escalated."), "-escalation"),
    "waiting_parts": QueueOfPage(lazy("No case is waiting for parts.")),
    "open": QueueOfPage(lazy("No case is open.")),
}
ORDERS = {
    "created_at": lazy("Oldest case first"),
    "-created_at": lazy("Newest case first"),
    "-updated_at": lazy("Newest change first"),
    "turn": lazy("Longest wait first"),
    "severity": lazy("Most severe first"),
    "first_answer": lazy("First answer due first"),
    "unanswered": lazy("Longest unanswered first"),
    "callback": lazy("Callbacks by time"),
    "-escalation": lazy("Undecided escalations first"),
}
# What a row shows at its end: the time that the list is sorted by, else since when it is somebody's turn.
_TIMES = {
    "created_at": ("created_at", lazy("Created:")),
    "-created_at": ("created_at", lazy("Created:")),
    "-updated_at": ("updated_at", lazy("Changed:")),
    "unanswered": ("unanswered_since", lazy("Replied:")),
}
_TURN_TIME = ("turn_since", lazy("Waiting for:"))
_OF_EVERY_QUEUE = ("created_at", "-created_at", "-updated_at", "turn", "severity")
_LIST = ListPage(
    QUEUE,
    columns={},
    filters={
        "company_id": lazy("Company"),
        "severity": lazy("Severity"),
        "pin": lazy("PIN"),
        "turn": lazy("Whose turn"),
        "q": lazy("Words"),
    },
)
TURNS = {"vendor": lazy("Ours"), "customer": lazy("The customer’s")}


@pages.get(QUEUE)
async def show_queue(request: web.Request) -> web.Response:
    """A queue, with the case that the address names."""
    return await _queue_page(request, await signed_in(request), request.query)


@pages.get("/cases/{number}/answer")
@pages.get("/cases/{number}/take")
async def back_to_case(request: web.Request) -> web.Response:
    """The addresses of two forms have no page: who comes to one, as after choosing another language, gets the case."""
    return redirect(fill("/cases/{number}", number=request.match_info["number"]))


@pages.post("/cases/{number}/answer")
async def answer(request: web.Request) -> web.Response:
    """Sends an answer, closes with it, or keeps a note; what was refused comes back where it was written."""
    visitor = await signed_in(request)
    posted = await read_form_with_files(request, visitor)
    typed = posted.typed
    if posted.refused:
        return await _written(request, visitor, posted.form(ANSWER), status=_REFUSED)
    body = body_of(typed)
    sent = await send(
        request, visitor, "cases", "POST", _actions(request), body=body, headers=idempotency_header(typed)
    )
    if sent.problem is None:
        return redirect(_back_to(request, typed.get("next", ""), done=body["action"]))
    form = sendable_again(refused_with_files(ANSWER, typed, at_fields(sent.problem)), sent)
    return await _written(request, visitor, form, status=sent.status)


@pages.post("/cases/{number}/take")
async def take(request: web.Request) -> web.Response:
    """The agent looks after the case from now on; whoever was faster is named."""
    visitor = await signed_in(request)
    typed = await read_form(request, visitor)
    sent = await send(
        request, visitor, "cases", "POST", _actions(request), body={"action": "take"}, headers=idempotency_header(typed)
    )
    place = typed.get("next", "")
    if sent.problem is None:
        return redirect(_back_to(request, place, done="take"))
    name = (sent.problem.get("current") or {}).get("assignee")
    taken = _("%(name)s has taken this case in the meantime.") % {"name": isolated(str(name))}
    trouble = taken if sent.code == "already_taken" else of_problem(sent.problem)
    return await _queue_page(request, visitor, _query_of(request, place), trouble=trouble, status=sent.status)


def _actions(request: web.Request) -> str:
    return fill("/agent/cases/{number}/actions", number=request.match_info["number"])


def _query_of(request: web.Request, place: str) -> Mapping[str, str]:
    """The query of the queue in which something was written, with the case that it was written to."""
    query = URL(place).query if is_queue(place) else {}
    return {**query, "case": request.match_info["number"]}


def _back_to(request: web.Request, place: str, *, done: str) -> str:
    """Where it was written: in a queue, or on the page of the case."""
    is_message = done in (REPLY, NOTE)
    at = (
        URL(QUEUE).with_query({**_query_of(request, place), "done": done})
        if is_queue(place)
        else URL(fill("/cases/{number}", number=request.match_info["number"])).with_query({"done": done})
    )
    return str(at.with_fragment("newest") if is_message else at)


async def _written(request: web.Request, visitor: Visitor, form: Form, *, status: int) -> web.Response:
    place = form["next"]
    if not is_queue(place):
        return await case_page(request, visitor, answer=form, status=status)
    return await _queue_page(request, visitor, _query_of(request, place), answer=form, status=status)


async def _queue_page(
    request: web.Request,
    visitor: Visitor,
    query: Mapping[str, str],
    *,
    answer: Form | None = None,
    trouble: str = "",
    status: int = _SHOWN,
) -> web.Response:
    asked = _asked(query)
    number = number_in(query.get("case", ""))
    (listing, rows), counts, parts = await asyncio.gather(
        fetch_list(
            request,
            visitor,
            "cases",
            "/agent/cases",
            asked,
            query=lambda listing: {**listing.query, "limit": str(_ROWS)},
        ),
        _counts(request, visitor),
        case_parts(request, visitor, number) if number else nothing(),
    )
    # An older version of cases may not know the queue and refuse it: the list leaves it out, the page still needs it.
    queue, now = asked.wanted["queue"], request.app[CLOCK]()
    listing = replace(listing, wanted={"queue": queue, **listing.wanted})
    order = listing.wanted.get("sort", QUEUES[queue].order)
    zone = zone_of(visitor.user.time_zone)
    chosen: dict[str, Any] = parts or {"case": None}
    if parts:
        chosen["answer"] = answer or empty_answer(parts["case"])
        chosen["key"] = new_idempotency_key()
    return render(
        "queue.html",
        visitor=visitor,
        status=status,
        empty=QUEUES[queue].empty,
        queue_counts=counts,
        listing=listing,
        here_now=_place_of(listing),
        rows=rows,
        pressing={row["number"]: pressing(row, zone, now) for row in rows["items"]},
        companies=companies_in_sight([*rows["items"], *([parts["case"]] if parts else [])], listing),
        orders={order: ORDERS[order] for order in (QUEUES[queue].order, *_OF_EVERY_QUEUE)},
        order=order,
        time=_TIMES.get(order, _TURN_TIME),
        turns=TURNS,
        answered=SENT.get(query.get("done", "")),
        unsent=UNSENT,
        trouble=trouble,
        done=ACTIONS.get(query.get("done", "")),
        **chosen,
    )


def _asked(query: Mapping[str, str]) -> ListState:
    asked, queue = _LIST.at(query), asked_for(query, "queue")
    if queue and queue not in QUEUES:
        asked = replace(asked, ignored={"queue": queue}, errors={"queue": _("There is no such queue.")})
    return replace(asked, wanted={"queue": queue if queue in QUEUES else _FIRST_QUEUE, **asked.wanted})


async def _counts(request: web.Request, visitor: Visitor) -> dict[str, Mapping[str, Any]]:
    """How many cases are in each queue; none while that cannot be told. An older version of cases has no counts."""
    try:
        found = await optional(fetch(request, visitor, "cases", "/agent/queues"))
    except ServiceRefusal as refusal:
        if refusal.status != errors.NotFound.status:
            raise
        return {}
    return {item["queue"]: item for item in found["items"]} if found else {}


def _place_of(listing: ListState) -> str:
    """The address of this part of the list, which leads back to it."""
    if listing.is_first:
        return listing.url()
    return listing.url(cursor=listing.cursor, before=".".join(listing.before))
