"""Lists of cases; each says for whom."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from pymongo.collation import Collation

from services.cases.cases.domain.values import OPEN, Status, turn_of
from services.cases.cases.store.cases import IS_OPEN, own_of, visible_to
from services.cases.cases.store.marks import find_favourites
from services.cases.cases.store.news import news_field
from services.cases.cases.store.searching import containing
from services.cases.copies import store as copies
from shared.actor import Actor
from shared.mongo import Database, Document, Session
from shared.paging import ALPHABETICAL, Order
from shared.schemas.cases import CaseQuery
from shared.zones import zone_of

_FIELDS = {
    "number": "number",
    "title": "problem.title",
    "status": "status",
    "severity": "problem.severity",
    "product_name": "equipment.product_name",
    "serial": "equipment.serial",
    "site_name": "site_name",
    "company_name": "company_name",
    "submitter": "submitter.name",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "turn": "turn_since",  # whose turn it is comes first: see `parts_of`
}
# Those by numbers and dates too: an index serves a query of one collation only, and all orders share some filters.
# What has the same value stands together by what else it has in common, the newest case first: views group by that.
_THEN = {
    "status": ("turn_since",),
    "site_name": ("site_id", "-created_at"),
    "company_name": ("site_name", "site_id", "-created_at"),
    "serial": ("equipment.product_name", "-created_at"),
}
SORTS = {name: Order(field, alphabetical=True, then=_THEN.get(name, ())) for name, field in _FIELDS.items()}
# One with the readers for every order would make writing a case cost twice as much.
ORDERS_WITH_READERS = ("updated_at", "created_at")
# These have indexes of their own.
UNASSIGNED: Document = {"assignee": None}
WAITS_FOR_CUSTOMER: Document = {"status": Status.WAITING_CUSTOMER.value}
_WAITS_FOR_VENDOR: Document = {"status": {"$in": sorted(each.value for each in OPEN if turn_of(each) == "vendor")}}
EVER: Document = {"$gt": datetime(1970, 1, 1, tzinfo=UTC)}
# Each of the ended states by itself: so an index has them in order. Of the open ones there are few.
_TURNS: list[Document] = [
    {**WAITS_FOR_CUSTOMER, "turn_since": EVER},
    {**_WAITS_FOR_VENDOR, "turn_since": EVER},
    {"status": Status.CANCELLED.value},
    {"status": Status.CLOSED.value},
]
# Sorted by `first_answer.due_at`; the index of those that are due holds no others. The type is spelled out for it.
UNANSWERED: Document = {
    "first_answer.due_at": {"$type": "date"},
    "first_answer.answered_at": None,
    "status": IS_OPEN,
}
# Views of all that somebody sees.
_WHOLE = ("recent", "company", "site")
# What a row shows.
_ROW = (
    "number",
    "problem.title",
    "problem.severity",
    "problem.own_reference",
    "status",
    "equipment.serial",
    "equipment.serial_label",
    "equipment.product_number",
    "equipment.product_name",
    "equipment.product_line",
    "equipment.coverage",
    "site_id",
    "site_name",
    "company_id",
    "company_name",
    "submitter.user_id",
    "submitter.name",
    "assignee",
    "pin",
    "confidential",
    "created_at",
    "updated_at",
    "turn_since",
    "first_answer",
    "unanswered_since",
    "callback",
    "escalation.state",
    "version",
)


def row_for(actor: Actor) -> tuple[str, ...]:
    """What is read for a row, which is the same for everybody of the actor's side."""
    return (*_ROW, "news.version", news_field(actor))


async def find_wanted(db: Database, actor: Actor, query: CaseQuery, session: Session | None = None) -> Document:
    """The filter for what the actor may see and the query asks for; at the moment of `session`, if any."""
    favourites = await find_favourites(db, actor, session) if query.view == "favourites" else ()
    if actor.is_vendor and query.site_id is not None and query.company_id is None:
        query = await _with_company(db, query, query.site_id)
    return wanted_by(actor, query, favourites)


async def _with_company(db: Database, query: CaseQuery, site_id: UUID) -> CaseQuery:
    """A site's cases are its company's, in whose order they are found without a look at those of all others."""
    site = await db[copies.SITES].find_one({"_id": site_id}, {"company_id": 1})
    return query if site is None else query.model_copy(update={"company_id": site["company_id"]})


