"""How the status of a case moves: declared here once, for changes that are saved and for entries that are appended."""

from collections.abc import Mapping

from services.cases.cases.domain.values import OPEN, Entry, EntryKind, Status

Moves = Mapping[Status, Status]

_FIRST_TOUCH: Moves = {Status.NEW: Status.IN_PROGRESS}
_ANSWER: Moves = {Status.WAITING_CUSTOMER: Status.IN_PROGRESS}

_BY_EITHER_SIDE: Mapping[EntryKind, Moves] = {
    EntryKind.CLOSED: dict.fromkeys(OPEN, Status.CLOSED),
    EntryKind.CANCELLED: dict.fromkeys(OPEN, Status.CANCELLED),
    EntryKind.REOPENED: {Status.CLOSED: Status.IN_PROGRESS},
}
# A customer who answers, be it with a file only, gives the turn back.
MOVES_BY_CUSTOMER: Mapping[EntryKind, Moves] = {
    **_BY_EITHER_SIDE,
    EntryKind.COMMENT: _ANSWER,
    EntryKind.ATTACHED: _ANSWER,
}
# The case has begun as soon as an agent has it, or has answered.
MOVES_BY_VENDOR: Mapping[EntryKind, Moves] = {
    **_BY_EITHER_SIDE,
    EntryKind.TAKEN: _FIRST_TOUCH,
    EntryKind.ASSIGNED: _FIRST_TOUCH,
    EntryKind.REPLY: _FIRST_TOUCH,
}

# Where an agent may move an open case. Nobody waits for anything before the work has begun.
NEXT: Mapping[Status, frozenset[Status]] = {
    status: frozenset({Status.IN_PROGRESS}) if status is Status.NEW else OPEN - {Status.NEW} for status in OPEN
}


def moves_of(entry: Entry) -> Moves:
    """The status after this entry, for each status that it moves; the others stay."""
    moves = MOVES_BY_VENDOR if entry.by_vendor else MOVES_BY_CUSTOMER
    return moves.get(entry.kind, {})
