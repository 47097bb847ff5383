"""HTTP of cases: parse, call, answer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import Any

from aiohttp import web

from services.cases.attachments.api import POLICY, QUOTAS
from services.cases.attachments.store import files
from services.cases.cases import store, views
from services.cases.cases.domain.actions import refuse_unless_vendor
from services.cases.cases.domain.case import Case
from services.cases.cases.domain.numbers import read_case_number
from services.cases.cases.domain.values import Change
from services.cases.cases.handlers import actions, follow_ups, pins, submission, turn_times
from services.cases.copies import agents
from shared.actor import Actor
from shared.case_passes import sign_pass
from shared.idempotency import IdempotencyKey
from shared.paging import Page
from shared.rows import Kept
from shared.schemas.base import ListQuery, Request
from shared.schemas.case_actions import AgentAction, AgentActionUnion, CaseAction, CaseActionUnion, FollowUpAction
from shared.schemas.cases import AgentCaseQuery, CasePassAnswer, CaseQuery, HistoryQuery, SubmitCase, VisitCase
from shared.schemas.turn_times import TurnTimesQuery
from shared.web.app import CLOCK, DATABASE
from shared.web.requests import actor_of, idempotency_key_of, read_body, read_query
from shared.web.responses import answer

NUMBERS = web.AppKey("numbers", store.CaseNumbers)
PASS_KEY = web.AppKey("pass_key", bytes)
# Of sites more than are shown: those without a site are among them, and of equal ones the page names the first.
_SHOWN_AT_START, _SITES_AT_START = 5, 20

routes = web.RouteTableDef()


@routes.post("/cases")
async def submit_case(request: web.Request) -> web.Response:
    """201 with the new case, or with the one that the same key has created before."""
    actor = actor_of(request)
    body = await read_body(request, SubmitCase)
    case, history = await submission.submit_case(
        request.app[DATABASE],
        request.app[NUMBERS],
        actor,
        body,
        limits=request.app[POLICY].limits,
        quota=request.app[QUOTAS].cases,
        key=await idempotency_key_of(request, actor),
        now=(now := request.app[CLOCK]()),
    )
    # A case that was created just now has no marks yet; one that the same key has created before is older.
    mark = store.NO_MARK if case.created_at == now else await _mark(request, actor, case)
    return await _answer_with(request, actor, case, history, mark, status=201)


@routes.get("/cases")
async def list_cases(request: web.Request) -> web.Response:
    """One page of the cases that the actor may see."""
    actor = actor_of(request)
    db, query = request.app[DATABASE], read_query(request, CaseQuery)
    page = await store.find_cases(db, actor, query)
    rows, groups = await asyncio.gather(_rows(request, actor, page), store.find_groups(db, actor, query, page))
    return answer({**rows, "groups": [asdict(group) for group in groups]})


@routes.get("/cases/facets")
async def count_cases(request: web.Request) -> web.Response:
    """Counts by status, severity and site under the same filters."""
    actor, query = actor_of(request), read_query(request, CaseQuery)
    store.read_order(query.sort)
    counts = await store.count_cases(request.app[DATABASE], actor, query)
    return answer(views.counts(counts))


@routes.get("/cases/turn-times")
async def show_turn_times(request: web.Request) -> web.Response:
    """For how long each side had its turn, by site."""
    actor, query = actor_of(request), read_query(request, TurnTimesQuery)
    now = request.app[CLOCK]()
    return answer(views.turn_times(await turn_times.report_turn_times(request.app[DATABASE], actor, query, now=now)))


@routes.get("/start")
async def show_start(request: web.Request) -> web.Response:
    """What everybody's first page shows: some cases that wait, other recent ones, and counts of the open ones."""
    actor, db = actor_of(request), request.app[DATABASE]
    waiting, recent, counts = await asyncio.gather(
        store.find_waiting(db, actor, limit=_SHOWN_AT_START),
        # As many of them may wait as are shown.
        store.find_cases(db, actor, CaseQuery(view="recent", limit=2 * _SHOWN_AT_START, total=False)),
        store.count_cases(db, actor, CaseQuery(status="open"), most_sites=_SITES_AT_START),
    )
    shown = {case["_id"] for case in waiting.documents}
    others = [case for case in recent.documents if case["_id"] not in shown][:_SHOWN_AT_START]
    recent = replace(recent, documents=others)
    waits, lately = await asyncio.gather(
        _rows(request, actor, waiting, views.waiting_row), _rows(request, actor, recent)
    )
    return answer({"waiting": waits, "recent": lately, "counts": views.counts(counts.of_open)})


