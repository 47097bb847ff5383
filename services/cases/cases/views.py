"""Cases as the API answers them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import TypeAdapter

from services.cases.attachments.domain.files import AttachedFile, FileState, content_type_of
from services.cases.cases.domain.actions import AGENT_ACTIONS, OFFERS, allowed_actions, reopened_until
from services.cases.cases.domain.case import Case
from services.cases.cases.domain.clock import Clock
from services.cases.cases.domain.news import News
from services.cases.cases.domain.values import Entry, Person, Status, turn_of
from services.cases.cases.domain.visibility import sees
from services.cases.cases.handlers.turn_times import Report
from services.cases.cases.store.cases import Links
from services.cases.cases.store.counts import Counts
from services.cases.cases.store.marks import Mark
from shared.actor import Actor
from shared.mongo import Document
from shared.paging import TOTAL_LIMIT
from shared.rows import Kept, remembered
from shared.schemas.base import ListAnswer
from shared.schemas.case_answers import PersonAnswer
from shared.schemas.cases import (
    CaseAttachment,
    CaseDetail,
    Facet,
    FacetsAnswer,
    HistoryEntry,
    QueueCount,
    QueueName,
    QueuesAnswer,
)
from shared.schemas.turn_times import SiteTurnTimes, TurnTimes, TurnTimesAnswer
from shared.text import beginning

_CASE = TypeAdapter(Case)
_EXCERPT_CHARACTERS = 200
_INNER = {
    "id",
    "events",
    "new_entries",
    "created_by",
    "created_by_name",
    "pin_instructions",
    "is_full",
    "callback",
    "escalation",
    "follow_up_of",
    "news",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row as everybody of a side sees it, and what makes it the row of one person."""

    case_id: UUID
    news: News | None  # where None, only the history tells it
    written: bytes  # in JSON

    def for_reader(self, actor: Actor, mark: Mark, news: News, now: datetime) -> orjson.Fragment:
        """With what this person has marked of the case."""
        mine = marked(news, actor, mark, now)
        return orjson.Fragment(self.written[:-1] + b"," + orjson.dumps(mine)[1:])


def marked(news: News, actor: Actor, mark: Mark, now: datetime) -> dict[str, bool]:
    """What a row tells one person alone."""
    is_new = news.is_new(actor.user_id, seen_until=mark.seen_until, now=now)
    return {"favourite": mark.favourite, "is_new": is_new}


def _row(document: Document) -> dict[str, Any]:
    """One row of a list, in the form of `CaseRow`, of a case as it is kept: no entity is made of it."""
    problem, equipment = document["problem"], document["equipment"]
    return {
        "number": document["number"],
        "title": problem["title"],
        "status": document["status"],
        "severity": problem["severity"],
        "turn": turn_of(Status(document["status"])),
        "serial": equipment["serial"],
        "serial_label": equipment.get("serial_label") or equipment["serial"],
        "product_number": equipment["product_number"],
        "product_name": equipment["product_name"],
        "product_line": equipment.get("product_line", ""),
        "site_id": _id(document["site_id"]) if document["site_id"] else None,
        "site_name": document["site_name"],
        "company_id": _id(document["company_id"]),
        "company_name": document["company_name"],
        "submitter": _shown(document["submitter"]),
        "assignee": _shown(assignee) if (assignee := document.get("assignee")) else None,
        "own_reference": problem.get("own_reference", ""),
        "coverage": {"level": None, "until": None, **equipment["coverage"]},
        "pin": document.get("pin"),
        "confidential": document["confidential"],
        "created_at": _time(document["created_at"]),
        "updated_at": _time(document["updated_at"]),
        "turn_since": _time(since) if (since := document.get("turn_since")) else None,
        "first_answer": _first_answer(document.get("first_answer")),
        "unanswered_since": _time(since) if (since := document.get("unanswered_since")) else None,
        "callback": _row_callback(callback) if (callback := document.get("callback")) else None,
        "escalation": {"state": escalation["state"]} if (escalation := document.get("escalation")) else None,
        "version": document.get("version", 1),
    }


def _row_callback(document: Document) -> dict[str, Any]:
    window, confirmed_at = document["window"], document["confirmed_at"]
    return {
        "at": None if window else "now",
        "from": _time(window["start"]) if window else None,
        "to": _time(window["end"]) if window else None,
        "phone": document["phone"],
        "requested_by": _shown(document["requested_by"]),
        "requested_at": _time(document["requested_at"]),
        "confirmed_at": _time(confirmed_at) if confirmed_at else None,
    }


