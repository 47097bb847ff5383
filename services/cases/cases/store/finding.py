"""Pages of lists of cases: which way the database takes to each; each says for whom."""

from collections.abc import Awaitable, Callable
from functools import partial

from services.cases.cases.domain.visibility import COMPANY, reads_as
from services.cases.cases.store.cases import CASES
from services.cases.cases.store.lists import (
    ORDERS_WITH_READERS,
    SORTS,
    collation_of,
    company_of,
    find_wanted,
    is_of_a_period,
    is_of_untaken,
    order_of,
    parts_of,
    row_for,
    taken_by,
    untaken,
)
from services.cases.cases.store.searching import WORDS, find_in_order_or, find_searched
from shared.actor import Actor
from shared.mongo import Database, Document
from shared.paging import (
    ALPHABETICAL,
    Order,
    Page,
    find_page,
    find_page_of_parts,
    find_page_of_union,
    name_of_alphabetical,
)
from shared.schemas.cases import CaseQuery

# The indexes of what an agent has taken, and of what nobody has, by the orders that both of them have.
_TAKEN_AND_UNTAKEN = {
    "turn_since": ("assigned_by_turn_alphabetical", "unassigned_by_turn_alphabetical"),
    "created_at": ("assigned_alphabetical", "unassigned_alphabetical"),
}
# The index by the time of creation, which also has what those lists are sorted and counted by.
CREATED = "created"
# So many cases of a period are read and sorted in some milliseconds: in any order; in one that is nearly that of their
# age; and by the keys of an index alone.
_FEW, _FEW_OF_AN_AGE, _FEW_KEYS = 2_000, 10_000, 50_000
_BY_AGE = ("updated_at", "number")


async def find_cases(db: Database, actor: Actor, query: CaseQuery) -> Page:
    """One page of what the actor may see under the query's filters."""
    order, parts = order_of(actor, query), parts_of(actor, query)
    if is_of_untaken(actor, query) and not query.q and order.field in _TAKEN_AND_UNTAKEN:
        return await _find_taken_and_untaken(db, actor, query)
    of_vendors = actor.is_vendor and query.view == "waiting"
    page = partial(
        find_page if parts == [{}] else partial(find_page_of_parts, parts),
        db[CASES.collection],
        await find_wanted(db, actor, query),
        query,
        order=order,
        shown=row_for(actor),
        collation=ALPHABETICAL if of_vendors or is_of_a_period(query) else collation_of(query),
    )
    if query.view == "favourites" and not query.q:
        return await page(by="_id_", counted_by="_id_")
    if query.q:
        return await find_searched(
            db,
            query.q,
            company_of(actor, query),
            in_order=partial(page, by=_index_in_order(actor, query), counted_by=WORDS),
            by_words=partial(page, by=WORDS, counted_by=WORDS),
        )
    if is_of_a_period(query):
        return await _find_created(db, actor, query, page)
    return await page()


async def _find_taken_and_untaken(db: Database, agent: Actor, query: CaseQuery) -> Page:
    order = order_of(agent, query)
    either = await taken_and_untaken(db, agent, query, order)
    return await find_page_of_union(
        either, db[CASES.collection], query, order=order, shown=row_for(agent), collation=ALPHABETICAL
    )


async def taken_and_untaken(db: Database, agent: Actor, query: CaseQuery, order: Order) -> dict[str, Document]:
    """What waits for the agent or for anybody of theirs, by the indexes that have each in the order."""
    others = await find_wanted(db, agent, query.model_copy(update={"view": "recent", "untaken": False}))
    return {
        index: {"$and": [part, others]} if others else part
        for index, part in zip(_TAKEN_AND_UNTAKEN[order.field], (taken_by(agent), untaken()), strict=True)
    }


async def _find_created(db: Database, actor: Actor, query: CaseQuery, page: Callable[..., Awaitable[Page]]) -> Page:
    """By the time of creation where the period has few cases; else in the list's order, in which they come soon."""
    order, by, few = order_of(actor, query), _index_in_time(actor, query), _FEW
    if order.field in _BY_AGE:
        few = _FEW_OF_AN_AGE
    if order.field == "updated_at" and company_of(actor, query) is None:
        by, few = CREATED, _FEW_KEYS
    in_order = partial(page, by=_index_in_order(actor, query), counted_by=by)
    if order.field == "created_at":
        return await in_order()
    by_time = partial(page, by=by, by_keys=by == CREATED, counted_by=by)
    wanted = await find_wanted(db, actor, query)
    if await db[CASES.collection].count_documents(wanted, limit=few + 1, hint=by, collation=ALPHABETICAL) <= few:
        return await by_time()
    return await find_in_order_or(by_time, in_order=in_order)


def _index_in_time(actor: Actor, query: CaseQuery) -> str:
    """The index that has what the actor sees by the time of its creation, and nothing else."""
    fields = SORTS["created_at"].index_fields
    if not actor.is_vendor:
        return name_of_alphabetical("readers", "company_id", *fields)
    return name_of_alphabetical(*fields) if query.company_id is None else name_of_alphabetical("company_id", *fields)


def _index_in_order(actor: Actor, query: CaseQuery) -> str:
    """The index that has what the actor sees in the order of the list, and little else."""
    order = order_of(actor, query)
    fields = order.index_fields if order.field != SORTS["turn"].field else SORTS["status"].index_fields
    if actor.is_vendor and query.company_id is None:
        return name_of_alphabetical(*fields)
    if (
        actor.is_vendor
        or actor.is_company_admin
        or COMPANY in reads_as(actor)
        or order.field not in ORDERS_WITH_READERS
    ):
        return name_of_alphabetical("company_id", *fields)
    return name_of_alphabetical("readers", "company_id", *fields)
