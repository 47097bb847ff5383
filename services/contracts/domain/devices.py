"""Units with a serial number."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from services.contracts.domain.products import Product
from shared.errors import Conflict
from shared.events.base import Event
from shared.events.contracts import DeviceChanged

_LOOK_ALIKES = str.maketrans("OQILSZB", "0011528")


class DeviceExists(Conflict):
    """Serial numbers are unique."""

    code = "device_exists"
    title = "There is a device with this serial number already."


def look_alike_key(serial: str) -> str:
    """Equal for serials that are easily taken for one another, such as O and 0, or I and 1."""
    return serial.translate(_LOOK_ALIKES)


@dataclass(frozen=True, slots=True)
class Device:
    """One unit of a product; `serial` is normalised, `company_id` is None while it has no owner."""

    id: UUID
    version: int
    serial: str
    look_alike: str
    product_id: UUID
    product_number: str
    product_name: str
    product_line: str = ""  # of those that older versions loaded, neither this nor the next is known
    serial_label: str = ""  # as the serial stands on the device
    company_id: UUID | None = None
    site_id: UUID | None = None
    agreement_ids: tuple[UUID, ...] = ()
    events: tuple[Event, ...] = ()

    @classmethod
    def new(
        cls,
        device_id: UUID,
        *,
        serial: str,
        serial_label: str,
        product: Product,
        company_id: UUID | None,
        site_id: UUID | None,
        agreement_ids: tuple[UUID, ...],
        now: datetime,
    ) -> Self:
        """A new device under the agreements that waited for it, so that its first event already names them."""
        device = cls(
            id=device_id,
            version=1,
            serial=serial,
            serial_label=serial_label,
            look_alike=look_alike_key(serial),
            product_id=product.id,
            product_number=product.product_number,
            product_name=product.name,
            product_line=product.line,
            company_id=company_id,
            site_id=site_id,
            agreement_ids=agreement_ids,
        )
        return replace(device, events=(device.changed_event(version=1, now=now),))

    @property
    def label(self) -> str:
        """The serial number as people are shown it."""
        return self.serial_label or self.serial

    def covered_by(self, agreement_id: UUID, *, now: datetime) -> Self:
        """The device with one more agreement; unchanged when it names it already."""
        if agreement_id in self.agreement_ids:
            return self
        device = replace(self, agreement_ids=(*self.agreement_ids, agreement_id))
        return replace(device, events=(*self.events, device.changed_event(version=self.version + 1, now=now)))

    def changed_event(self, *, version: int, now: datetime) -> DeviceChanged:
        """What others copy of it."""
        return DeviceChanged(
            at=now,
            version=version,
            device_id=self.id,
            serial=self.serial,
            serial_label=self.serial_label,
            product_id=self.product_id,
            product_number=self.product_number,
            product_name=self.product_name,
            product_line=self.product_line,
            company_id=self.company_id,
            site_id=self.site_id,
            agreement_ids=self.agreement_ids,
        )
