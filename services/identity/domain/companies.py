"""Companies: the vendor's one record, and its customers'."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.actor import Visibility
from shared.errors import Invalid
from shared.events.identity import CompanyChanged, CompanyHours, CompanyPin

# Fixed, so that two commands at the same moment cannot make two vendors.
VENDOR_ID = UUID("00000000-0000-4000-8000-000000000001")


class Kind(StrEnum):
    """The vendor is a company too, but never listed."""

    VENDOR = "vendor"
    CUSTOMER = "customer"


class DuplicatePin(Invalid):
    """One code in two rows of a company's list."""

    code = "duplicate_pin"
    title = "This PIN is listed twice."


class PinNotValid(Invalid):
    """Not one of the company's PINs. `state` lists those that are."""

    code = "pin_not_valid"
    reason = "not_of_company"
    title = "Choose one of your company’s PINs."


@dataclass(frozen=True, slots=True)
class Pin:
    """A special-handling code; bound to an agreement, to a site, to both, or to nothing. `instructions`: for agents."""

    pin: str
    label: str
    instructions: str = ""
    said: str | None = None
    site_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """On which days of the week (1 is Monday) a company works, and when, by the clocks of its time zone."""

    days: tuple[int, ...] = (1, 2, 3, 4, 5)
    start: str = "08:00"
    end: str = "18:00"  # 24:00 for the end of the day


OFFICE_HOURS = WorkingHours()


@dataclass(frozen=True, slots=True)
class Company:
    """A tenant. `admin_ids` are its active administrators: never empty once there was one."""

    id: UUID
    kind: Kind
    name: str
    time_zone: str
    visibility: Visibility
    created_at: datetime
    suspended: bool = False
    admin_ids: tuple[UUID, ...] = ()
    pins: tuple[Pin, ...] = ()
    working_hours: WorkingHours = OFFICE_HOURS
    version: int = 1
    events: tuple[CompanyChanged, ...] = ()

    @classmethod
    def found(
        cls, company_id: UUID, *, kind: Kind, name: str, time_zone: str, visibility: Visibility, now: datetime
    ) -> "Company":
        """A new company, which others hear of."""
        company = cls(id=company_id, kind=kind, name=name, time_zone=time_zone, visibility=visibility, created_at=now)
        return replace(company, events=(company.changed_event(version=1, now=now),))

    def with_pins(self, pins: Iterable[Pin], now: datetime) -> "Company":
        """With another list of PINs; the same company where nothing differs. DuplicatePin."""
        changed = replace(self, pins=tuple(pins))
        if changed == self:
            return self
        changed._refuse_duplicate_pins()
        return replace(changed, events=(*self.events, changed.changed_event(version=self.version + 1, now=now)))

    def with_working_hours(self, hours: WorkingHours, now: datetime) -> "Company":
        """With other working hours; the same company where nothing differs."""
        changed = replace(self, working_hours=replace(hours, days=tuple(sorted(set(hours.days)))))
        if changed == self:
            return self
        return replace(changed, events=(*self.events, changed.changed_event(version=self.version + 1, now=now)))

    def refuse_unknown_pin(self, wanted: str) -> None:
        """PinNotValid, with the PINs that are the company's."""
        if any(pin.pin == wanted for pin in self.pins):
            return
        valid = [{"pin": pin.pin, "label": pin.label} for pin in self.pins]
        raise PinNotValid(errors=(PinNotValid.of_field("pin"),), state={"valid_pins": valid})

    def _refuse_duplicate_pins(self) -> None:
        codes = [pin.pin for pin in self.pins]
        repeated = [place for place, code in enumerate(codes) if code in codes[:place]]
        if repeated:
            raise DuplicatePin(errors=tuple(DuplicatePin.of_field(f"pins.{place}.pin") for place in repeated))

    def changed_event(self, *, version: int, now: datetime) -> CompanyChanged:
        """What others copy of it."""
        return CompanyChanged(
            at=now,
            version=version,
            company_id=self.id,
            name=self.name,
            is_vendor=self.kind is Kind.VENDOR,
            time_zone=self.time_zone,
            visibility=self.visibility,
            suspended=self.suspended,
            pins=tuple(CompanyPin(**asdict(pin)) for pin in self.pins),
            working_hours=CompanyHours(**asdict(self.working_hours)),
        )
