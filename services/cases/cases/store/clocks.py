"""For how long each side has had its turn, as expressions of the database that say the same as `domain.clock`."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from services.cases.cases.domain.moves import MOVES_BY_CUSTOMER, MOVES_BY_VENDOR, Moves
from services.cases.cases.domain.values import EntryKind, Status, turn_of
from shared.mongo import Document

_SUMS = ("vendor_s", "customer_s", "ended_s")
_STATUSES = [status.value for status in Status]
_OF_SIDE = {sum_: [status.value for status in Status if f"{turn_of(status) or 'ended'}_s" == sum_] for sum_ in _SUMS}
# Since when the present side has its turn, or the case has ended.
BEGAN: Document = {"$ifNull": ["$turn_since", "$closed_at"]}


def _seconds(begin: object, end: object) -> Document:
    # It counts the seconds that begin in between, as `whole_seconds` does.
    return {"$dateDiff": {"startDate": begin, "endDate": end, "unit": "second"}}


def plus(sums: str, *, status: object, begin: object, end: object) -> Document:
    """The sums under the path `sums`, with one more span of the side that has its turn in the status."""
    return {
        sum_: {
            "$add": [f"{sums}.{sum_}", {"$cond": [{"$in": [status, _OF_SIDE[sum_]]}, _seconds(begin, end), 0]}],
        }
        for sum_ in _SUMS
    }


def turn_becomes(moves: Moves, *, now: datetime) -> Document:
    """Pipeline expressions for moves that change the turn: when the new one begins, and the clock with the old one."""
    turning = [old.value for old, new in moves.items() if turn_of(old) != turn_of(new)]
    if not turning:
        return {}
    turns: Document = {"$in": ["$status", turning]}
    counted = {"$and": [turns, {"$eq": [{"$type": "$clock"}, "object"]}]}
    at = {"$max": [now, BEGAN]}
    return {
        "turn_since": {"$cond": [turns, at, "$turn_since"]},
        "clock": {"$cond": [counted, plus("$clock", status="$status", begin=BEGAN, end=at), "$clock"]},
    }


def _moved() -> Document:
    """The status after one more entry (`$$this`) of a history that has led to `$$value`."""
    branches: list[Document] = [
        {
            "case": {"$and": [{"$in": ["$$this.kind", _SET]}, {"$in": ["$$this.changes.to", _STATUSES]}]},
            "then": "$$this.changes.to",
        }
    ]
    for by_vendor, moves_by_kind in ((False, MOVES_BY_CUSTOMER), (True, MOVES_BY_VENDOR)):
        branches += _branches(by_vendor, moves_by_kind)
    return {"$switch": {"branches": branches, "default": "$$value.status"}}


_SET = [EntryKind.STATUS_CHANGED.value, EntryKind.REPLY.value]


def _branches(by_vendor: bool, moves_by_kind: Mapping[EntryKind, Moves]) -> Iterable[Document]:  # noqa: FBT001
    for kind, moves in moves_by_kind.items():
        for new in dict.fromkeys(moves.values()):
            olds = [old.value for old, to in moves.items() if to is new]
            this = [{"$eq": ["$$this.kind", kind.value]}, {"$eq": ["$$this.by_vendor", by_vendor]}]
            yield {"case": {"$and": [*this, {"$in": ["$$value.status", olds]}]}, "then": new.value}


def _side_of(status: str) -> Document:
    """One word for each side: the name of its sum."""
    branches = [{"case": {"$in": [status, statuses]}, "then": sum_} for sum_, statuses in _OF_SIDE.items()]
    return {"$switch": {"branches": branches}}


def _of_history() -> Document:
    """The sums of the turns that are over, added up from the entries of a history."""
    at = {"$max": ["$$this.at", "$$value.since"]}
    over = plus("$$value", status="$$value.status", begin="$$value.since", end=at)
    turned = {"$ne": [_side_of("$$value.status"), _side_of("$$status")]}
    step = {
        "$let": {
            "vars": {"status": _moved()},
            "in": {
                "$mergeObjects": [
                    "$$value",
                    {"status": "$$status"},
                    {"$cond": [turned, {"since": at, **over}, None]},
                ]
            },
        }
    }
    begin: Document = {"status": Status.NEW.value, "since": "$created_at", **dict.fromkeys(_SUMS, 0)}
    added = {"$reduce": {"input": {"$ifNull": ["$history", []]}, "initialValue": begin, "in": step}}
    return {"$let": {"vars": {"added": added}, "in": {sum_: f"$$added.{sum_}" for sum_ in _SUMS}}}


_IS_WHOLE: Document = {
    "$and": [
        {"$eq": [{"$type": "$clock"}, "object"]},
        {"$eq": [{"$sum": [f"$clock.{sum_}" for sum_ in _SUMS]}, _seconds("$created_at", BEGAN)]},
    ]
}
# The clock of a case. Older cases have none, and where a replica of an older version has changed the turn, the sums do
# not reach up to the present turn: then it comes from the history.
CLOCK: Document = {"$cond": [_IS_WHOLE, "$clock", _of_history()]}