def _waiting_row(document: Document) -> dict[str, Any]:
    """A row, and beside it `asked`: what the other side wrote last (`text`, `by`, `at`), or None."""
    asked = document["asked"]
    return {**_row(document), "asked": asked and _message(asked)}


def _message(asked: Document) -> dict[str, Any]:
    return {"text": _excerpt(asked["text"]), "by": _shown(asked["by"]), "at": _time(asked["at"])}


def _excerpt(text: str) -> str:
    """The beginning of a text in one line, up to the end of a word."""
    line = " ".join(text.split())
    if len(line) <= _EXCERPT_CHARACTERS:
        return line
    words, _, _ = line[: _EXCERPT_CHARACTERS + 1].rpartition(" ")
    return f"{words or beginning(line, _EXCERPT_CHARACTERS)}…"


def _kept(fields: Callable[[Document], dict[str, Any]]) -> Callable[[Kept], Row]:
    def make(document: Document) -> Row:
        return Row(UUID(bytes=document["_id"]), _kept_news(document), orjson.dumps(fields(document)))

    return remembered(make)


def _kept_news(document: Document) -> News | None:
    """Of the reader's side; None where an older version, which does not keep it, has written last."""
    news = document.get("news")
    if not news or news["version"] != document["version"]:
        return None
    side = news["noted"] if "noted" in news else news["shown"]
    others_at = side["others_at"]
    return News(UUID(bytes=side["by"]), _in_utc(side["at"]), others_at and _in_utc(others_at))


row, waiting_row = _kept(_row), _kept(_waiting_row)


def _shown(person: Document) -> dict[str, Any]:
    return {"user_id": _id(person["user_id"]), "name": person["name"]}


def _first_answer(kept: Document | None) -> dict[str, Any] | None:
    if kept is None or kept.get("due_at") is None:
        return None
    answered_at = kept.get("answered_at")
    return {"due_at": _time(kept["due_at"]), "answered_at": answered_at and _time(answered_at)}


def _id(kept: bytes) -> str:
    text = kept.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _in_utc(kept: datetime) -> datetime:
    return kept.replace(tzinfo=UTC)


def _time(kept: datetime) -> str:
    return f"{kept.isoformat(timespec='milliseconds')}Z"


def detail(
    case: Case,
    history: list[Entry],
    actor: Actor,
    *,
    opening: Entry | None,
    history_cursor: str | None,
    history_total: int,
    file_states: Mapping[str, FileState],
    pin_instructions: str | None,
    mark: Mark,
    links: Links,
    now: datetime,
) -> CaseDetail:
    """The whole case as this actor may see it, with the newest entries of its history, oldest first."""
    # Who has just changed the case so that they do not see it any more can do nothing else with it.
    is_seen = sees(actor, case)
    for_both_sides = allowed_actions(OFFERS, case, actor, now) if is_seen else []
    for_agents = allowed_actions(AGENT_ACTIONS, case, actor, now)
    return CaseDetail.model_validate(
        _flat(case)
        | {
            "created_by": _creator(case),
            "clock": asdict(clock) if (clock := case.clock_at(now) if case.is_open else case.clock) else None,
            "first_answer": asdict(case.first_answer) if case.first_answer.due_at else None,
            "pin_instructions": pin_instructions,
            **marked(_news_of(history, case), actor, mark, now),
            "visited_at": mark.visited_at,
            "callback": case.callback.told if case.callback else None,
            "escalation": case.escalation.told if case.escalation else None,
            "follow_up_of": links.follow_up_of,
            "follow_ups": [_linked(document) for document in links.follow_ups],
            "reopen_until": reopened_until(case) if "reopen" in for_both_sides else None,
            "allowed_actions": [*for_both_sides, *(name for name in for_agents if name not in for_both_sides)],
            "allowed_agent_actions": for_agents,
            "history": [_entry(entry, file_states) for entry in history],
            "history_cursor": history_cursor,
            "history_total": history_total,
            "submitted_attachments": [_attached(file, file_states) for file in opening.attachments] if opening else [],
            "attachments": [file for entry in history for file in _files(entry, file_states)],
        }
    )


