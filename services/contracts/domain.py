"""Products, devices and agreements, and what covers a device; pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.actor import Actor
from shared.coverage import NOT_COVERED, UNVERIFIED, AgreementKind, Coverage, Term, coverage_on
from shared.errors import Conflict, Forbidden
from shared.events.base import Event
from shared.events.contracts import AgreementChanged, DeviceChanged, ProductChanged

_LOOK_ALIKES = str.maketrans("OQILSZB", "0011528")


class ProductExists(Conflict):
    """Product numbers are unique."""

    code = "product_exists"
    title = "There is a product with this number already."


class DeviceExists(Conflict):
    """Serial numbers are unique."""

    code = "device_exists"
    title = "There is a device with this serial number already."


class SaidExists(Conflict):
    """SAIDs are unique."""

    code = "said_exists"
    title = "There is an agreement with this SAID already."


def refuse_unless_vendor_admin(actor: Actor) -> None:
    """The catalogue, devices and agreements are loaded by vendor admins only."""
    if not actor.is_vendor_admin:
        raise Forbidden


def look_alike_key(serial: str) -> str:
    """Equal for serials that are easily taken for one another, such as O and 0, or I and 1."""
    return serial.translate(_LOOK_ALIKES)


def today_in(time_zone: str, now: datetime) -> date:
    """The date on the company's wall calendar."""
    return now.astimezone(ZoneInfo(time_zone)).date()


@dataclass(frozen=True, slots=True)
class Product:
    """A catalogue entry."""

    id: UUID
    version: int
    product_number: str
    name: str
    line: str
    has_serials: bool
    search_text: str
    retired: bool = False
    events: tuple[Event, ...] = ()

    @classmethod
    def new(
        cls, product_id: UUID, *, product_number: str, name: str, line: str, has_serials: bool, now: datetime
    ) -> Self:
        """A product that is offered from now on."""
        said = ProductChanged(
            at=now,
            version=1,
            product_id=product_id,
            product_number=product_number,
            name=name,
            line=line,
            has_serials=has_serials,
        )
        return cls(
            id=product_id,
            version=1,
            product_number=product_number,
            name=name,
            line=line,
            has_serials=has_serials,
            search_text=searchable(f"{product_number} {name} {line}"),
            events=(said,),
        )


def searchable(text: str) -> str:
    """Text as it is compared when somebody types ahead."""
    return " ".join(text.casefold().split())


@dataclass(frozen=True, slots=True)
class Device:
    """One unit of a product; `serial` in its one spelling, `company_id` None while nobody owns it."""

    id: UUID
    version: int
    serial: str
    look_alike: str
    product_id: UUID
    product_number: str
    product_name: str
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
        product: Product,
        company_id: UUID | None,
        site_id: UUID | None,
        agreement_ids: tuple[UUID, ...],
        now: datetime,
    ) -> Self:
        """A device under the agreements that waited for it: listeners take its first state for all there is to say."""
        device = cls(
            id=device_id,
            version=1,
            serial=serial,
            look_alike=look_alike_key(serial),
            product_id=product.id,
            product_number=product.product_number,
            product_name=product.name,
            company_id=company_id,
            site_id=site_id,
            agreement_ids=agreement_ids,
        )
        return replace(device, events=(device.changed_event(version=1, now=now),))

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
            product_id=self.product_id,
            product_number=self.product_number,
            product_name=self.product_name,
            company_id=self.company_id,
            site_id=self.site_id,
            agreement_ids=self.agreement_ids,
        )


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
