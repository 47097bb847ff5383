"""What was asked for against what is there, in the counters that Jepsen prints; nothing in here waits or asks."""

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from tests.faults.load import NOT_NOW, Attempt, Record
from tests.faults.sink import Taken

LONGEST_ANSWER_S = 10.0
_SHOWN = 5

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Counters:
    """One chain. `recovered` were without an answer at least once, and are there."""

    attempt: int
    acknowledged: int
    ok: int
    lost: int
    unexpected: int
    duplicated: int
    recovered: int
    examples: tuple[str, ...] = ()  # of what is wrong


def count(
    *, attempted: Collection[K], acknowledged: Collection[K], unknown: Collection[K], found: Counter[K]
) -> Counters:
    """Acknowledged and not found is lost; found and never asked for is unexpected."""
    lost = [key for key in acknowledged if not found[key]]
    unexpected = [key for key in found if key not in attempted]
    duplicated = [key for key in attempted if found[key] > 1]
    wrong = {"lost": lost, "unexpected": unexpected, "duplicated": duplicated}
    return Counters(
        attempt=len(attempted),
        acknowledged=len(acknowledged),
        ok=len(acknowledged) - len(lost),
        lost=len(lost),
        unexpected=len(unexpected),
        duplicated=sum(found[key] - 1 for key in duplicated),
        recovered=sum(1 for key in unknown if found[key]),
        examples=tuple(f"{how}: {key}" for how, keys in wrong.items() for key in keys[:_SHOWN]),
    )


@dataclass(frozen=True)
class FoundCase:
    """A case as the database of cases holds it."""

    id: UUID
    label: str
    number: str
    file_ids: tuple[str, ...]  # that its first entry cites


@dataclass(frozen=True)
class FoundFile:
    """A stored file; `sha256` is of the bytes that the portal handed out, empty when it did not."""

    id: str
    label: str
    case_id: UUID | None
    sha256: str


@dataclass(frozen=True)
class FoundEvent:
    """An entry of the audit log of cases."""

    type: str
    case_id: UUID


@dataclass(frozen=True)
class Row:
    """A row of the delivery ledger. Times are seconds since the epoch, by the database's clock."""

    number: str
    email: str
    state: str
    reason: str
    unknown_outcomes: int
    settled_at: float
    sending_at: float = 0.0  # when it was last marked as being sent; 0 for never


@dataclass(frozen=True)
class Found:
    """What there is when all has come to rest."""

    cases: Sequence[FoundCase] = ()
    listed: Collection[str] = ()  # numbers that the portal lists
    files: Sequence[FoundFile] = ()
    events: Sequence[FoundEvent] = ()
    copies: Collection[UUID] = ()  # cases that contracts knows of
    rows: Sequence[Row] = ()
    mails: Sequence[Taken] = ()
    leftovers: Mapping[str, int] = field(default_factory=dict)  # what should be nothing: pending events, dead letters…


@dataclass(frozen=True)
class Choice:
    """Somebody opts out, and in again. Times are seconds since the epoch; 0 for never."""

    email: str
    out_began: float
    out_answered: float
    in_began: float = 0.0
    in_answered: float = 0.0

    def surely_out(self, at: float) -> bool:
        """The opting out was answered, and the opting in not yet asked for."""
        return self.out_answered < at and (not self.in_began or at < self.in_began)

    def perhaps_out(self, began: float, ended: float) -> bool:
        """At some moment in between they were, or may have been, opted out."""
        return self.out_began < ended and (not self.in_answered or began < self.in_answered)


@dataclass(frozen=True)
class Verdict:
    """The counters of each chain, and every reason why the run is red."""

    chains: Mapping[str, Counters]
    repeated_mails: int  # within the window in which nobody knows whether the server has a mail
    unknown_outcomes: int
    under_way: Sequence[float] = ()  # seconds after an opting out at which mails came that were already being sent
    suppressed: int = 0  # for those who had opted out
    red: Sequence[str] = ()

    @property
    def is_green(self) -> bool:
        return not self.red