def _news_of(history: Sequence[Entry], case: Case) -> News:
    """Of a page of it, which is where anybody looks."""
    last = history[-1] if history else None
    if last is None:
        return News(case.created_by, case.created_at, None)
    others_at = next((entry.at for entry in reversed(history) if entry.by.user_id != last.by.user_id), None)
    return News(last.by.user_id, last.at, others_at)


def history_page(
    history: Sequence[Entry], file_states: Mapping[str, FileState], *, cursor: str | None, total: int
) -> ListAnswer[HistoryEntry]:
    """A page of a case's history, oldest first. The cursor leads to older entries."""
    return ListAnswer[HistoryEntry](
        items=[_entry(entry, file_states) for entry in history],
        next_cursor=cursor,
        total=total,
        total_is_lower_bound=False,
    )


def counts(found: Counts) -> FacetsAnswer:
    """How many cases stand under each value of a filter."""
    return FacetsAnswer(
        status=[Facet(value=value, label=value, count=count) for value, count in found.status],
        severity=[Facet(value=str(value), label=str(value), count=count) for value, count in found.severity],
        site=[Facet(value=str(site_id or ""), label=name, count=count) for site_id, name, count in found.site],
    )


def queues(found: Mapping[QueueName, int]) -> QueuesAnswer:
    """How many cases are in each queue, of more than the limit only that."""
    items = [
        QueueCount(queue=queue, count=min(count, TOTAL_LIMIT), is_lower_bound=count > TOTAL_LIMIT)
        for queue, count in found.items()
    ]
    return QueuesAnswer(items=items)


def agent(copy: Document) -> PersonAnswer:
    """Somebody whom cases can be assigned to."""
    return PersonAnswer(user_id=copy["_id"], name=copy["name"])


def turn_times(report: Report) -> TurnTimesAnswer:
    """Seconds by site, the rest of the sites, and the total."""
    times = report.times
    return TurnTimesAnswer(
        created_from=report.first,
        created_to=report.last,
        at=report.at,
        items=[SiteTurnTimes(**asdict(site), **asdict(site.clock)) for site in times.sites],
        others=_turn_times(*times.others) if times.others else None,
        total=_turn_times(*times.total),
    )


def _turn_times(cases: int, clock: Clock) -> TurnTimes:
    return TurnTimes(cases=cases, **asdict(clock))


def _flat(case: Case) -> dict[str, Any]:
    """The fields of the case and of its parts at one level, as in the API."""
    fields: dict[str, Any] = _CASE.dump_python(case, exclude=_INNER)
    problem, equipment = fields.pop("problem"), fields.pop("equipment")
    return {**fields, **problem, **equipment, "serial_label": case.equipment.label, "turn": case.turn}


def _creator(case: Case) -> PersonAnswer | None:
    return PersonAnswer(user_id=case.created_by, name=case.created_by_name) if case.created_by_name else None


def _linked(document: Document) -> dict[str, Any]:
    return {"number": document["number"], "title": document["problem"]["title"], "status": document["status"]}


def _entry(entry: Entry, file_states: Mapping[str, FileState]) -> HistoryEntry:
    return HistoryEntry.model_validate(
        {
            "id": entry.id,
            "kind": entry.kind,
            "at": entry.at,
            "by": _person(entry.by),
            "by_vendor": entry.by_vendor,
            "text": entry.text,
            "internal": entry.internal,
            "changes": entry.changes or {},
            "version": entry.version,
            "attachments": [_attached(file, file_states) for file in entry.attachments],
        }
    )


def _person(person: Person) -> PersonAnswer:
    return PersonAnswer(user_id=person.user_id, name=person.name)


# Files


def file_ids(history: Sequence[Entry]) -> list[str]:
    """The ids of the files of these entries."""
    return [file.id for entry in history for file in entry.attachments]


def _attached(file: AttachedFile, states: Mapping[str, FileState]) -> dict[str, Any]:
    state = states.get(file.id, FileState.READY)
    content_type = content_type_of(file.name)
    return {"id": file.id, "name": file.name, "size": file.size, "content_type": content_type, "state": state}


def _files(entry: Entry, states: Mapping[str, FileState]) -> list[CaseAttachment]:
    return [
        CaseAttachment(
            **_attached(file, states),
            entry_id=entry.id,
            at=entry.at,
            by=_person(entry.by),
            by_vendor=entry.by_vendor,
            internal=entry.internal,
        )
        for file in entry.attachments
    ]