@routes.get("/cases/{number}")
async def show_case(request: web.Request) -> web.Response:
    """The whole case."""
    actor = actor_of(request)
    return await _detail(request, actor, read_case_number(request.match_info["number"]))


@routes.get("/cases/{number}/history")
async def show_history(request: web.Request) -> web.Response:
    """Entries that are older than those which come with the case, or newer than a version of it."""
    actor, db = actor_of(request), request.app[DATABASE]
    number, query = read_case_number(request.match_info["number"]), read_query(request, HistoryQuery)
    history = await store.get_history(db, actor, number, query)
    states = await files.find_states(db, views.file_ids(history.entries))
    return answer(views.history_page(history.entries, states, cursor=history.cursor, total=history.total))


@routes.get("/cases/{number}/pass")
async def give_pass(request: web.Request) -> web.Response:
    """For other services: that the actor sees the case. The gateway has no row for it."""
    actor, number = actor_of(request), read_case_number(request.match_info["number"])
    granted = await store.get_pass(request.app[DATABASE], actor, number)
    token = sign_pass(granted, key=request.app[PASS_KEY], now=request.app[CLOCK]())
    return answer(CasePassAnswer(token=token))


@routes.put("/cases/{number}/favourite")
async def add_favourite(request: web.Request) -> web.Response:
    """204; a case that is one of the actor's favourites already stays one."""
    number = read_case_number(request.match_info["number"])
    await store.add_favourite(request.app[DATABASE], actor_of(request), number, request.app[CLOCK]())
    return web.Response(status=204)


@routes.delete("/cases/{number}/favourite")
async def remove_favourite(request: web.Request) -> web.Response:
    """204, also for a case that is none of the actor's favourites."""
    number = read_case_number(request.match_info["number"])
    await store.remove_favourite(request.app[DATABASE], actor_of(request), number, request.app[CLOCK]())
    return web.Response(status=204)


@routes.put("/cases/{number}/visit")
async def visit(request: web.Request) -> web.Response:
    """204; what has happened so far is not new to the actor any more."""
    actor, number = actor_of(request), read_case_number(request.match_info["number"])
    body = await read_body(request, VisitCase)
    await store.record_visit(request.app[DATABASE], actor, number, body.seen_until, request.app[CLOCK]())
    return web.Response(status=204)


@routes.post("/cases/{number}/actions")
async def act(request: web.Request) -> web.Response:
    """Does an action that both sides have; 201 with the new case for a follow-up."""
    number, body = read_case_number(request.match_info["number"]), (await read_body(request, CaseAction)).root
    if not isinstance(body, FollowUpAction):
        return await _act(request, number, body, actions.act)
    change = await _change(request, number)
    quota = request.app[QUOTAS].cases
    case, history = await follow_ups.follow_up(
        request.app[DATABASE], request.app[NUMBERS], number, body, change, quota=quota
    )
    # Who has just followed up the old case sees it, so the link needs no look.
    mark = await _mark(request, change.by, case)
    return await _answer_with(request, change.by, case, history, mark, links=store.Links(number), status=201)


@routes.get("/agent/cases")
async def list_queue(request: web.Request) -> web.Response:
    """One page of an agents' queue."""
    actor = actor_of(request)
    refuse_unless_vendor(actor)
    page = await store.find_queue(request.app[DATABASE], actor, read_query(request, AgentCaseQuery))
    return answer(await _rows(request, actor, page))


