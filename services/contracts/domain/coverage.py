"""What covers a device, an agreement's devices or a product."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Self
from zoneinfo import ZoneInfo

from services.contracts.domain.agreements import Agreement
from services.contracts.domain.devices import Device
from services.contracts.domain.products import Product
from shared.coverage import NOT_COVERED, UNVERIFIED, Coverage, coverage_on


def today_in(time_zone: str, now: datetime) -> date:
    """The date on the company's wall calendar."""
    return now.astimezone(ZoneInfo(time_zone)).date()


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
    def of_device(cls, device: Device, agreements: tuple[Agreement, ...], today: date) -> Self:
        """All agreements of a device together."""
        coverage = coverage_on(today, (agreement.term for agreement in agreements))
        return cls(coverage, device=device, agreements=agreements)

    @classmethod
    def of_agreement(cls, agreement: Agreement, devices: tuple[Device, ...], today: date) -> Self:
        """One agreement, and the devices that it covers."""
        return cls(coverage_on(today, [agreement.term]), devices=devices, agreements=(agreement,))

    @classmethod
    def of_product(cls, product: Product) -> Self:
        """Agreements name devices: a product by its number alone is known, but nothing covers it."""
        return cls(NOT_COVERED, product=product)

    @classmethod
    def unverified(cls, *, did_you_mean: tuple[str, ...] = ()) -> Self:
        """The vendor knows nothing of it, or it is not the asking company's: the two are never told apart."""
        return cls(UNVERIFIED, did_you_mean=did_you_mean)