def check(record: Record, found: Found, *, submitter: str, choices: Sequence[Choice] = ()) -> Verdict:
    """Judges a run. `submitter` has opted out of case mails before it began."""
    rows = [row for row in found.rows if row.email != submitter]
    mails = [mail for mail in found.mails if mail.case_number]
    rightly_suppressed = _rightly_suppressed(record, rows, choices)
    window = {(row.email, row.number): row.unknown_outcomes for row in rows}
    chains = {
        "cases": _check_cases(record, found),
        "attachments": _check_attachments(record, found),
        "events": _check_events(record, found),
        "effects": _check_effects(record, found, submitter=submitter),
        "mails": _check_mails(record, found, mails, rightly_suppressed, window),
    }
    broken = _sent_after_opting_out(rows, choices)
    return Verdict(
        chains=chains,
        repeated_mails=_repeated(mails, window),
        unknown_outcomes=sum(window.values()),
        under_way=_under_way(mails, choices),
        suppressed=len(rightly_suppressed),
        red=[*_red(record, chains, found.leftovers), *([f"mails sent after opting out {broken}"] if broken else [])],
    )


def _red(record: Record, chains: Mapping[str, Counters], leftovers: Mapping[str, int]) -> list[str]:
    wrong = {
        f"{chain} {name}": getattr(counters, name)
        for chain, counters in chains.items()
        for name in ("lost", "unexpected", "duplicated")
    }
    wrong["unanswered"] = sum(1 for attempt in record.attempts if not attempt.number)
    wrong["wrong answers"] = len(record.wrong_answers)
    wrong["hung"] = sum(1 for each in record.tries if each.took_s > LONGEST_ANSWER_S)
    return [f"{name} {value}" for name, value in {**wrong, **leftovers}.items() if value]


def _had_no_answer(attempt: Attempt) -> bool:
    # A 503, too, may come from the gateway after the service has done it.
    return any(each.status in {0, *NOT_NOW} for each in attempt.case_tries)


def _check_cases(record: Record, found: Found) -> Counters:
    """An answered case is the one with the number that was answered, in the database and in the portal's list."""
    numbers = {attempt.label: attempt.number for attempt in record.attempts}
    there: dict[str, set[str]] = {}
    for case in found.cases:
        there.setdefault(case.label, set()).add(case.number)

    def key(case: FoundCase) -> str:
        answered = numbers.get(case.label)
        same = not answered or answered in there[case.label]
        return case.label if same and case.number in found.listed else f"{case.label} as {case.number}"

    return count(
        attempted=set(numbers),
        acknowledged={label for label, number in numbers.items() if number},
        unknown={attempt.label for attempt in record.attempts if _had_no_answer(attempt)},
        found=Counter(key(case) for case in found.cases),
    )


def _check_attachments(record: Record, found: Found) -> Counters:
    """A file is there once, with its bytes, and cited by its own case and no other."""
    wanted = {attempt.label: attempt for attempt in record.attempts}
    citing: dict[str, list[FoundCase]] = {}
    for case in found.cases:
        for file_id in case.file_ids:
            citing.setdefault(file_id, []).append(case)

    def key(file: FoundFile) -> str:
        attempt = wanted.get(file.label)
        if attempt is None or (attempt.file_id and attempt.file_id != file.id):
            return f"{file.label} as {file.id}"
        cited_by = [case.label for case in citing.get(file.id, [])]
        if file.sha256 != attempt.sha256 or (attempt.number and cited_by != [file.label]):
            return f"{file.label} changed, cited by {cited_by}"
        # The claim in the file's document agrees with the citation.
        claimed = [case.id for case in citing.get(file.id, [])]
        return file.label if claimed in ([], [file.case_id]) else f"{file.label} claimed by {file.case_id}"

    return count(
        attempted=set(wanted),
        acknowledged={label for label, attempt in wanted.items() if attempt.file_id},
        unknown={
            label for label, attempt in wanted.items() if any(each.status != 201 for each in attempt.upload_tries)
        },
        found=Counter(key(file) for file in found.files),
    )


_EVENTS = ("cases.case.created.v1", "cases.case.changed.v1")


