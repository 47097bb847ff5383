"""The pure rule of coverage: what covers today, until when, at which level."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum


class AgreementKind(StrEnum):
    """What an agreement is; a kind that is not listed here never counts."""

    SERVICE_CONTRACT = "service_contract"
    WARRANTY_EXTENSION = "warranty_extension"
    BASE_WARRANTY = "base_warranty"


class Verdict(StrEnum):
    """Covered today, not covered, or not known to the vendor."""

    COVERED = "covered"
    NOT_COVERED = "not_covered"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class Term:
    """One agreement's span of days, both ends included."""

    kind: str
    level: str
    start: date
    end: date


@dataclass(frozen=True, slots=True)
class Coverage:
    """The verdict; only where covered, `level`, and `until`: the last day of the unbroken run of covered days."""

    verdict: Verdict
    level: str | None = None
    until: date | None = None


UNVERIFIED = Coverage(Verdict.UNVERIFIED)
NOT_COVERED = Coverage(Verdict.NOT_COVERED)


def coverage_on(today: date, terms: Iterable[Term]) -> Coverage:
    """The coverage by all terms together; `today` is the date in the company's time zone."""
    known = sorted((term for term in terms if term.kind in set(AgreementKind)), key=lambda term: (term.start, term.end))
    running = [term for term in known if term.start <= today <= term.end]
    if not running:
        return NOT_COVERED
    last = max(running, key=lambda term: term.end)
    until = last.end
    for term in known:
        if today < term.start and term.start - timedelta(days=1) <= until:
            until = max(until, term.end)
    return Coverage(Verdict.COVERED, last.level, until)
