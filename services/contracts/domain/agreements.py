"""What the vendor promised, and until when."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Self
from uuid import UUID

from shared.coverage import AgreementKind, AgreementState, Term
from shared.errors import Conflict, Invalid
from shared.events.base import Event
from shared.events.contracts import AgreementChanged


class SaidExists(Conflict):
    """SAIDs are unique."""

    code = "said_exists"
    title = "There is an agreement with this SAID already."


@dataclass(frozen=True, slots=True)
class Claim:
    """The proof by which a company claims an agreement: SAID and SAR, or a device's serial, product number and site."""

    claimed_by: UUID
    claimed_at: datetime
    said: str | None = None
    sar: str | None = None
    serial: str | None = None
    product_number: str | None = None
    site_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """A service contract, warranty extension or base warranty; `end` is the last covered day.

    Its devices name it, not the other way round; `to_link` holds the serials of devices that do not name it yet.
    Products without serial numbers are named by it (`product_numbers`). A claim that the vendor's data do not confirm
    is `unverified`: it has no level, no days and no SAID of its own, covers nothing, and makes no events.
    """

    id: UUID
    version: int
    kind: AgreementKind
    company_id: UUID | None
    said: str | None = None
    sar: str | None = None
    level: str = ""
    start: date | None = None
    end: date | None = None
    product_numbers: tuple[str, ...] = ()
    first_answer_hours: int | None = None
    first_answer_always: bool = False
    state: AgreementState = AgreementState.CONFIRMED
    claim: Claim | None = None
    deleted_at: datetime | None = None
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
        product_numbers: Iterable[str],
        first_answer_hours: int | None = None,
        first_answer_always: bool = False,
        now: datetime,
    ) -> Self:
        """An agreement that is to be linked to the devices with these serials; a service contract has a SAID."""
        if kind is AgreementKind.SERVICE_CONTRACT and said is None:
            raise Invalid.at("said", "missing", "A service contract needs its SAID.", {"reason": "service_contract"})
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
            product_numbers=tuple(dict.fromkeys(product_numbers)),
            first_answer_hours=first_answer_hours,
            first_answer_always=first_answer_always,
            link_after=now if to_link else None,
            to_link=to_link,
        )
        return agreement.with_event(version=1, now=now)

    @classmethod
    def claimed(cls, agreement_id: UUID, *, kind: AgreementKind, company_id: UUID, claim: Claim) -> Self:
        """What a company claims to have, while the vendor's data do not know it."""
        unverified = AgreementState.UNVERIFIED
        return cls(id=agreement_id, version=1, kind=kind, company_id=company_id, state=unverified, claim=claim)

    def with_event(self, *, version: int, now: datetime) -> Self:
        """With the event of its change; an unverified claim makes none."""
        event = self.changed_event(version=version, now=now)
        return self if event is None else replace(self, events=(*self.events, event))

    def changed_event(self, *, version: int, now: datetime) -> AgreementChanged | None:
        """What others copy of it; the SAR is a proof, so it stays here."""
        if self.state is AgreementState.UNVERIFIED:
            return None
        return AgreementChanged(
            at=now,
            version=version,
            deleted=self.deleted_at is not None,
            agreement_id=self.id,
            agreement_kind=self.kind,
            said=self.said,
            company_id=self.company_id,
            level=self.level,
            start=self.term.start,
            end=self.term.end,
            product_numbers=self.product_numbers,
            first_answer_hours=self.first_answer_hours,
            first_answer_always=self.first_answer_always,
        )

    @property
    def term(self) -> Term:
        """What counts for coverage; a claim has no days yet, so its span is empty."""
        return Term(
            kind=self.kind,
            level=self.level,
            start=self.start or date.max,
            end=self.end or date.min,
            company_id=self.company_id,
            state=self.state,
            deleted=self.deleted_at is not None,
        )
