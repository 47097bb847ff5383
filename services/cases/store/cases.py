"""Queries and indexes of cases; every read says for whom."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import cast
from uuid import UUID
from zoneinfo import ZoneInfo

from pymongo import ASCENDING, DESCENDING, TEXT, ReturnDocument

from services.cases.domain import OPEN, Case, Status, case_number
from shared.actor import Actor, Role, Visibility
from shared.coverage import Verdict
from shared.documents import Documents
from shared.mongo import Database, Document
from shared.paging import Order, Page, find_page
from shared.schemas.cases import AgentCaseQuery, CaseQuery
from shared.serials import normal_serial

CASES = Documents("cases", Case, appended={"new_entries": "history"})

SORTS = {
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
    "turn": "turn_since",
}
_LIST_HIDES = ("history", "pending", "problem.description", "problem.troubleshooting")
IS_OPEN = {"$in": sorted(status.value for status in OPEN)}


async def create_indexes(db: Database) -> None:
    """What the queries below search and sort by."""
    cases = db[CASES.collection]
    await cases.create_index("number", unique=True)
    for field in ("updated_at", "created_at", "status", "problem.severity", "own_ids", "submitter.user_id"):
        await cases.create_index([("company_id", ASCENDING), (field, ASCENDING), ("_id", ASCENDING)])
    # By these two the vendor searches too, over all companies.
    await cases.create_index([("equipment.serial", ASCENDING), ("company_id", ASCENDING)])
    await cases.create_index(
        [("problem.own_reference", ASCENDING), ("company_id", ASCENDING)],
        name="own_reference",
        partialFilterExpression={"problem.own_reference": {"$gt": ""}},
    )
    # What counting a company's cases looks at is all in here: no case itself is read.
    counted = ("company_id", "status", "site_id", "site_name", "problem.severity")
    await cases.create_index([(field, ASCENDING) for field in counted], name="counts")
    await cases.create_index([("status", ASCENDING), ("assignee.user_id", ASCENDING), ("updated_at", DESCENDING)])
    await cases.create_index([("updated_at", ASCENDING), ("_id", ASCENDING)])
    await cases.create_index(
        [("pin", ASCENDING), ("created_at", ASCENDING), ("_id", ASCENDING)],
        name="pin",
        partialFilterExpression={"pin": {"$gt": ""}},
    )
    for name, field in (("unverified", "equipment.serial"), ("unverified_said", "equipment.said")):
        await cases.create_index(
            field, name=name, partialFilterExpression={"equipment.coverage.verdict": Verdict.UNVERIFIED.value}
        )
    # Words as they are written: stems and stop words of one language would be wrong for the other.
    texts = [("problem.title", TEXT), ("problem.description", TEXT)]
    await cases.create_index(texts, name="text", default_language="none")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many cases stand under each value; a site as (id or None, name, count)."""

    status: list[tuple[str, int]]
    severity: list[tuple[int, int]]
    site: list[tuple[UUID | None, str, int]]