@routes.get("/agent/queues")
async def count_queues(request: web.Request) -> web.Response:
    """How many cases are in each queue of this agent."""
    actor = actor_of(request)
    refuse_unless_vendor(actor)
    read_query(request, Request)
    return answer(views.queues(await store.count_queues(request.app[DATABASE], actor)))


@routes.get("/agent/agents")
async def list_agents(request: web.Request) -> web.Response:
    """One page of those whom a case can be assigned to."""
    actor = actor_of(request)
    refuse_unless_vendor(actor)
    page = await agents.find_agents(request.app[DATABASE], actor, read_query(request, ListQuery))
    return answer(page.answer(views.agent))


@routes.post("/agent/cases/{number}/actions")
async def act_as_agent(request: web.Request) -> web.Response:
    """Does an action that only agents have."""
    number, body = read_case_number(request.match_info["number"]), (await read_body(request, AgentAction)).root
    return await _act(request, number, body, actions.act_as_agent)


async def _rows(
    request: web.Request,
    actor: Actor,
    page: Page,
    row: Callable[[Kept], views.Row] = views.row,
) -> dict[str, Any]:
    """The page with what the actor has marked of it."""
    rows = [row(document) for document in page.documents]
    marks, news = await asyncio.gather(
        store.find_marks(request.app[DATABASE], actor, [row.case_id for row in rows]),
        store.find_news(request.app[DATABASE], actor, [row.case_id for row in rows if row.news is None]),
    )
    now = request.app[CLOCK]()
    return replace(page, documents=rows).answer(
        lambda row: row.for_reader(actor, marks.get(row.case_id, store.NO_MARK), row.news or news[row.case_id], now)
    )


async def _act(
    request: web.Request, number: str, body: CaseActionUnion | AgentActionUnion, act: Callable[..., Awaitable[None]]
) -> web.Response:
    change = await _change(request, number)
    await act(
        request.app[DATABASE],
        number,
        body,
        change,
        limits=request.app[POLICY].limits,
        quota=request.app[QUOTAS].entries,
    )
    return await _detail(request, change.by, number, written=change.key)


async def _change(request: web.Request, number: str) -> Change:
    actor = actor_of(request)
    # A key counts for one case only: the route's pattern is the same for all of them.
    key = (await idempotency_key_of(request, actor)).at(number)
    return Change(actor, request.app[CLOCK](), key)


async def _detail(
    request: web.Request, actor: Actor, number: str, *, written: IdempotencyKey | None = None
) -> web.Response:
    db = request.app[DATABASE]
    case, history = await store.get_case_with_history(db, actor, number, written=written)
    mark, links = await asyncio.gather(_mark(request, actor, case), store.find_links(db, actor, case))
    return await _answer_with(request, actor, case, history, mark, links=links)


async def _mark(request: web.Request, actor: Actor, case: Case) -> store.Mark:
    marks = await store.find_marks(request.app[DATABASE], actor, [case.id])
    return marks.get(case.id, store.NO_MARK)


async def _answer_with(
    request: web.Request,
    actor: Actor,
    case: Case,
    history: store.History,
    mark: store.Mark,
    *,
    links: store.Links = store.NO_LINKS,
    status: int = 200,
) -> web.Response:
    instructions = await pins.find_instructions(request.app[DATABASE], actor, case)
    opening = [history.opening] if history.opening else []
    states = await files.find_states(request.app[DATABASE], views.file_ids([*opening, *history.entries]))
    shown = views.detail(
        case,
        history.entries,
        actor,
        opening=history.opening,
        history_cursor=history.cursor,
        history_total=history.total,
        file_states=states,
        pin_instructions=instructions,
        mark=mark,
        links=links,
        now=request.app[CLOCK](),
    )
    return answer(shown, status=status)
