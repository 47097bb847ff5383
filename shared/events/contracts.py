"""The events of contracts: products, devices and agreements as others copy them."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from shared.coverage import AgreementKind
from shared.events.base import State


class ProductChanged(State):
    """A catalogue entry; a retired one is no longer offered."""

    type: ClassVar[str] = "contracts.product.changed.v1"
    product_id: UUID
    product_number: str
    name: str
    line: str
    """The product line, such as Printers."""
    has_serials: bool
    """Whether its units carry serial numbers."""
    retired: bool = False
    """No longer offered; cases that name it keep it."""


class DeviceChanged(State):
    """One unit with a serial number."""

    type: ClassVar[str] = "contracts.device.changed.v1"
    device_id: UUID
    serial: str
    """Normalised: upper case, without blanks and dashes."""
    serial_label: str = ""
    """As it stands on the device; empty in events of older versions."""
    product_id: UUID
    product_number: str
    product_name: str
    product_line: str = ""
    """Its product's line when it was loaded; empty in events of older versions."""
    company_id: UUID | None = None
    """None while it has no owner."""
    site_id: UUID | None = None
    agreement_ids: tuple[UUID, ...] = ()
    """Every agreement that it is under, whether running or not."""


class AgreementChanged(State):
    """A service contract, warranty extension or base warranty; its devices name it, not the other way round."""

    type: ClassVar[str] = "contracts.agreement.changed.v1"
    agreement_id: UUID
    agreement_kind: AgreementKind
    said: str | None = None
    """Its number; a base warranty has none."""
    company_id: UUID | None = None
    """None while no company has it."""
    level: str
    """What the customer gets, in the vendor's words."""
    start: date
    """The first covered day."""
    end: date
    """The last covered day."""
    product_numbers: tuple[str, ...] = ()
    """Of the products without serial numbers that it covers for its company."""
    first_answer_hours: int | None = None
    """Within how many hours of a new case the vendor answers for the first time; None for no promise."""
    first_answer_always: bool = False
    """Whether these hours run around the clock, and not only while the company works."""
