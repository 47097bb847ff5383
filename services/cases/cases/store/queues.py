"""The agents' queues: open cases over all companies, each queue with its filter, its orders and its index."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from services.cases.cases.domain.values import Status
from services.cases.cases.store.cases import CASES, IS_OPEN
from services.cases.cases.store.lists import EVER, SORTS, UNANSWERED, UNASSIGNED, row_for
from services.cases.cases.store.searching import WORDS, containing, find_searched
from shared.actor import Actor
from shared.mongo import Database, Document
from shared.paging import ALPHABETICAL, TOTAL_LIMIT, Order, Page, create_alphabetical_index, find_page
from shared.schemas.cases import AgentCaseQuery, QueueName

# Each has an index of the cases in it alone, whose filter these are: a case that is in none of them costs nothing.
IS_CALLED_BACK: Document = {"callback.requested_at": EVER}
IS_ESCALATED: Document = {"escalation.requested_at": EVER}
HAS_REPLIED: Document = {"unanswered_since": EVER}
# An ended case has none: so the order by it never walks past the ended ones.
_HAS_A_TURN: Document = {"turn_since": EVER}

_SORTS = {
    **SORTS,
    "first_answer": Order("first_answer.due_at", alphabetical=True),
    "callback": Order("callback.due_at", alphabetical=True),
    "escalation": Order("escalation.state", alphabetical=True),
    "unanswered": Order("unanswered_since", alphabetical=True),
}


@dataclass(frozen=True, slots=True)
class Queue:
    """Which open cases are in it, the order where nobody asks for another, and its orders beside those of every list.

    Only where a queue is short, or has an index for them, are there other orders. Of an index of its own it tells the
    name: without a hint, the database counts by the states of all cases.
    """

    wanted: Callable[[Actor], Document]
    order: str = "created_at"
    orders: tuple[str, ...] = ()
    index: str | None = None


def _assigned_to(agent: Actor) -> Document:
    return {"assignee.user_id": agent.user_id}


QUEUES: Mapping[QueueName, Queue] = {
    "unassigned": Queue(lambda _agent: UNASSIGNED),
    "mine": Queue(_assigned_to, orders=("first_answer", "callback", "unanswered")),
    "open": Queue(lambda _agent: {}),
    # Whoever is to be called now was since they asked.
    "callbacks": Queue(lambda _agent: IS_CALLED_BACK, "callback", ("callback",), "callbacks_alphabetical"),
    # By their names the undecided ones come first, going down; those that were declined are escalated no more.
    "escalations": Queue(
        lambda _agent: {**IS_ESCALATED, "escalation.state": {"$in": ["accepted", "requested"]}},
        "-escalation",
        ("escalation",),
        "escalations_alphabetical",
    ),
    "first_answers": Queue(lambda _agent: UNANSWERED, "first_answer", ("first_answer",), "unanswered_alphabetical"),
    "replied": Queue(
        lambda agent: _assigned_to(agent) | HAS_REPLIED,
        "unanswered",
        ("unanswered", "first_answer"),
        "replied_alphabetical",
    ),
    "waiting_parts": Queue(lambda _agent: {"status": Status.WAITING_PARTS.value}),
}


async def create_indexes(db: Database) -> None:
    """The queues, the oldest first, and those that only few cases are in."""
    listed = partial(create_alphabetical_index, db[CASES.collection])
    await listed("status", "created_at", "_id")
    await listed("status", "created_at", "_id", name="unassigned", partialFilterExpression=UNASSIGNED)
    await listed("status", "turn_since", "_id", name="unassigned_by_turn", partialFilterExpression=UNASSIGNED)
    await listed("turn_since", "_id", name="turn", partialFilterExpression=_HAS_A_TURN)
    await listed("callback.due_at", "_id", name="callbacks", partialFilterExpression=IS_CALLED_BACK)
    await listed("escalation.state", "_id", name="escalations", partialFilterExpression=IS_ESCALATED)
    await listed("first_answer.due_at", "_id", name="unanswered", partialFilterExpression=UNANSWERED)
    replied = {"partialFilterExpression": HAS_REPLIED}
    await listed("assignee.user_id", "unanswered_since", "_id", name="replied", **replied)


async def find_queue(db: Database, agent: Actor, query: AgentCaseQuery) -> Page:
    """One page of a queue, over all companies."""
    order = _order_of(query)
    page = partial(
        find_page,
        db[CASES.collection],
        _wanted_by(agent, query, order),
        query,
        order=order,
        shown=row_for(agent),
        collation=ALPHABETICAL,  # as all indexes of queues have it
    )
    if not query.q:
        return await page(counted_by=QUEUES[query.queue].index)
    return await find_searched(
        db,
        query.q,
        query.company_id,
        in_order=partial(page, counted_by=WORDS),
        by_words=partial(page, by=WORDS, counted_by=WORDS),
    )


async def count_queues(db: Database, agent: Actor) -> Mapping[QueueName, int]:
    """How many cases are in each queue; of more than the limit, one more than that."""
    counts = await asyncio.gather(*(_count(db, agent, queue) for queue in QUEUES.values()))
    return dict(zip(QUEUES, counts, strict=True))


async def _count(db: Database, agent: Actor, queue: Queue) -> int:
    wanted = {"$and": [{"status": IS_OPEN}, queue.wanted(agent)]}
    by: Document = {"hint": queue.index} if queue.index else {}
    return await db[CASES.collection].count_documents(wanted, limit=TOTAL_LIMIT + 1, collation=ALPHABETICAL, **by)


def _order_of(query: AgentCaseQuery) -> Order:
    queue = QUEUES[query.queue]
    allowed = {name: order for name, order in _SORTS.items() if name in SORTS or name in queue.orders}
    return Order.read(query.sort or queue.order, allowed)


def _wanted_by(agent: Actor, query: AgentCaseQuery, order: Order) -> Document:
    every: list[Document] = [{"status": IS_OPEN}, QUEUES[query.queue].wanted(agent)]
    if order.field == "turn_since":
        every.append(_HAS_A_TURN)
    if query.company_id is not None:
        every.append({"company_id": query.company_id})
    if query.severity is not None:
        every.append({"problem.severity": query.severity})
    if query.pin is not None:
        every.append({"pin": query.pin})
    if query.turn is not None:
        waiting = Status.WAITING_CUSTOMER.value
        every.append({"status": waiting if query.turn == "customer" else {"$ne": waiting}})
    if query.q:
        every.append(containing(query.q, query.company_id))
    return {"$and": [each for each in every if each]}