def wanted_by(actor: Actor, query: CaseQuery, favourites: Sequence[UUID] = ()) -> Document:
    """The same, with the ids of the actor's favourites, if the query asks for them."""
    every: list[Document] = [*_in_view(actor, query, favourites)]
    if query.company_id is not None:
        every.append({"company_id": actor.company_to_read(query.company_id)})
    if query.status is not None:
        every.append({"status": status_filter(query.status)})
    if query.site_id is not None:
        every.append({"site_id": query.site_id})
    if query.serial is not None:
        every.append({"equipment.serial": query.serial.serial})
    if query.severity is not None:
        every.append({"problem.severity": query.severity})
    if query.created_from is not None:
        every.append({"created_at": {"$gte": _midnight(query.created_from, actor)}})
    if query.created_to is not None:
        every.append({"created_at": {"$lt": _midnight(query.created_to + timedelta(days=1), actor)}})
    if query.q:
        every.append(containing(query.q, company_of(actor, query)))
    every = [each for each in every if each]
    return {"$and": every} if len(every) > 1 else every[0] if every else {}


def _in_view(actor: Actor, query: CaseQuery, favourites: Sequence[UUID]) -> Iterator[Document]:
    yield _waiting_for(actor, query) if query.view == "waiting" else visible_to(actor)
    if query.view == "favourites":
        yield {"_id": {"$in": list(favourites)}}
    if query.view == "submitted" or query.mine:
        yield {"submitter.user_id": actor.user_id}


def _midnight(day: date, actor: Actor) -> datetime:
    """When a day begins where the actor is."""
    return datetime.combine(day, time.min, zone_of(actor.time_zone))


def status_filter(status: str | Sequence[str]) -> Document:
    """For cases in this status, in one of these, or for all that are open."""
    if status == "open":
        return IS_OPEN
    return {"$in": [status] if isinstance(status, str) else status}


def _waiting_for(actor: Actor, query: CaseQuery) -> Document:
    if actor.is_vendor:
        return {"$or": [taken_by(actor), untaken()]} if is_of_untaken(actor, query) else taken_by(actor)
    return {**own_of(actor), **WAITS_FOR_CUSTOMER}


def is_of_untaken(actor: Actor, query: CaseQuery) -> bool:
    """Whether what nobody has taken is asked for as well; on the customers' side, nothing waits to be taken."""
    return actor.is_vendor and query.untaken


def taken_by(agent: Actor) -> Document:
    """The agent's own cases that wait for the vendor, as a filter."""
    return {"assignee.user_id": agent.user_id, **_WAITS_FOR_VENDOR}


def untaken() -> Document:
    """The cases that wait for the vendor and that nobody has taken, as a filter."""
    return {**UNASSIGNED, **_WAITS_FOR_VENDOR}


def company_of(actor: Actor, query: CaseQuery) -> UUID | None:
    """The one company whose cases are looked at; None for all."""
    return query.company_id if actor.is_vendor else actor.company_id


def read_order(sort: str | None, *, otherwise: str = "-updated_at") -> Order:
    """The order of a list; newest activity first unless it is told otherwise."""
    return Order.read(sort or otherwise, SORTS)


def order_of(actor: Actor, query: CaseQuery) -> Order:
    """The order that the query asks for, else the order of its view."""
    return read_order(query.sort, otherwise=_grouped_by(actor, query) or "-updated_at")


def _grouped_by(actor: Actor, query: CaseQuery) -> str:
    """The column by which a view groups its cases: their sites, for the vendor companies with their sites; devices."""
    match query.view:
        case "company":
            return "company_name" if actor.is_vendor else "site_name"
        case "site":
            return "serial"
        case _:
            return ""


def group_fields(actor: Actor, query: CaseQuery) -> tuple[str, ...]:
    """The fields that the cases of a group have in common; none where the query's order pulls groups apart."""
    order, name = order_of(actor, query), _grouped_by(actor, query)
    return (order.field, *order.then[:-1]) if name and order.field == _FIELDS[name] else ()


def parts_of(actor: Actor, query: CaseQuery) -> list[Document]:
    """The parts of the list that follow each other, each in the query's order: by whose turn it is, else the whole."""
    order = order_of(actor, query)
    # What waits for somebody is all of one side's turn.
    if order.field != _FIELDS["turn"] or query.view == "waiting":
        return [{}]
    return _TURNS[::-1] if order.descending else _TURNS


def is_of_a_period(query: CaseQuery) -> bool:
    """Whether the time of creation is the only filter of what one company, or all of them, has."""
    in_it = query.created_from is not None or query.created_to is not None
    others = (query.status, query.site_id, query.serial, query.severity)
    return in_it and not (any(each is not None for each in others) or query.mine or query.q) and query.view in _WHOLE


def collation_of(query: CaseQuery) -> Collation | None:
    """The collation to count by: that of the only index that finds a serial number; else none, which reads no case."""
    return None if query.serial is None else ALPHABETICAL
