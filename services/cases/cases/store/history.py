"""The history of a case: read in pages, and never whole; every read says for whom."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from weakref import WeakValueDictionary

from pydantic import TypeAdapter

from services.cases.cases.domain import actions
from services.cases.cases.domain.answering import asks, is_answer
from services.cases.cases.domain.case import MAX_ENTRIES, Case
from services.cases.cases.domain.moves import Moves, moves_of
from services.cases.cases.domain.values import Entry
from services.cases.cases.store.cases import CASES, IS_FULL, IS_OPEN, visible_to
from services.cases.cases.store.clocks import CLOCK, turn_becomes
from services.cases.cases.store.news import news_become
from services.cases.cases.store.telling import tell_of_entry
from shared.actor import Actor
from shared.errors import Invalid, NotFound, Unavailable
from shared.idempotency import IdempotencyKey
from shared.mongo import Database, Document
from shared.schemas.cases import HistoryQuery

PAGE_ENTRIES = 50
# Of text in UTF-8: a page is as long as one of 50 ordinary entries, whatever was written.
PAGE_BYTES = 100_000

_TURN_WITHIN_S = 4  # the gateway waits a little longer
_turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

_CASE = TypeAdapter(Case)
_ENTRY = TypeAdapter(Entry)
_ENTRIES = TypeAdapter(list[Entry])
# The rules that can change between reading a case and writing to it, as the database judges them.
AS_FILTER: Mapping[actions.Rule, Document] = {
    actions.is_open: {"status": IS_OPEN},
    actions.has_room: {"$expr": {"$not": [IS_FULL]}},
    actions.is_unassigned: {"assignee": None},
}

_COMPUTED: Document = {"is_full": IS_FULL, "clock": CLOCK}


@dataclass(frozen=True, slots=True)
class History:
    """Some entries that a reader sees, oldest first, the cursor to older ones, and how many the reader sees in all.

    With its case comes the entry that it was created by (`opening`), however old.
    """

    entries: list[Entry]
    cursor: str | None
    total: int
    opening: Entry | None = None


async def get_case_with_history(
    db: Database, actor: Actor, number: str, *, written: IdempotencyKey | None = None
) -> tuple[Case, History]:
    """A case that this actor may see, and of its history the newest that the actor's side may see.

    `written` is what the actor has just written to it, after which they may not see it any more.
    """
    rest = {"$unset": ["pending"]}
    visible = visible_to(actor)
    if written is not None:
        visible = {"$or": [visible, {"history.id": written.id}]}
    document = await _find_page(db, actor, number, visible=visible, end=None, limit=PAGE_ENTRIES, rest=rest)
    return CASES.load(document), _page(document)


async def get_history(db: Database, actor: Actor, number: str, query: HistoryQuery) -> History:
    """The newest `limit` entries before the query's cursor and after its version, or fewer where they are long.

    Entries without a version count as older than any that has one.
    """
    only = {"$project": {"history": 1, "seen": 1, "end": 1}}
    end = _position(query.cursor)
    visible, since = visible_to(actor), query.since_version
    found = await _find_page(db, actor, number, visible=visible, end=end, limit=query.limit, since=since, rest=only)
    return _page(found)


def _position(cursor: str | None) -> int | None:
    """A history only grows at its end: how many entries are older says where a page ends, for good."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= len(str(MAX_ENTRIES))):
        raise Invalid.at("cursor", "cursor", "Use a cursor from the answer before.")
    return int(cursor)


async def _find_page(
    db: Database,
    actor: Actor,
    number: str,
    *,
    visible: Document,
    end: int | None,
    limit: int,
    rest: Document,
    since: int | None = None,
) -> Document:
    """The case, if it is `visible`, with the entries [end - limit, end) of those that the actor sees, `seen` in all."""
    # Positions and totals are those of what the reader sees: they say nothing about what is hidden.
    wanted: list[Document] = [] if actor.is_vendor else [{"$not": ["$$this.internal"]}]
    if since is not None:
        wanted.append({"$gt": ["$$this.version", since]})
    last = "$seen" if end is None else {"$min": ["$seen", end]}
    first = {"$max": [0, {"$subtract": ["$end", limit]}]}
    page = {"$slice": ["$history", first, {"$max": [1, {"$subtract": ["$end", first]}]}]}
    found = await db[CASES.collection].aggregate(
        [
            {"$match": {"number": number, **visible}},
            {"$set": _COMPUTED},
            {"$set": {"history": {"$filter": {"input": "$history", "cond": {"$and": wanted}}}}},
            {"$set": {"seen": {"$size": "$history"}, "opening": {"$first": "$history"}}},
            {"$set": {"end": last}},
            {"$set": {"history": {"$cond": [{"$gt": ["$end", 0]}, page, []]}}},
            rest,
        ]
    )
    documents = await found.to_list(None)
    if not documents:
        raise NotFound
    document: Document = documents[0]
    return document


