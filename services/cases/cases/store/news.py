"""What is new in a case, as it is kept beside its history: `domain.news` in the database's terms."""

from collections.abc import Sequence
from uuid import UUID

from services.cases.cases.domain.case import Case
from services.cases.cases.domain.news import News
from services.cases.cases.domain.values import Entry
from services.cases.cases.store.cases import CASES
from shared.actor import Actor
from shared.mongo import Database, Document

_NOT_INTERNAL: Document = {"$filter": {"input": "$history", "cond": {"$ne": ["$$this.internal", True]}}}


def _of(seen: object) -> Document:
    """Of these entries, who did the last of it and when, and when somebody else did."""
    last = {"$last": "$$seen"}
    others = {"$filter": {"input": "$$seen", "cond": {"$ne": ["$$this.by.user_id", "$$last.by.user_id"]}}}
    others_at = {"$ifNull": [{"$last": {"$map": {"input": others, "in": "$$this.at"}}}, None]}
    told = {"by": "$$last.by.user_id", "at": "$$last.at", "others_at": others_at}
    return {"$let": {"vars": {"seen": seen}, "in": {"$let": {"vars": {"last": last}, "in": told}}}}


OF_HISTORY: Document = {"version": "$version", "shown": _of(_NOT_INTERNAL), "noted": _of("$history")}


def news_field(actor: Actor) -> str:
    """Where the news of the actor's side are kept."""
    return "news.noted" if actor.is_vendor else "news.shown"


def news_become(entry: Entry) -> Document:
    """The news with one more entry, as a pipeline expression over the case without it."""
    by = entry.by.user_id

    def after(side: str) -> Document:
        others_at = {"$cond": [{"$eq": [f"$news.{side}.by", by]}, f"$news.{side}.others_at", f"$news.{side}.at"]}
        return {"by": by, "at": entry.at, "others_at": others_at}

    if entry.internal:
        return _as_far_as_kept({"version": "$news.version", "shown": "$news.shown", "noted": after("noted")})
    return _as_far_as_kept({"version": _NEXT, "shown": after("shown"), "noted": after("noted")})


# If a replica of an older version writes to the case, this version stays behind the case's, and the news are not used.
_NEXT: Document = {"$add": ["$news.version", 1]}


def _as_far_as_kept(news: Document) -> Document:
    """Older cases have no news yet; they get them from their history (`indexes.fill_in_later`)."""
    return {"$cond": ["$news.version", news, "$$REMOVE"]}


async def save_case(db: Database, case: Case, *, before: Case | None = None) -> Case:
    """Saves a changed case over the version that was read; raises StaleVersion.

    Its news are worked out in the database: a note may have changed them since, which leaves the version as it is.
    """
    news = _as_far_as_kept({"$mergeObjects": ["$news", {"version": _NEXT}]})
    if case.new_entries:
        (entry,) = case.new_entries
        news = news_become(entry)
    return await CASES.save(db, case, before=before, changes={"news": news})


async def find_news(db: Database, actor: Actor, case_ids: Sequence[UUID]) -> dict[UUID, News]:
    """Of cases that the actor sees, what their histories tell the actor's side."""
    if not case_ids:
        return {}
    told = _of("$history" if actor.is_vendor else _NOT_INTERNAL)
    found = db[CASES.collection].find({"_id": {"$in": list(case_ids)}}, {"news": told})
    return {case["_id"]: News(**case["news"]) for case in await found.to_list(None)}