class CaseNumbers:
    """Numbers for new cases, taken from the database in blocks; what a stopped process had left is never used."""

    _FIRST = 100_000_000
    _BLOCK = 100

    def __init__(self, db: Database) -> None:
        """One per process."""
        self._db = db
        self._lock = asyncio.Lock()
        self._next = self._end = 0

    async def take(self) -> str:
        """A number that no case has, on whatever replica."""
        async with self._lock:
            if self._next == self._end:
                await self._take_block()
            self._next += 1
            return case_number(self._next - 1)

    async def _take_block(self) -> None:
        counter = await self._db["allocators"].find_one_and_update(
            {"_id": "case_number"},
            [{"$set": {"next": {"$add": [{"$ifNull": ["$next", self._FIRST]}, self._BLOCK]}}}],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        # The upsert answers the document as it is afterwards: it is always there.
        self._end = cast("Document", counter)["next"]
        self._next = self._end - self._BLOCK


# Who sees what


def visible_to(actor: Actor) -> Document:
    """The one predicate that decides which cases an actor sees, as a filter."""
    if actor.is_vendor:
        return {}
    if actor.role is Role.COMPANY_ADMIN:
        return {"company_id": actor.company_id}
    own: Document = {"own_ids": actor.user_id}
    return {"company_id": actor.company_id, "$or": [own, *_colleagues_cases(actor)]}


def _colleagues_cases(actor: Actor) -> list[Document]:
    visibility = Visibility.COMPANY if actor.role is Role.CASE_MANAGER else actor.visibility
    if visibility is Visibility.OWN:
        return []
    seen: Document = {"confidential": False}
    if visibility is Visibility.SITE or actor.site_ids is not None:
        # A case without site counts as company-wide.
        seen["site_id"] = {"$in": [None, *(actor.site_ids or ())]}
    return [seen]


async def get_case(db: Database, actor: Actor, number: str) -> Case:
    """A case that this actor may see; NotFound otherwise."""
    return await CASES.get(db, {"number": number, **visible_to(actor)})


# Lists


def wanted_by(actor: Actor, query: CaseQuery) -> Document:
    """The filter for what the actor may see and the query asks for."""
    every: list[Document] = [visible] if (visible := visible_to(actor)) else []
    if query.view == "submitted" or query.mine:
        every.append({"submitter.user_id": actor.user_id})
    if query.view == "waiting":
        every.append(_waiting_for(actor))
    if query.status is not None:
        every.append({"status": _status_filter(query.status)})
    if query.site_id is not None:
        every.append({"site_id": query.site_id})
    if query.serial is not None:
        every.append({"equipment.serial": query.serial})
    if query.severity is not None:
        every.append({"problem.severity": query.severity})
    if query.created_from is not None:
        every.append({"created_at": {"$gte": _midnight(query.created_from, actor)}})
    if query.created_to is not None:
        every.append({"created_at": {"$lt": _midnight(query.created_to + timedelta(days=1), actor)}})
    if query.q:
        every.append(_search(query.q))
    return {"$and": every} if every else {}


def _midnight(day: date, actor: Actor) -> datetime:
    """When a day begins where the actor is."""
    return datetime.combine(day, time.min, ZoneInfo(actor.time_zone))


def _status_filter(status: str | Sequence[str]) -> Document:
    if status == "open":
        return IS_OPEN
    return {"$in": [status] if isinstance(status, str) else status}


def _waiting_for(actor: Actor) -> Document:
    if actor.is_vendor:
        return {"assignee.user_id": actor.user_id, "status": {"$in": ["new", "in_progress", "waiting_parts"]}}
    return {"own_ids": actor.user_id, "status": Status.WAITING_CUSTOMER.value}


def _search(text: str) -> Document:
    # Quoted, so that every word has to occur and a leading dash means nothing.
    words = " ".join(f'"{word}"' for word in text.replace('"', " ").split())
    # `$text` may stand in an `$or` only where each of the others has an index.
    return {
        "$or": [
            {"number": "".join(text.split()).replace("-", "")},
            {"problem.own_reference": text},
            {"equipment.serial": normal_serial(text)},
            {"$text": {"$search": words}},
        ]
    }


def read_order(sort: str | None) -> Order:
    """The order of a list; newest activity first unless it is told otherwise."""
    return Order.read(sort or "-updated_at", SORTS)


async def find_cases(db: Database, actor: Actor, query: CaseQuery) -> Page:
    """One page of what the actor may see under the query's filters."""
    return await find_page(
        db[CASES.collection],
        wanted_by(actor, query),
        order=read_order(query.sort),
        limit=query.limit,
        cursor=query.cursor,
        hidden=_LIST_HIDES,
    )


def load_row(document: Document) -> Case:
    """The case of a list row: its long texts were left out."""
    document["problem"].setdefault("description", "")
    return CASES.load(document)


async def count_cases(db: Database, actor: Actor, query: CaseQuery) -> Counts:
    """How many cases stand under each status, severity and site, most first, in one look at them."""
    seen = {"status": "$status", "severity": "$problem.severity", "site_id": "$site_id"}
    counted = await db[CASES.collection].aggregate(
        [
            {"$match": wanted_by(actor, query)},
            {"$group": {"_id": seen, "name": {"$last": "$site_name"}, "count": {"$sum": 1}}},
            {
                "$facet": {
                    "status": _summed("status"),
                    "severity": _summed("severity"),
                    "site": _summed("site_id", name={"$last": "$name"}),
                }
            },
        ],
        maxTimeMS=5000,
    )
    (counts,) = await counted.to_list(None)
    return Counts(
        status=[(group["_id"], group["count"]) for group in counts["status"]],
        severity=[(group["_id"], group["count"]) for group in counts["severity"]],
        site=[(group["_id"], group["name"], group["count"]) for group in counts["site"]],
    )


def _summed(field: str, **also: Document) -> list[Document]:
    return [
        {"$group": {"_id": f"$_id.{field}", **also, "count": {"$sum": "$count"}}},
        {"$sort": {"count": -1, "name": 1, "_id": 1}},
        {"$limit": 200},
    ]


async def find_queue(db: Database, actor: Actor, query: AgentCaseQuery) -> Page:
    """One page of an agents' queue: open cases only."""
    every: list[Document] = [visible_to(actor), {"status": IS_OPEN}]
    if query.queue == "unassigned":
        every.append({"assignee": None})
    if query.queue == "mine":
        every.append({"assignee.user_id": actor.user_id})
    if query.company_id is not None:
        every.append({"company_id": query.company_id})
    if query.severity is not None:
        every.append({"problem.severity": query.severity})
    if query.pin is not None:
        every.append({"pin": query.pin})
    if query.turn is not None:
        waiting = Status.WAITING_CUSTOMER.value
        every.append({"status": waiting if query.turn == "customer" else {"$ne": waiting}})
    return await find_page(
        db[CASES.collection],
        {"$and": every},
        order=read_order(query.sort or "created_at"),
        limit=query.limit,
        cursor=query.cursor,
        hidden=_LIST_HIDES,
    )


async def find_unverified(db: Database, *, company_id: UUID, serials: list[str]) -> list[Case]:
    """The company's open cases that still wait for a verdict on these serials."""
    return await _find_unverified(db, company_id, {"equipment.serial": {"$in": serials}})


async def find_unverified_by_said(db: Database, *, company_id: UUID, said: str) -> list[Case]:
    """The company's open cases that were begun with this agreement's number and still wait for a verdict."""
    return await _find_unverified(db, company_id, {"equipment.said": said, "equipment.serial": None})


async def _find_unverified(db: Database, company_id: UUID, about: Document) -> list[Case]:
    wanted = {
        **about,
        "equipment.coverage.verdict": Verdict.UNVERIFIED.value,
        "company_id": company_id,
        "status": IS_OPEN,
    }
    documents = await db[CASES.collection].find(wanted, {"history": 0, "pending": 0}).to_list(None)
    return [CASES.load(document) for document in documents]
