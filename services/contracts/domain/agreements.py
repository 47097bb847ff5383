"""What the vendor promised, and until when."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Self
from uuid import UUID

from shared.coverage import AgreementKind, Term
from shared.errors import Conflict
from shared.events.base import Event
from shared.events.contracts import AgreementChanged


class SaidExists(Conflict):
    """SAIDs are unique."""

    code = "said_exists"
    title = "There is an agreement with this SAID already."


@dataclass(frozen=True, slots=True)
class Agreement:
    """A service contract, warranty extension or base warranty; `end` is the last covered day.

    Its devices name it, not the other way round; `to_link` are serials whose devices do not do so yet.
    """

    id: UUID
    version: int
    kind: AgreementKind
    said: str | None
    sar: str | None
    company_id: UUID | None
    level: str
    start: date
    end: date
    link_after: datetime | None = None
    to_link: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()

    @classmethod
    def new(
        cls,
        agreement_id: UUID,
        *,
        kind: AgreementKind,
        said: str | None,
        sar: str | None,
        company_id: UUID | None,
        level: str,
        start: date,
        end: date,
        serials: Iterable[str],
        now: datetime,
    ) -> Self:
        """An agreement that is to be linked to the devices with these serials."""
        to_link = tuple(dict.fromkeys(serials))
        agreement = cls(
            id=agreement_id,
            version=1,
            kind=kind,
            said=said,
            sar=sar,
            company_id=company_id,
            level=level,
            start=start,
            end=end,
            link_after=now if to_link else None,
            to_link=to_link,
        )
        return replace(agreement, events=(agreement.changed_event(version=1, now=now),))

    def changed_event(self, *, version: int, now: datetime) -> AgreementChanged:
        """What others copy of it; the SAR is a proof, so it stays here."""
        return AgreementChanged(
            at=now,
            version=version,
            agreement_id=self.id,
            agreement_kind=self.kind,
            said=self.said,
            company_id=self.company_id,
            level=self.level,
            start=self.start,
            end=self.end,
        )

    @property
    def term(self) -> Term:
        """Its days, for the rule of coverage."""
        return Term(kind=self.kind, level=self.level, start=self.start, end=self.end)
