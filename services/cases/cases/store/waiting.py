"""The cases that wait for somebody, each with what the other side wrote last."""

from services.cases.cases.domain.values import EntryKind
from services.cases.cases.store.cases import CASES, own_of
from services.cases.cases.store.lists import ROW, WAITS_FOR_CUSTOMER, news_for, read_order, taken_by, untaken
from shared.actor import Actor
from shared.mongo import Database, Document
from shared.paging import ALPHABETICAL, Page, find_page
from shared.schemas.base import ListQuery

_MESSAGES = [EntryKind.COMMENT.value, EntryKind.REPLY.value, EntryKind.REOPENED.value]
# Of a text, more than is shown of it: blanks may be among them.
_READ_CHARACTERS = 400


async def find_waiting(db: Database, actor: Actor, *, limit: int) -> Page:
    """What waits for a customer, the newest first; for agents, what they or nobody has taken, the longest first.

    `asked` is the last message of the other side that the actor may see: text, author and time, as far as there is one.
    """
    if actor.is_vendor:
        wanted: Document = {"$or": [taken_by(actor), untaken()]}
    else:
        wanted = {**own_of(actor), **WAITS_FOR_CUSTOMER}
    asked = _asked_of_vendor() if actor.is_vendor else _asked(_messages(by_vendor=True))
    return await find_page(
        db[CASES.collection],
        wanted,
        ListQuery(limit=limit),
        order=read_order("turn" if actor.is_vendor else "-updated_at"),
        shown=ROW,
        computed={"asked": asked, "news": news_for(actor)},
        collation=ALPHABETICAL if actor.is_vendor else None,
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
