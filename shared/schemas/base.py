"""What all bodies share: strict requests, tolerant answers, and text that is safe to keep."""

import re
import unicodedata
from datetime import datetime
from functools import cache
from typing import Annotated, Generic, TypeVar
from zoneinfo import available_timezones

import phonenumbers
import pycountry
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic_core import PydanticCustomError

LANGUAGES = ("en", "fr")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class Request(BaseModel):
    """A request body or query: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, allow_inf_nan=False)


class Answer(BaseModel):
    """An answer: readers ignore what they don't know."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _clean(text: str) -> str:
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    if _FORBIDDEN.search(text):
        raise PydanticCustomError("control_characters", "Leave out control characters.")
    return text


def _one_line(text: str) -> str:
    if "\n" in text:
        raise PydanticCustomError("one_line", "Use one line only.")
    return text


def _email(text: str) -> str:
    try:
        # The domain is not looked up: a mail that cannot be delivered is the ledger's business.
        return validate_email(text, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise PydanticCustomError("email", "Enter one e-mail address, such as ana@example.com.") from error


def _phone(text: str) -> str:
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as error:
        raise PydanticCustomError(
            "phone", "Enter the number with its country code, such as +33 4 72 00 00 00."
        ) from error
    if not phonenumbers.is_possible_number(number):
        raise PydanticCustomError("phone", "Enter the number with its country code, such as +33 4 72 00 00 00.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _country(code: str) -> str:
    if pycountry.countries.get(alpha_2=code.upper()) is None:
        raise PydanticCustomError("country", "Choose a country from the list (ISO 3166-1, two letters).")
    return code.upper()


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())  # it reads the whole folder of them, each time


def _time_zone(name: str) -> str:
    if name not in _time_zones():
        raise PydanticCustomError("time_zone", "Choose a time zone from the list, such as Europe/Paris.")
    return name


def _language(code: str) -> str:
    if code not in LANGUAGES:
        raise PydanticCustomError("language", "Choose one of the languages: en, fr.")
    return code


def _utc(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Text = Annotated[str, AfterValidator(_clean)]
Line = Annotated[Text, AfterValidator(_one_line)]
Name = Annotated[Line, StringConstraints(min_length=1, max_length=100)]
Short = Annotated[Line, StringConstraints(max_length=100)]
Email = Annotated[Line, StringConstraints(min_length=3, max_length=254), AfterValidator(_email)]
Phone = Annotated[Line, StringConstraints(max_length=40), AfterValidator(_phone)]
Country = Annotated[str, StringConstraints(min_length=2, max_length=2), AfterValidator(_country)]
TimeZone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_time_zone)]
Language = Annotated[str, StringConstraints(max_length=5), AfterValidator(_language)]
# Case makes no difference where a PIN is read out over the phone.
Pin = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,20}$", to_upper=True)]
Version = Annotated[int, Field(ge=0, lt=2**53, strict=True)]
Utc = Annotated[AwareDatetime, PlainSerializer(_utc, when_used="json")]


class Address(Request):
    """A postal address."""

    company_name: Name
    address_line_1: Name
    address_line_2: Short = ""
    city: Name
    postal_code: Annotated[Line, StringConstraints(min_length=1, max_length=20)]
    region: Short = ""
    country: Country


class ListQuery(Request):
    """The parameters of every list."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, StringConstraints(max_length=1000)] | None = None
    sort: Annotated[str, StringConstraints(max_length=50)] | None = None


_I = TypeVar("_I")


class ListAnswer(Answer, Generic[_I]):
    """One page of a list."""

    items: list[_I]
    next_cursor: str | None = None
    total: int
    total_is_lower_bound: bool = False
