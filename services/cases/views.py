"""Cases as the API shows them."""

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from services.cases.domain import Case, Entry
from shared.actor import Actor
from shared.schemas.cases import CaseDetail, CaseRow, HistoryEntry, PersonAnswer

_CASE = TypeAdapter(Case)
_INNER = {"id", "events", "new_entries", "created_by", "own_ids", "history_bytes", "owner", "problem", "equipment"}


def row(case: Case) -> CaseRow:
    """One row of a list."""
    return CaseRow.model_validate(_flat(case))


def detail(case: Case, history: list[Entry], actor: Actor, *, now: datetime) -> CaseDetail:
    """The whole case as this actor may see it; its history oldest first."""
    return CaseDetail.model_validate(
        _flat(case)
        | {
            "allowed_actions": case.allowed_actions(actor, now=now),
            "history": [_entry(entry) for entry in history],
        }
    )


def _flat(case: Case) -> dict[str, Any]:
    """The entity's parts side by side, as the API has them."""
    fields: dict[str, Any] = _CASE.dump_python(case, exclude=_INNER)
    problem: dict[str, Any] = TypeAdapter(type(case.problem)).dump_python(case.problem)
    equipment: dict[str, Any] = TypeAdapter(type(case.equipment)).dump_python(case.equipment)
    return {**fields, **problem, **equipment, "turn": case.turn}


def _entry(entry: Entry) -> HistoryEntry:
    return HistoryEntry(
        id=entry.id,
        kind=entry.kind,
        at=entry.at,
        by=PersonAnswer(user_id=entry.by.user_id, name=entry.by.name),
        by_vendor=entry.by_vendor,
        text=entry.text,
        internal=entry.internal,
        changes=dict(entry.changes or {}),
    )
