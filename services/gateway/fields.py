"""Fields of forms: what each is called, how it looks, what explains it, and as what its text is sent."""

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Literal

from services.gateway.texts import _, lazy

Kind = Literal[
    "text",
    "email",
    "tel",
    "password",
    "area",
    "select",
    "country",
    "time_zone",
    "date",
    "time",
    "radios",
    "tick",
    "files",
    "hidden",
]
Json = Literal["text", "number", "flag", "list"]  # a list: words separated by blanks, such as the ids of files
Choices = tuple[tuple[str, str], ...]

YES_OR_NO: Choices = (("yes", lazy("Yes")), ("no", lazy("No")))


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form. A dotted name, `contact.email`, belongs to an object of the JSON."""

    name: str
    label: str
    kind: Kind = "text"
    _: KW_ONLY
    json: Json = "text"
    group: str = ""  # the label of the object
    optional: bool = False
    hint: str = ""  # always shown
    help: str = ""  # shown when the "?" beside the label is pressed
    ask: str = ""  # what to do, said where nothing was typed
    autocomplete: str = ""
    digits: bool = False  # a telephone then shows the keys for digits
    rows: int = 6
    choices: Choices = ()  # empty where only the page knows them
    empty: str | None = None  # the first choice, for none; "" leaves it out
    is_id: bool = False  # of something else, so people cannot read it

    @property
    def full_label(self) -> str:
        """With the group, for places that do not show which one it is."""
        return _("%(group)s: %(field)s") % {"group": self.group, "field": self.label} if self.group else self.label

    @property
    def is_readable(self) -> bool:
        """Whether its value can be shown to people."""
        return bool(self.label) and not self.is_id and self.kind not in {"password", "files"}


@dataclass(frozen=True)
class FormSpec:
    """The fields of a form, in the order of the page."""

    fields: tuple[Field, ...] = ()
    # Objects sent even when nothing of them was typed, so that each of their missing fields is named.
    always: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """Every field by its name."""
        return {field.name: field for field in self.fields}

    @cached_property
    def shown(self) -> tuple[Field, ...]:
        """The fields that a page shows; an error of any other field is shown above the form."""
        return tuple(field for field in self.fields if field.kind != "hidden")

    @property
    def has_draft(self) -> bool:
        """Whether it has a text that is worth being kept while it is written."""
        return any(field.kind == "area" for field in self.fields)


def hidden(name: str, label: str = "", *, json: Json = "text") -> Field:
    """A field that the page fills in; with a label it is shown where the form could not be sent."""
    return Field(name, label, "hidden", json=json)


def in_group(name: str, label: str, fields: Iterable[Field], *, optional: bool = False) -> tuple[Field, ...]:
    """The fields as those of an object."""
    return tuple(
        replace(field, name=f"{name}.{field.name}", group=label, optional=field.optional or optional)
        for field in fields
    )


def with_help(fields: Iterable[Field], texts: Mapping[str, str]) -> tuple[Field, ...]:
    """The fields with an explanation for each name."""
    return tuple(replace(field, help=texts[field.name]) for field in fields)


def with_autocomplete(fields: Iterable[Field], tokens: Mapping[str, str]) -> tuple[Field, ...]:
    """The fields as the browser may fill them in."""
    return tuple(replace(field, autocomplete=tokens[field.name]) for field in fields)


ADDRESS = (
    Field("company_name", lazy("Company name"), ask=lazy("Enter the name of the company.")),
    Field("address_line_1", lazy("Address"), ask=lazy("Enter the street and the number.")),
    Field("address_line_2", lazy("Address, second line"), optional=True),
    Field("postal_code", lazy("Postal code"), ask=lazy("Enter the postal code.")),
    Field("city", lazy("City"), ask=lazy("Enter the city.")),
    Field("region", lazy("Region or state"), optional=True),
    Field("country", lazy("Country"), "country", autocomplete="off", ask=lazy("Choose a country.")),
)
FIRST_NAME = Field("first_name", lazy("First name"), autocomplete="given-name", ask=lazy("Enter the first name."))
LAST_NAME = Field("last_name", lazy("Last name"), autocomplete="family-name", ask=lazy("Enter the last name."))
FILES = Field("attachment_ids", lazy("Files"), "files", json="list")
