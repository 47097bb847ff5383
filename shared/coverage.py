"""The pure rule of coverage: which agreements count, what covers today, until when, at which level."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID


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


class AgreementState(StrEnum):
    """Whether the vendor's data know an agreement, or only a company that claims it."""

    CONFIRMED = "confirmed"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class Term:
    """What an agreement says about coverage: its span of days, both ends included, and whose it is."""

    kind: str
    level: str
    start: date
    end: date
    company_id: UUID | None = None
    state: str = AgreementState.CONFIRMED
    deleted: bool = False

    def counts_for(self, owner: UUID | None) -> bool:
        """Whether it covers what belongs to this company and is under it; None for a device that nobody owns.

        An agreement that no company has covers every device that names it; one of another company never does.
        """
        return (
            not self.deleted
            and self.state == AgreementState.CONFIRMED
            and self.kind in set(AgreementKind)
            and self.company_id in (None, owner)
        )


@dataclass(frozen=True, slots=True)
class Coverage:
    """The verdict; only where covered, `level`, and `until`: the last day of the unbroken run of covered days."""

    verdict: Verdict
    level: str | None = None
    until: date | None = None


UNVERIFIED = Coverage(Verdict.UNVERIFIED)
NOT_COVERED = Coverage(Verdict.NOT_COVERED)


def covering_on(today: date, terms: Iterable[Term], *, owner: UUID | None) -> Term | None:
    """Of the terms that count for the owner and run today, the one that ends last: its level is what is told."""
    running = [term for term in _counting(terms, owner) if term.start <= today <= term.end]
    return max(running, key=lambda term: term.end, default=None)


def coverage_on(today: date, terms: Iterable[Term], *, owner: UUID | None) -> Coverage:
    """The coverage by all terms that count for the owner; `today` is the date in the owner's time zone."""
    counting = _counting(terms, owner)
    last = covering_on(today, counting, owner=owner)
    if last is None:
        return NOT_COVERED
    until = last.end
    for term in counting:
        if today < term.start and term.start - timedelta(days=1) <= until:
            until = max(until, term.end)
    return Coverage(Verdict.COVERED, last.level, until)


def _counting(terms: Iterable[Term], owner: UUID | None) -> list[Term]:
    return sorted((term for term in terms if term.counts_for(owner)), key=lambda term: (term.start, term.end))
