"""What covers a device, an agreement's devices or a product."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self
from uuid import UUID

from services.contracts.domain.agreements import Agreement
from services.contracts.domain.devices import Device
from services.contracts.domain.products import Product
from shared.coverage import UNVERIFIED, Coverage, coverage_on
from shared.zones import zone_of

SOON = timedelta(days=90)


def today_in(time_zone: str, now: datetime) -> date:
    """The date on the company's wall calendar."""
    return now.astimezone(zone_of(time_zone)).date()


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about a serial, SAID or product number, and what covers it."""

    coverage: Coverage
    device: Device | None = None
    devices: tuple[Device, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    product: Product | None = None
    did_you_mean: tuple[str, ...] = ()

    @classmethod
    def of_device(cls, device: Device, agreements: Iterable[Agreement], today: date) -> Self:
        """What covers a device, did or will: those of the agreements that count for its owner, together."""
        counting = _counting(agreements, device.company_id)
        return cls(_coverage(today, counting, device.company_id), device=device, agreements=counting)

    @classmethod
    def of_agreement(cls, agreement: Agreement, devices: tuple[Device, ...], today: date) -> Self:
        """One agreement, and the devices that it covers."""
        coverage = _coverage(today, [agreement], agreement.company_id)
        return cls(coverage, devices=devices, agreements=(agreement,))

    @classmethod
    def of_product(cls, product: Product, agreements: Iterable[Agreement], *, owner: UUID, today: date) -> Self:
        """A product without serial numbers is covered by the agreements of its owner that name it."""
        counting = _counting(agreements, owner)
        return cls(_coverage(today, counting, owner), product=product, agreements=counting)

    @classmethod
    def unverified(cls, *, did_you_mean: tuple[str, ...] = ()) -> Self:
        """The vendor does not know it, or it is another company's: the answer is the same for both."""
        return cls(UNVERIFIED, did_you_mean=did_you_mean)

    def ends_by(self, day: date) -> bool:
        """Whether the cover of today has its last day by then, with all that follows it without a gap."""
        return self.coverage.until is not None and self.coverage.until <= day


def _counting(agreements: Iterable[Agreement], owner: UUID | None) -> tuple[Agreement, ...]:
    return tuple(agreement for agreement in agreements if agreement.term.counts_for(owner))


def _coverage(today: date, agreements: Iterable[Agreement], owner: UUID | None) -> Coverage:
    return coverage_on(today, [agreement.term for agreement in agreements], owner=owner)