def _check_events(record: Record, found: Found) -> Counters:
    """Each case has said once that it was created and what it is, in the audit log."""
    labels = {case.id: case.label for case in found.cases}
    return count(
        attempted={(case.label, event) for case in found.cases for event in _EVENTS},
        acknowledged={(attempt.label, event) for attempt in record.attempts if attempt.number for event in _EVENTS},
        unknown={(attempt.label, event) for attempt in record.attempts if _had_no_answer(attempt) for event in _EVENTS},
        found=Counter((labels.get(event.case_id, str(event.case_id)), event.type) for event in found.events),
    )


def _check_effects(record: Record, found: Found, *, submitter: str) -> Counters:
    """Each case is known to contracts, and has one row in the ledger for each of its two people."""
    labels = {case.number: case.label for case in found.cases}
    ids = {case.id: case.label for case in found.cases}
    people = {attempt.label: (attempt.email, submitter) for attempt in record.attempts}

    def of(label: str) -> list[tuple[str, str]]:
        return [(label, effect) for effect in ("copy", *people.get(label, ()))]

    return count(
        attempted={effect for case in found.cases for effect in of(case.label)},
        acknowledged={effect for attempt in record.attempts if attempt.number for effect in of(attempt.label)},
        unknown={effect for attempt in record.attempts if _had_no_answer(attempt) for effect in of(attempt.label)},
        found=Counter(
            [(ids.get(copy, str(copy)), "copy") for copy in found.copies]
            + [(labels.get(row.number, row.number), row.email) for row in found.rows]
        ),
    )


Key = tuple[str, str]  # address, case number


def _check_mails(
    record: Record,
    found: Found,
    mails: Sequence[Taken],
    rightly_suppressed: Collection[Key],
    window: Mapping[Key, int],
) -> Counters:
    """Each contact was told of each case once. A second copy in the window, with the same id, is counted elsewhere."""
    contacts = {attempt.label: attempt.email for attempt in record.attempts}
    wanted = {(contacts[case.label], case.number) for case in found.cases if case.label in contacts}
    wanted -= set(rightly_suppressed)
    came: Counter[Key] = Counter((mail.to, mail.case_number) for mail in mails)
    ids: dict[Key, set[str]] = {}
    for mail in mails:
        ids.setdefault((mail.to, mail.case_number), set()).add(mail.message_id)
    excused = {key: window.get(key, 0) if len(ids[key]) == 1 else 0 for key in came}
    return count(
        attempted=wanted,
        acknowledged=wanted,
        unknown={key for key, unknown_outcomes in window.items() if unknown_outcomes},
        found=Counter({key: max(1, copies - excused[key]) for key, copies in came.items()}),
    )


def _repeated(mails: Sequence[Taken], window: Mapping[Key, int]) -> int:
    came = Counter((mail.to, mail.case_number) for mail in mails)
    return sum(min(copies - 1, window.get(key, 0)) for key, copies in came.items())


def _rightly_suppressed(record: Record, rows: Sequence[Row], choices: Sequence[Choice]) -> set[Key]:
    """Rows of those who had opted out at some moment between the case's beginning and the row's end."""
    began = {attempt.number: attempt.began for attempt in record.attempts}
    return {
        (row.email, row.number)
        for row in rows
        if row.state == "suppressed"
        and row.reason == "opted_out"
        and any(
            choice.perhaps_out(began.get(row.number, 0.0), row.settled_at)
            for choice in choices
            if choice.email == row.email
        )
    }


def _sent_after_opting_out(rows: Sequence[Row], choices: Sequence[Choice]) -> int:
    return sum(
        1
        for row in rows
        if row.sending_at and any(choice.surely_out(row.sending_at) for choice in choices if choice.email == row.email)
    )


def _under_way(mails: Sequence[Taken], choices: Sequence[Choice]) -> list[float]:
    return sorted(
        round(mail.from_at - choice.out_answered, 4)
        for mail in mails
        for choice in choices
        if choice.email == mail.to and choice.surely_out(mail.from_at)
    )
