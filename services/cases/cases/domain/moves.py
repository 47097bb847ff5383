"""How entries of the history move the status of a case, declared once for changes that are saved or appended."""

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
# When a customer answers, even with a file only, it is the vendor's turn again.
MOVES_BY_CUSTOMER: Mapping[EntryKind, Moves] = {
    **_BY_EITHER_SIDE,
    EntryKind.COMMENT: _ANSWER,
    EntryKind.ATTACHED: _ANSWER,
}
# Work on a case has begun as soon as an agent has it or has answered.
MOVES_BY_VENDOR: Mapping[EntryKind, Moves] = {
    **_BY_EITHER_SIDE,
    EntryKind.TAKEN: _FIRST_TOUCH,
    EntryKind.ASSIGNED: _FIRST_TOUCH,
    EntryKind.REPLY: _FIRST_TOUCH,
    EntryKind.CALLBACK_CONFIRMED: _FIRST_TOUCH,
    EntryKind.CALLBACK_DONE: _FIRST_TOUCH,
    EntryKind.ESCALATION_ACCEPTED: _FIRST_TOUCH,
    EntryKind.ESCALATION_DECLINED: _FIRST_TOUCH,
}

# Where an agent may move an open case. A new case cannot wait for anybody: work on it begins first.
NEXT: Mapping[Status, frozenset[Status]] = {
    status: frozenset({Status.IN_PROGRESS}) if status is Status.NEW else OPEN - {Status.NEW} for status in OPEN
}


def moves_of(entry: Entry) -> Moves:
    """The new status for each status that this entry moves; other statuses stay."""
    moves = MOVES_BY_VENDOR if entry.by_vendor else MOVES_BY_CUSTOMER
    if entry.kind is EntryKind.REPLY and entry.changes:
        # The agent says in one go what comes next; it holds from whichever state the answer finds the case in.
        return dict.fromkeys(OPEN, Status(str(entry.changes["to"])))
    return moves.get(entry.kind, {})
