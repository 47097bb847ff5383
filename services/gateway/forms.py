"""Posted forms become the JSON of an API route, and that route's errors come back to the fields."""

import re
from binascii import unhexlify
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from services.gateway import messages
from services.gateway.echo import shortened
from services.gateway.fields import Field, FormSpec, Json
from services.gateway.pasted_addresses import address_in
from services.gateway.waits import when_again

FormData = Mapping[str, str]

_NUMBER = re.compile(r"-?\d{1,18}")
_YES = frozenset({"yes", "1", "true", "on"})
_NO = frozenset({"no", "0", "false"})
_PLACE_IN_LIST = re.compile(r"\.\d+$")
_ESCAPED = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")


def pairs_of(body: bytes, *, most: int) -> list[tuple[str, str]]:
    """Names and texts of a posted form, of a repeated name all; ValueError for more than so many fields.

    `urllib.parse.parse_qsl` takes several times as long for percent signs that stand for nothing.
    """
    if body.count(b"&") >= most:
        raise ValueError(f"more than {most} fields")
    fields = (piece.partition(b"=") for piece in body.split(b"&") if piece)
    return [(_unquoted(name), _unquoted(text)) for name, _equals, text in fields]


def _unquoted(text: bytes) -> str:
    plain = _ESCAPED.sub(lambda run: unhexlify(run[0].replace(b"%", b"")), text.replace(b"+", b" "))
    return plain.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Form:
    """A form with its values: what was typed, as far as it is shown again, and what is wrong with it."""

    spec: FormSpec
    typed: FormData = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    general: tuple[str, ...] = ()  # faults of the whole, and of fields that the page does not show
    is_cut: bool = False  # not all that was typed is shown again

    def __post_init__(self) -> None:
        """Whoever makes a form of what was typed need not think of how much that is."""
        typed, is_cut = shortened(self.typed)
        object.__setattr__(self, "typed", typed)
        object.__setattr__(self, "is_cut", self.is_cut or is_cut)

    def __getitem__(self, name: str) -> str:
        """The text of a field; empty where nothing was typed."""
        return self.typed.get(name, "")

    @property
    def is_refused(self) -> bool:
        """Whether there is anything to mend."""
        return bool(self.errors or self.general)

    def field(self, name: str) -> Field:
        """How a field is called and shown."""
        return self.spec.by_name[name]

    def with_values(self, **typed: str) -> "Form":
        """The same form with other values in some fields."""
        return replace(self, typed={**self.typed, **typed})


def to_json(typed: FormData, spec: FormSpec, *, without: Iterable[str] = ()) -> dict[str, Any]:
    """The body of the route. Empty fields are left out; `without` names fields and objects that do not count."""
    dropped = tuple(without)
    body: dict[str, Any] = {name: {} for name in spec.always if name not in dropped}
    for each in spec.fields:
        text = typed.get(each.name, "")
        if text.strip() and not _belongs_to(each.name, dropped):
            _put(body, each.name, address_in(text) if each.kind == "email" else _value(text, each.json))
    return body


def _belongs_to(name: str, groups: Iterable[str]) -> bool:
    return any(name == group or name.startswith(f"{group}.") for group in groups)


def _value(text: str, json: Json) -> object:
    """What cannot be read stays text: the route that owns the field says what is wrong with it."""
    if json == "number" and _NUMBER.fullmatch(text.strip()):
        return int(text)
    if json == "flag" and text in _YES | _NO:
        return text in _YES
    return text.split() if json == "list" else text


def _put(body: dict[str, Any], name: str, value: object) -> None:
    *groups, last = name.split(".")
    for group in groups:
        body = body.setdefault(group, {})
    body[last] = value


def from_json(answer: Mapping[str, Any], *, prefix: str = "") -> dict[str, str]:
    """The fields of a form, filled from an API answer: the way back of `to_json`."""
    typed: dict[str, str] = {}
    for name, value in answer.items():
        if isinstance(value, Mapping):
            typed |= from_json(value, prefix=f"{prefix}{name}.")
        elif isinstance(value, bool):
            typed[prefix + name] = "yes" if value else "no"
        elif isinstance(value, str | int):
            typed[prefix + name] = str(value)
    return typed


def refused(spec: FormSpec, typed: FormData, problem: Mapping[str, Any]) -> Form:
    """The form as it was typed, with a problem's errors at the fields that the page shows."""
    names = tuple(each.name for each in spec.shown)
    at_fields: dict[str, str] = {}
    general: list[str] = []
    for error in problem.get("errors", ()):
        name = _PLACE_IN_LIST.sub("", str(error["field"]))
        if name not in names:
            general.append(messages.of_field(error))
        elif typed.get(name, "").strip() or not (ask := spec.by_name[name].ask):
            at_fields.setdefault(name, messages.of_field(error))
        else:
            at_fields.setdefault(name, str(ask))
    if not at_fields and not general:
        general.append(messages.of_problem(problem))
    if wait := when_again(problem.get("status", 0), problem.get("retry_after")):
        general.append(wait)
    # The summary follows the order of the page, not of the body.
    ordered = {name: at_fields[name] for name in names if name in at_fields}
    return Form(spec, typed, ordered, tuple(dict.fromkeys(general)))


def read_problem(body: bytes) -> dict[str, Any]:
    """A problem+json body; empty when it is none."""
    try:
        problem = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return problem if isinstance(problem, dict) else {}
