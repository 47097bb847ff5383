"""What all bodies share: strict requests, tolerant answers, and text that is safe to keep."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Generic, TypeVar
from uuid import UUID

import email_validator
import pycountry
from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

from shared import text
from shared.phones import IncompleteNumber, NoNumber, NoSuchNumber, TooManyDigits, read_phone
from shared.zones import find_zone

LANGUAGES = ("en", "fr")
# Kosovo has no code of ISO yet, and XK everywhere else.
COUNTRIES = frozenset(country.alpha_2 for country in pycountry.countries) | {"XK"}
_LONGEST_TYPED = 100  # characters of a short code, with whatever stands around it
_LONGEST_EMAIL = 254
_REMEMBERED = 1_000  # addresses: those of a company's people come again and again
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# A portal may stand in an intranet, where `firma.local`, `home.arpa` and `mail.test` are domains like any other.
email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = ["invalid", "localhost", "onion"]
# What telephones and Japanese keyboards write in place of `'`, and of ASCII.
_AS_TYPED = str.maketrans({0x2019: "'"} | {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)})
# Quotes, dashes and brackets beyond ASCII: of the text around an address, or of a word processor.
_BESIDE_ADDRESSES = frozenset({"Pi", "Pf", "Pd", "Ps", "Pe"})
# Where a mail is handed to a program, what begins so is an option, a command or a file.
_NO_RECIPIENT = ("-", "|", "/")
# No letter decomposes into more characters than this, and the end of a line has two at most: what is longer by so
# many times stays too long, however it is cleaned.
_MOST_EXPANDED = 4
# How many bytes a body may have. A form of a few lines, and any other form without a long text:
SMALL_BODY_BYTES = 16 * 1024
BODY_BYTES = 64 * 1024


class Body(BaseModel):
    """A request body, which says how many bytes it may have: room for the longest texts in any way to write them."""

    max_body_bytes: ClassVar[int] = BODY_BYTES


class Request(Body):
    """A request body or query: unknown fields are refused, and null is the same as to leave a field out."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _read_nulls(cls, given: object) -> object:
        if not isinstance(given, dict) or None not in given.values():
            return given
        fields = {field.alias or name for name, field in cls.model_fields.items()}
        return {name: value for name, value in given.items() if value is not None or name not in fields}


# The default of a field of a `Patch` that is never empty: left out, it stays as it is.
UNCHANGED: Any = Field(default_factory=lambda: None)


def _describe_nulls(schema: dict[str, Any]) -> None:
    """For the API's description: null empties a field, which stays as it is where nothing is sent."""
    for name, described in schema.get("properties", {}).items():
        if "default" in described:
            without = {key: value for key, value in described.items() if key != "default"}
            schema["properties"][name] = {"anyOf": [without, {"type": "null"}]}


class Patch(Request):
    """The body of a PATCH: what is left out stays as it is.

    Null puts the field's default in, which is its empty value; it is refused for a field whose default is `UNCHANGED`.
    """

    model_config = ConfigDict(json_schema_extra=_describe_nulls)

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that were given, and what to put in."""
        return self.model_dump(exclude_unset=True)

    @model_validator(mode="before")
    @classmethod
    def _read_nulls(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        return {name: cls._empty(name) if value is None else value for name, value in given.items()}

    @classmethod
    def _empty(cls, name: str) -> object:
        field = cls.model_fields.get(name)
        return None if field is None or field.default_factory is not None else field.default


class Answer(BaseModel):
    """An answer: readers ignore what they don't know."""

    # What has a default is sent all the same, so the API's description may promise it.
    model_config = ConfigDict(extra="ignore", frozen=True, json_schema_serialization_defaults_required=True)


def example(**fields: Any) -> ConfigDict:
    """The configuration of a request whose description shows an example."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Cleaned:
    """Makes a text safe to keep, as `shared.text` says: `least` to `most` characters are left of it.

    Its length is looked at before anything else, so that no text costs more than a walk through it. `rules` come last
    and see a text that is clean, but may be too long.
    """

    def __init__(
        self, *rules: Callable[[str], str], most: int, least: int = 0, clean: Callable[[str], str] = text.clean
    ) -> None:
        """A rule answers the text to keep, or raises."""
        self._rules = rules
        self._most = most
        self._least = least
        self._clean = clean

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """After pydantic's own check for a text."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The bounds are documented."""
        return handler(schema) | {"maxLength": self._most} | ({"minLength": self._least} if self._least else {})

    def _checked(self, given: str) -> str:
        if len(given) > _MOST_EXPANDED * self._most:
            raise self._too_long()
        try:
            cleaned = self._clean(given).strip()
        except text.TooManyMarks as error:
            sentence = "Leave out some accents: the letter at character {place} has too many of them."
            raise PydanticCustomError("combining_marks", sentence, {"place": error.place}) from error
        if self._least and not text.is_seen(cleaned):
            cleaned = ""
        for rule in self._rules:
            cleaned = rule(cleaned)
        if len(cleaned) < self._least:
            raise PydanticKnownError("string_too_short", {"min_length": self._least})
        if len(cleaned) > self._most:
            raise self._too_long()
        return cleaned

    def _too_long(self) -> PydanticKnownError:
        return PydanticKnownError("string_too_long", {"max_length": self._most})


