"""What is urgent in a row of an agent's queue: what is due, and since when something waits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from services.gateway.pages import looks
from services.gateway.texts import _

_MINUTE, _SOON = timedelta(minutes=1), timedelta(hours=1)

Look = Literal["", "soon", "late"]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pressing:
    """A few words, and how loud they are."""

    text: str
    look: Look = ""


def pressing(row: Row, zone: ZoneInfo, now: datetime) -> Pressing:
    """The most urgent of a case: a call, a decision, a promised answer, a message without an answer, or the turn."""
    if callback := row.get("callback"):
        return _call(callback, zone, now)
    if (row.get("escalation") or {}).get("state") == "requested":
        return Pressing(_("escalation"), "soon")
    promise = row.get("first_answer")
    if promise and promise["due_at"] and not promise["answered_at"] and row["turn"]:
        return _promised(promise["due_at"], now)
    if since := row.get("unanswered_since"):
        is_now = now - datetime.fromisoformat(since) < _MINUTE
        return Pressing(_("replied just now") if is_now else _("replied %(age)s ago") % {"age": looks.age(since, now)})
    if row["turn"] == "customer":
        return Pressing(_("their turn"))
    return Pressing("")


def _call(callback: Row, zone: ZoneInfo, now: datetime) -> Pressing:
    begins, ends = callback.get("from"), callback.get("to")
    if not begins:
        return Pressing(_("call now"), "late")
    if now < datetime.fromisoformat(begins):
        look: Look = "soon" if datetime.fromisoformat(begins) - now < _SOON else ""
        return Pressing(_("call at %(time)s") % {"time": looks.ago_at(begins, zone, now)}, look)
    return Pressing(_("call now"), "late" if ends and datetime.fromisoformat(ends) < now else "soon")


def _promised(due_at: str, now: datetime) -> Pressing:
    due = datetime.fromisoformat(due_at)
    if abs(due - now) < _MINUTE:
        return Pressing(_("answer due now"), "late" if due < now else "soon")
    if due < now:
        return Pressing(_("answer %(age)s late") % {"age": looks.age(due_at, now)}, "late")
    left = looks.age(now.isoformat(), due)
    return Pressing(_("answer in %(age)s") % {"age": left}, "soon" if due - now < _SOON else "")
