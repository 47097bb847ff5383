"""The HTTP bodies of contracts: products, devices, agreements, coverage."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

from shared.coverage import AgreementKind, Verdict
from shared.schemas.base import (
    Answer,
    CompanyListQuery,
    CompanyQuery,
    Day,
    ListQuery,
    Name,
    Request,
    Searched,
    Short,
    Whole,
    line,
    refuse_unless_one,
)
from shared.serials import normal_said, normal_serial

_SERIAL_LENGTH, _SAID_LENGTH = 60, 40


def _serial(typed: str) -> str:
    serial = normal_serial(typed)
    if not serial or len(serial) > _SERIAL_LENGTH:
        raise PydanticCustomError("serial", "Enter the serial number as it is written on the device.")
    return serial


def _said(typed: str) -> str:
    said = normal_said(typed)
    if len(said) > _SAID_LENGTH:  # some signs are whole words
        raise PydanticKnownError("string_too_long", {"max_length": _SAID_LENGTH})
    return said


@dataclass(frozen=True, slots=True)
class TypedSerial:
    """A serial number as it was typed, which is how it stands on the device, and as it is looked for."""

    label: str
    serial: str

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Of a text."""
        typed = handler.generate_schema(Annotated[str, line(least=1, most=_SERIAL_LENGTH)])
        return core_schema.no_info_after_validator_function(lambda label: cls(label, _serial(label)), typed)


ProductNumber = Annotated[str, line(str.upper, least=1, most=40)]
# Both come in one spelling, so that no service can look for another one.
Serial = Annotated[str, line(least=1, most=_SERIAL_LENGTH), AfterValidator(_serial)]
Said = Annotated[str, line(least=1, most=_SAID_LENGTH), AfterValidator(_said)]


class NewProduct(Request):
    """`POST /vendor/products`."""

    product_number: ProductNumber
    name: Name
    line: Short = ""
    has_serials: bool = True


class ProductAnswer(Answer):
    """A catalogue entry."""

    id: UUID
    product_number: str
    name: str
    line: str
    has_serials: bool
    version: int


class ProductQuery(ListQuery):
    """`GET /products?q=`: type-ahead over name and number."""

    q: Searched = ""
    has_serials: bool | None = None


class NewDevice(Request):
    """`POST /vendor/devices`: an owner may come later."""

    serial: TypedSerial
    product_number: ProductNumber
    company_id: UUID | None = None
    site_id: UUID | None = None


class DeviceQuery(CompanyListQuery):
    """`GET /devices`: the own company's, for the vendor's side those of all companies, unless it names one."""

    site_id: UUID | None = None
    product_number: ProductNumber | None = None


class DeviceAnswer(Answer):
    """One unit with its serial number."""

    id: UUID
    serial: str
    serial_label: str  # as it stands on the device
    product_number: str
    product_name: str
    product_line: str = ""
    company_id: UUID | None
    site_id: UUID | None
    version: int


class NewAgreement(Request):
    """`POST /vendor/agreements`; `end` is the last covered day."""

    max_body_bytes: ClassVar[int] = 1024 * 1024  # thousands of serials

    kind: AgreementKind
    said: Said | None = None
    sar: Said | None = None
    company_id: UUID | None = None
    level: Name
    start: Day
    end: Day
    serials: Annotated[list[Serial], Field(max_length=5000)] = Field(default_factory=list)
    # Of products without serial numbers, which it covers for its company.
    product_numbers: Annotated[list[ProductNumber], Field(max_length=500)] = Field(default_factory=list)
    # Of the hours in which the company works, or of those around the clock.
    first_answer_hours: Annotated[Whole, Field(ge=1, le=240)] | None = None
    first_answer_always: bool = False

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end < self.start:
            raise PydanticCustomError("end_before_start", "The end is before the start.", {"at": ["end"]})
        if self.first_answer_always and self.first_answer_hours is None:
            raise PydanticCustomError("missing", "This field is required.", {"at": ["first_answer_hours"]})
        return self


class AgreementAnswer(Answer):
    """A service contract, warranty extension or base warranty."""

    id: UUID
    kind: AgreementKind
    said: str | None
    company_id: UUID | None
    level: str
    start: date
    end: date
    product_numbers: list[str] = Field(default_factory=list)
    first_answer_hours: int | None = None
    first_answer_always: bool = False
    to_link: int  # serials that still have to be linked to their devices
    version: int


class CoverageQuery(CompanyQuery):
    """`GET /coverage`: exactly one of serial, SAID and product number."""

    serial: Serial | None = None
    said: Said | None = None
    product_number: ProductNumber | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        refuse_unless_one(serial=self.serial, said=self.said, product_number=self.product_number)
        return self


class CoveredDevice(Answer):
    """A device that coverage was asked for, or that an agreement covers."""

    serial: str
    serial_label: str = ""  # as it stands on the device
    product_number: str
    product_name: str
    product_line: str = ""
    site_id: UUID | None


class CoveringAgreement(Answer):
    """An agreement that speaks for the device."""

    id: UUID
    kind: AgreementKind
    said: str | None
    level: str
    start: date
    end: date


class EndingCover(CoveredDevice):
    """A device with the last day of its cover, and the level until then."""

    level: str
    until: date


class EndingCoverAnswer(Answer):
    """`GET /coverage/ending`: what is covered today and in 90 days not any more, the soonest first."""

    items: list[EndingCover]


class CoverageAnswer(Answer):
    """What covers it today, until when, at which level; `devices` is filled for a SAID."""

    verdict: Verdict
    level: str | None = None
    until: date | None = None
    device: CoveredDevice | None = None
    devices: list[CoveredDevice] = Field(default_factory=list)
    agreements: list[CoveringAgreement] = Field(default_factory=list)
    product_number: str | None = None
    product_name: str | None = None
    product_line: str | None = None
    did_you_mean: list[str] = Field(default_factory=list)  # labels of own serials that look like the one asked for
    open_cases: list[str] = Field(default_factory=list)  # numbers; the gateway adds those that the actor may see
