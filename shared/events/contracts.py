"""What contracts says: products, devices and agreements as others copy them."""

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
    has_serials: bool
    retired: bool = False


class DeviceChanged(State):
    """One unit with a serial number; `company_id` is None while nobody owns it."""

    type: ClassVar[str] = "contracts.device.changed.v1"
    device_id: UUID
    serial: str  # normalised
    product_id: UUID
    product_number: str
    product_name: str
    company_id: UUID | None = None
    site_id: UUID | None = None
    agreement_ids: tuple[UUID, ...] = ()


class AgreementChanged(State):
    """A service contract, warranty extension or base warranty; its devices name it, not the other way round."""

    type: ClassVar[str] = "contracts.agreement.changed.v1"
    agreement_id: UUID
    agreement_kind: AgreementKind
    said: str | None = None
    company_id: UUID | None = None
    level: str
    start: date
    end: date  # the last covered day
