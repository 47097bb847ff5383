"""The cases that wait for somebody, each with what the other side wrote last."""

import asyncio
import heapq
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

from services.cases.cases.domain.values import EntryKind
from services.cases.cases.store.cases import CASES, own_of
from services.cases.cases.store.lists import WAITS_FOR_CUSTOMER, read_order, row_for, taken_by, untaken
from shared.actor import Actor
from shared.mongo import Database, Document
from shared.paging import ALPHABETICAL, TOTAL_LIMIT, Page, find_page
from shared.schemas.base import ListQuery

_MESSAGES = [EntryKind.COMMENT.value, EntryKind.REPLY.value, EntryKind.REOPENED.value]
# The indexes of what an agent has taken, and of what nobody has, by how long it has waited.
_TAKEN, _UNTAKEN = "assigned_by_turn_alphabetical", "unassigned_by_turn_alphabetical"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
# Of a text, more than is shown of it: blanks may be among them.
_READ_CHARACTERS = 400


async def find_waiting(db: Database, actor: Actor, *, limit: int) -> Page:
    """What waits for a customer, the newest first; for agents, what they or nobody has taken, the longest first.

    `asked` is the last message of the other side that the actor may see: text, author and time, as far as there is one.
    """
    if actor.is_vendor:
        return await _find_waiting_for_vendor(db, actor, limit)
    return await find_page(
        db[CASES.collection],
        {**own_of(actor), **WAITS_FOR_CUSTOMER},
        ListQuery(limit=limit),
        order=read_order("-updated_at"),
        shown=row_for(actor),
        computed={"asked": _asked(_messages(by_vendor=True))},
    )


async def _find_waiting_for_vendor(db: Database, agent: Actor, limit: int) -> Page:
    """Each part in the order of an index of its own: together the database would sort all that nobody has taken."""
    find_part = partial(
        find_page,
        db[CASES.collection],
        query=ListQuery(limit=limit),
        order=read_order("turn"),
        shown=row_for(agent),
        computed={"asked": _asked_of_vendor()},
        collation=ALPHABETICAL,
    )
    parts = await asyncio.gather(
        *(
            find_part(wanted, by=index, counted_by=index)
            for wanted, index in ((taken_by(agent), _TAKEN), (untaken(), _UNTAKEN))
        )
    )
    documents = heapq.merge(*(part.documents for part in parts), key=_place)
    total = sum(part.total for part in parts)
    return Page(
        documents=list(islice(documents, limit)),
        next_cursor=None,
        total=min(total, TOTAL_LIMIT),
        total_is_lower_bound=total > TOTAL_LIMIT or any(part.total_is_lower_bound for part in parts),
    )


def _place(case: Mapping[str, Any]) -> tuple[bool, datetime, UUID]:
    """As the database sorts: what has no time comes first."""
    since = case["turn_since"]
    return since is not None, since or _NEVER, case["_id"]


def _messages(*, by_vendor: bool) -> Document:
    """The messages of one side that the other sees. Files without words are none."""
    of_side = [{"$eq": ["$$this.by_vendor", by_vendor]}, {"$not": ["$$this.internal"]}]
    return {
        "$filter": {
            "input": "$history",
            "cond": {"$and": [*of_side, {"$in": ["$$this.kind", _MESSAGES]}, {"$ne": ["$$this.text", ""]}]},
        }
    }


def _asked_of_vendor() -> Document:
    """At first what the case was submitted with."""
    submitted = {"text": "$problem.description", "by": "$submitter", "at": "$created_at"}
    return _asked({"$concatArrays": [[submitted], _messages(by_vendor=False)]})


def _asked(messages: Document) -> Document:
    by = {"user_id": "$$last.by.user_id", "name": "$$last.by.name"}
    shown = {"text": {"$substrCP": ["$$last.text", 0, _READ_CHARACTERS]}, "by": by, "at": "$$last.at"}
    return {"$let": {"vars": {"last": {"$last": messages}}, "in": {"$cond": ["$$last", shown, None]}}}
