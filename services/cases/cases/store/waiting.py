"""The cases that wait for somebody, each with what the other side wrote last."""

from services.cases.cases.domain.values import EntryKind
from services.cases.cases.store.cases import CASES, own_of
from services.cases.cases.store.finding import taken_and_untaken
from services.cases.cases.store.lists import WAITS_FOR_CUSTOMER, read_order, row_for
from shared.actor import Actor
from shared.mongo import Database, Document
from shared.paging import ALPHABETICAL, Page, find_page, find_page_of_union
from shared.schemas.base import ListQuery
from shared.schemas.cases import CaseQuery

_MESSAGES = [EntryKind.COMMENT.value, EntryKind.REPLY.value, EntryKind.REOPENED.value]
# Of a text, more than is shown of it: blanks may be among them.
_READ_CHARACTERS = 400


async def find_waiting(db: Database, actor: Actor, *, limit: int) -> Page:
    """What waits for a customer, the newest first; for agents, what they or nobody has taken, the longest first.

    `asked` is the last message of the other side that the actor may see: text, author and time, as far as there is one.
    """
    if actor.is_vendor:
        query = CaseQuery(view="waiting", untaken=True, sort="turn", limit=limit)
        order = read_order(query.sort)
        return await find_page_of_union(
            await taken_and_untaken(db, actor, query, order),
            db[CASES.collection],
            query,
            order=order,
            shown=row_for(actor),
            computed={"asked": _asked_of_vendor()},
            collation=ALPHABETICAL,
        )
    return await find_page(
        db[CASES.collection],
        {**own_of(actor), **WAITS_FOR_CUSTOMER},
        ListQuery(limit=limit),
        order=read_order("-updated_at"),
        shown=row_for(actor),
        computed={"asked": _asked(_messages(by_vendor=True))},
    )


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