def line(*rules: Callable[[str], str], most: int, least: int = 0) -> Cleaned:
    """A name or a subject: one line, in which no mark of direction stands."""
    return Cleaned(_one_line, *rules, most=most, least=least, clean=text.clean_line)


def _one_line(given: str) -> str:
    if "\n" in given:
        sentence = "Use one line only: a new one begins after character {place}."
        raise PydanticCustomError("one_line", sentence, {"place": given.index("\n")})
    return given


def _words(given: str) -> str:
    return " ".join(given.split())


def secret_schema(*, most: int) -> WithJsonSchema:
    """How a secret text is documented."""
    return WithJsonSchema(
        {"type": "string", "format": "password", "writeOnly": True, "minLength": 1, "maxLength": most}
    )


def refuse_unless_one(**fields: object) -> None:
    """Of a validator: exactly one of the fields has to be given."""
    given = [name for name, value in fields.items() if value is not None]
    if len(given) != 1:
        sentence = f"Give exactly one of: {', '.join(fields)}."
        raise PydanticCustomError("exactly_one", sentence, {"fields": list(fields), "at": given or list(fields)})


def _email(given: str) -> str:
    """Short ones as well: what is wrong with `x` is not its length."""
    return given if len(given) > _LONGEST_EMAIL else _read_email(given)


