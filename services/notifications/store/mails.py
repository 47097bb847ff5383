"""The ledger of mails: its rows are written, suppressed and read. Its clock is the database's, on every replica."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import OperationFailure

from services.notifications.domain.mails import KEPT_FOR, Mail, MailState, Reason, storable
from services.notifications.domain.people import Person
from services.notifications.domain.preferences import Preferences
from services.notifications.store.turns import take_turns
from shared.actor import Actor
from shared.claims import ahead, has_date
from shared.mongo import DUPLICATE, Database, Document, drop_index
from shared.paging import Order, Page, find_page
from shared.schemas.base import ListQuery
from shared.schemas.notifications import DeliveryQuery

MAILS = "mails"
LEASE = timedelta(seconds=30)

_MAIL = TypeAdapter(Mail)
_IN_ONE_WRITE = 100
_MISSING_WHERE_NONE = {"person", "expires_at"}
WAITING = [MailState.QUEUED.value, MailState.CLAIMED.value]
_DELIVERY_ORDERS = {"created_at": Order("created_at")}
# A row that is due, or will be: final states have no `due_at`.
UNFINISHED = has_date("due_at")
# By urgency, then in fair turns between companies, then by age. A row of an older version has no turn: it goes first.
IN_TURN = [("priority", ASCENDING), ("turn", ASCENDING), ("created_at", ASCENDING)]
_NEWEST_FIRST = [("created_at", DESCENDING), ("_id", DESCENDING)]


async def create_indexes(db: Database) -> None:
    """For claiming in turn, for one mail per person and event, and for lists."""
    mails = db[MAILS]
    # Of older versions: the planner might take the first for claiming, and nobody asks for the second.
    await drop_index(mails, "due")
    await drop_index(mails, "waiting")
    # `due_at` comes last, so that the index alone passes over rows that are not due.
    await mails.create_index([*IN_TURN, ("due_at", ASCENDING)], name="turn", partialFilterExpression=UNFINISHED)
    await mails.create_index(
        [("event_id", ASCENDING), ("kind", ASCENDING), ("person", ASCENDING)],
        name="one_mail_per_person",
        unique=True,
        partialFilterExpression={"person": {"$type": "string"}},
    )
    await mails.create_index("person", name="waiting_person", partialFilterExpression=UNFINISHED)
    await mails.create_index(_NEWEST_FIRST)
    for field in ("company_id", "email"):
        await mails.create_index([(field, ASCENDING), *_NEWEST_FIRST])
    await mails.create_index([("company_id", ASCENDING), ("kind", ASCENDING), *_NEWEST_FIRST])
    # The database takes a partial index for what compares as its filter does: a number is greater than no text.
    await mails.create_index(
        [("company_id", ASCENDING), ("case_number", ASCENDING), *_NEWEST_FIRST],
        name="about_case",
        partialFilterExpression={"case_number": {"$gt": ""}},
    )


def load(document: Document) -> Mail:
    """A row as the domain knows it."""
    return _MAIL.validate_python({"id": document["_id"], **document})


# Writing rows


async def put_mails(db: Database, mails: Sequence[Mail], *, lease: UUID | None = None) -> None:
    """Inserts rows of one priority in one write; a row that exists already stays as it is.

    They are due at once; or claimed by whoever has this lease.
    """
    if not mails:
        return
    turns = await take_turns(db, mails)
    claimed: Document = {} if lease is None else {"state": MailState.CLAIMED.value, "lease": lease}
    rows = [_new_row(mail, turn) | claimed for mail, turn in zip(mails, turns, strict=True)]
    try:
        await _insert(db, rows, where_one_stands="fail")
    except OperationFailure as error:
        if error.code != DUPLICATE:
            raise
        # Of an earlier delivery, as is perhaps another row with the same person: the sender decides between them.
        nameless = [{name: value for name, value in row.items() if name != "person"} for row in rows]
        await _insert(db, nameless, where_one_stands="keepExisting")


def _new_row(mail: Mail, turn: int) -> Document:
    fields = _MAIL.dump_python(mail, exclude={"id", "created_at", "updated_at", "lease", "turn"})
    row: Document = storable(fields) | {"_id": mail.id, "priority": int(mail.priority), "turn": turn}
    return {name: value for name, value in row.items() if value is not None or name not in _MISSING_WHERE_NONE}


async def _insert(db: Database, rows: list[Document], *, where_one_stands: Literal["fail", "keepExisting"]) -> None:
    expires_at = {"$ifNull": ["$expires_at", ahead(KEPT_FOR)]}
    times = {
        "created_at": "$$NOW",
        "updated_at": "$$NOW",
        "due_at": {"$cond": ["$lease", ahead(LEASE), "$$NOW"]},
        "expires_at": expires_at,
        "is_expired": {"$lte": [expires_at, "$$NOW"]},
    }
    # To fail costs the database half: it need not look for the rows first.
    merge = {"into": MAILS, "whenMatched": where_one_stands, "whenNotMatched": "insert"}
    for start in range(0, len(rows), _IN_ONE_WRITE):
        new: Document = {"$documents": {"$literal": rows[start : start + _IN_ONE_WRITE]}}
        written = await db[MAILS].database.aggregate([new, {"$set": times}, {"$merge": merge}])
        await written.to_list(None)  # Motor begins only when it is asked for what came out


# Suppressing rows, and finding them by their link


async def suppress_waiting(db: Database, person: Person, preferences: Preferences) -> None:
    """Suppresses waiting mails of the kinds that this person has opted out of; those being sent are left alone.

    A row that does not say yet who it is for is checked when it does, before it is sent.
    """
    await db[MAILS].update_many(
        {
            **UNFINISHED,
            "person": person.key,
            "kind": {"$in": list(preferences.refused)},
            "state": {"$in": WAITING},
        },
        [
            {
                "$set": {
                    "state": MailState.SUPPRESSED.value,
                    "reason": Reason.OPTED_OUT.value,
                    "updated_at": "$$NOW",
                }
            },
            {"$unset": ["due_at", "lease"]},
        ],
    )


async def find_mail_of_link(db: Database, link_id: UUID) -> Mail | None:
    """The row that an unsubscribe link belongs to."""
    # A range of ids, because the link holds the first half of one. A ledger that forgets rows one day must keep them
    # for as long as people read their mails: without its row a link stops nothing.
    document = await db[MAILS].find_one({"_id": {"$gte": link_id.hex, "$lt": f"{link_id.hex}g"}})
    try:
        return None if document is None else load(document)
    except ValidationError:
        return None  # another version's


# The ledger, to be read


async def find_deliveries(db: Database, actor: Actor, query: DeliveryQuery) -> Page:
    """One page of the ledger: of a company, for vendor admins who name none of all; newest first."""
    asked = {"email": query.email, "kind": query.kind, "state": query.state}
    is_of_all = actor.is_vendor_admin and query.company_id is None
    wanted: Document = {} if is_of_all else {"company_id": actor.company_to_read(query.company_id)}
    return await find_page(
        db[MAILS],
        wanted | {name: value for name, value in asked.items() if value is not None},
        query,
        order=Order.read(query.sort or "-created_at", _DELIVERY_ORDERS),
        hidden=("facts",),
    )


async def find_case_deliveries(db: Database, company_id: UUID, number: str, query: ListQuery) -> Page:
    """One page of the ledger about one case of a company; newest first."""
    order = Order.read(query.sort or "-created_at", _DELIVERY_ORDERS)
    wanted = {"company_id": company_id, "case_number": number}
    return await find_page(db[MAILS], wanted, query, order=order, hidden=("facts",))