def _page(document: Document) -> History:
    found = document["history"]
    kept = _that_fit([len(entry["text"].encode()) for entry in found])
    older = document["end"] - kept
    return History(
        entries=_ENTRIES.validate_python(found[len(found) - kept :]),
        cursor=str(older) if older else None,
        total=document["seen"],
        opening=_ENTRY.validate_python(opening) if (opening := document.get("opening")) else None,
    )


def _that_fit(sizes: Sequence[int]) -> int:
    """How many of the newest have room in a page; a single one always has."""
    room, fitting = PAGE_BYTES, 0
    for size in reversed(sizes):
        room -= size
        if room < 0 and fitting:
            break
        fitting += 1
    return fitting


async def get_submitted_case(db: Database, actor: Actor, key: IdempotencyKey) -> tuple[Case, History]:
    """The case that this actor wrote with the key, and how it was written: what came later only its readers see."""
    found = await db[CASES.collection].aggregate(
        [
            {"$match": {"_id": key.id, "created_by": actor.user_id}},
            {"$set": _COMPUTED},
            {"$set": {"history": {"$slice": ["$history", 1]}}},
            {"$unset": ["pending"]},
        ]
    )
    documents = await found.to_list(None)
    if not documents:
        raise NotFound
    (document,) = documents
    (entry,) = _ENTRIES.validate_python(document["history"])
    return CASES.load(document), History([entry], None, 1, entry)


def history_as_written(case: Case) -> History:
    """The history that a new case was written with."""
    (new,) = case.new_entries
    entry = replace(new, version=case.version)
    return History([entry], None, 1, entry)


async def find_entry(db: Database, actor: Actor, number: str, key: IdempotencyKey) -> bool:
    """Whether an earlier request with this key is in the history already; IdempotencyKeyReused for another body."""
    # `history.$` would be at the place where the last array of the filter matched, and readers are one too.
    document = await db[CASES.collection].find_one(
        {"number": number, "history.id": key.id, **visible_to(actor)}, {"history": {"$elemMatch": {"id": key.id}}}
    )
    if document is None:
        return False
    key.refuse_unless_same(document["history"][0].get("digest"))
    return True


# Changing


async def append_entry(db: Database, actor: Actor, case: Case, addition: actions.Addition) -> bool:
    """Writes what an addition changed, once; False where the case is not visible, or its rules refuse by now.

    Unavailable where too many others write to the same case.
    """
    (entry,) = case.new_entries
    wanted = {
        "number": case.number,
        "history.id": {"$ne": entry.id},
        "$and": [visible_to(actor), *(AS_FILTER[rule] for rule in addition.rules)],
    }
    written = _CASE.dump_python(case, include={"new_entries", *addition.sets})
    (pushed,) = written.pop("new_entries")
    changes = {name: {"$literal": value} for name, value in written.items()} | _changes(entry)
    async with turn_at(case.number):
        is_written = await CASES.append(db, wanted, push={"history": pushed}, changes=changes)
    if is_written:
        tell_of_entry(db, case, internal=entry.internal)
    return is_written


def _changes(entry: Entry) -> Document:
    if entry.internal:
        # Nothing that the customer can see has changed: neither the time of the last change, nor the version, by which
        # a change that is being written would be refused as stale.
        return {"version": "$version", "news": news_become(entry)}
    changes: Document = {"updated_at": entry.at, "news": news_become(entry)}
    changes |= status_becomes(moves_of(entry), now=entry.at)
    if is_answer(entry):
        changes["first_answer.answered_at"] = {"$ifNull": ["$first_answer.answered_at", entry.at]}
        changes["unanswered_since"] = None
    if asks(entry):
        changes["unanswered_since"] = {"$ifNull": ["$unanswered_since", entry.at]}
    return changes


@asynccontextmanager
async def turn_at(number: str) -> AsyncIterator[None]:
    """One after the other at the same case.

    Of those that write to a document at once, the database lets one through, and the others begin anew: of many, most
    would never get there in time.
    """
    turn = _turns.setdefault(number, asyncio.Lock())
    try:
        async with asyncio.timeout(_TURN_WITHIN_S):
            await turn.acquire()
    except TimeoutError as error:
        raise Unavailable from error
    try:
        yield
    finally:
        turn.release()


def status_becomes(moves: Moves, *, now: datetime) -> Document:
    """Pipeline expressions that move the status, and the time of the turn and the clock of the case with it."""
    if not moves:
        return {}
    branches = [{"case": {"$eq": ["$status", old.value]}, "then": new.value} for old, new in moves.items()]
    return {"status": {"$switch": {"branches": branches, "default": "$status"}}, **turn_becomes(moves, now=now)}