@lru_cache(maxsize=_REMEMBERED)
def _read_email(given: str) -> str:
    given = given.translate(_AS_TYPED)
    try:
        # The domain is not looked up: a mail that cannot be delivered is the ledger's business.
        address = validate_email(given, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise _no_email(given) from error
    is_copied_badly = any(not each.isascii() and unicodedata.category(each) in _BESIDE_ADDRESSES for each in address)
    if is_copied_badly or address.startswith(_NO_RECIPIENT):
        raise _no_email(given)
    # Composed again: some letters have only their small form in one piece, such as ǰ.
    return unicodedata.normalize("NFC", address.lower())


def _no_email(given: str) -> PydanticCustomError:
    count, domain = given.count("@"), given.rpartition("@")[2]
    if given and not count:
        sentence = "The @ is missing: an e-mail address looks like ana@example.com."
        return PydanticCustomError("email", sentence, {"reason": "no_at"})
    if count > 1:
        return PydanticCustomError("email", "Enter one e-mail address only.", {"reason": "several"})
    if domain.isalnum():
        # Most often the rest was forgotten: nobody's mistake should go to a host of that name.
        sentence = "The part after the @ needs a dot, as in ana@example.com."
        return PydanticCustomError("email", sentence, {"reason": "no_dot"})
    return PydanticCustomError("email", "Check this e-mail address: it should look like ana@example.com.")


def _phone(given: str, info: ValidationInfo) -> str:
    """Refused with an example of the country that the number has, else of the address beside it."""
    try:
        return read_phone(given, country=(info.data or {}).get("country"))
    except NoSuchNumber as error:
        sentence = "There is no such number. In that country a number looks like {example}."
        raise PydanticCustomError("phone", sentence, {"reason": "no_such_number", "example": error.example}) from error
    except IncompleteNumber as error:
        sentence = "The number is not complete. A whole one looks like {example}."
        raise PydanticCustomError("phone", sentence, {"reason": "incomplete", "example": error.example}) from error
    except TooManyDigits as error:
        sentence = "The number has too many digits. A right one looks like {example}."
        raise PydanticCustomError("phone", sentence, {"reason": "too_many_digits", "example": error.example}) from error
    except NoNumber as error:
        sentence = "Enter the number with its country code, such as {example}."
        raise PydanticCustomError("phone", sentence, {"example": error.example}) from error


def _country(code: str) -> str:
    if code.upper() not in COUNTRIES:
        raise PydanticCustomError("country", "Choose a country from the list (ISO 3166-1, two letters).")
    return code.upper()


def _typed_pin(typed: object) -> object:
    """A PIN as people copy it: with blanks around, a dash of their word processor, or in full-width letters."""
    return text.with_plain_letters(typed).strip() if isinstance(typed, str) and len(typed) <= _LONGEST_TYPED else typed


def _time_zone(typed: str) -> str:
    name = find_zone(typed)
    if name is None:
        raise PydanticCustomError("time_zone", "Choose a time zone from the list, such as Europe/Paris.")
    return name


def _language(code: str) -> str:
    language = code.replace("_", "-").partition("-")[0].lower()
    if language not in LANGUAGES:
        raise PydanticCustomError(
            "language", "Choose one of the languages: {languages}.", {"languages": ", ".join(LANGUAGES)}
        )
    return language


def written_day(value: object) -> object:
    """A rule for dates: as text, `YYYY-MM-DD`."""
    if isinstance(value, date) or (isinstance(value, str) and _DAY.fullmatch(value)):
        return value
    raise PydanticCustomError("date_parsing", "Enter a date, such as 2026-11-22.")


def _whole(value: object) -> object:
    """Some programs write every number with a point, and for JSON 2.0 is as whole as 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _utc(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Name = Annotated[str, line(least=1, most=100)]
Short = Annotated[str, line(most=100)]
# Whatever somebody pastes into a search field, an error message of several lines, too.
Searched = Annotated[str, Cleaned(_words, most=500, clean=text.clean_line)]
PostalCode = Annotated[str, line(least=1, most=20)]
Email = Annotated[str, line(_email, least=3, most=_LONGEST_EMAIL), Field(json_schema_extra={"format": "email"})]
Phone = Annotated[
    str,
    line(most=60),
    AfterValidator(_phone),
    Field(
        description="With the country code. Kept as in E.164, an extension as in RFC 3966: +33472000000;ext=12.",
        examples=["+33 4 72 00 00 00", "+33 4 72 00 00 00 ext. 12"],
    ),
]
Country = Annotated[
    str,
    StringConstraints(min_length=2, max_length=2),
    AfterValidator(_country),
    Field(description="ISO 3166-1, two letters.", examples=["FR"]),
]
TimeZone = Annotated[
    str,
    StringConstraints(max_length=64),
    AfterValidator(_time_zone),
    Field(description="A name of the IANA database.", examples=["Europe/Paris"]),
]
Language = Annotated[
    str,
    StringConstraints(max_length=35),
    AfterValidator(_language),
    Field(
        description="A regional form is taken for its language: fr-CA for fr.",
        json_schema_extra={"enum": list(LANGUAGES)},
    ),
]
# Case makes no difference where a PIN is read out over the phone.
Pin = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,20}$", to_upper=True), BeforeValidator(_typed_pin)]
Whole = Annotated[int, BeforeValidator(_whole), Field(strict=True)]
Version = Annotated[Whole, Field(ge=0, lt=2**53)]
# A number would be taken for seconds since 1970.
Day = Annotated[date, BeforeValidator(written_day)]
Utc = Annotated[
    AwareDatetime,
    PlainSerializer(_utc, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
# In answers: an address that was checked when it came in.
EmailText = Annotated[str, WithJsonSchema({"type": "string", "format": "email"})]


class Address(Request):
    """A postal address."""

    company_name: Name
    address_line_1: Name
    address_line_2: Short = ""
    city: Name
    postal_code: PostalCode
    region: Short = ""
    country: Country


class ListQuery(Request):
    """The parameters of every list."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    # One of a list that is grouped has two names, in any script.
    cursor: Annotated[str, StringConstraints(max_length=2000)] | None = None
    sort: Annotated[str, StringConstraints(max_length=50)] | None = None
    total: Annotated[bool, Field(description="false: nothing is counted; total says what the page alone shows.")] = True


class CompanyQuery(Request):
    """Whose things a request is about: the own company's, unless the vendor's side names another."""

    company_id: UUID | None = None


class CompanyListQuery(CompanyQuery, ListQuery):
    """The parameters of a list of a company's things."""


_I = TypeVar("_I")


class ListAnswer(Answer, Generic[_I]):
    """One page of a list."""

    items: list[_I]
    next_cursor: str | None = None
    total: int
    total_is_lower_bound: bool = False

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """As the API's description calls it: `CaseList` for rows of cases."""
        name = str(params[0].__name__)
        return f"{name.removesuffix('Answer').removesuffix('Row')}List"
