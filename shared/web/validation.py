"""What pydantic found wrong, in our words: the field as the client sent it, and the values of the message as params."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from itertools import zip_longest
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import CoreSchema, ErrorDetails

from shared.errors import FieldError, Params

_BODY = "body"  # for what is wrong with the whole
_Loc = tuple[int | str, ...]

# By pydantic's type of error. What is not listed has a message of its own already, or gets pydantic's.
MESSAGES = {
    "missing": "This field is required.",
    "extra_forbidden": "This field is not known here.",
    "string_type": "Enter a text.",
    "string_unicode": "Leave out characters that cannot be read.",
    "string_pattern_mismatch": "This is not in the expected form.",
    "int_type": "Enter a whole number.",
    "int_parsing": "Enter a whole number.",
    "int_parsing_size": "Enter a smaller number.",
    "int_from_float": "Enter a whole number.",
    "bool_type": "Choose true or false.",
    "bool_parsing": "Choose true or false.",
    "greater_than_equal": "Enter {limit} or more.",
    "greater_than_equal.date": "Enter {limit} or a later day.",
    "less_than_equal": "Enter {limit} or less.",
    "less_than_equal.date": "Enter {limit} or an earlier day.",
    "less_than": "Enter less than {limit}.",
    "literal_error": "Choose one of: {allowed}.",
    "enum": "Choose one of: {allowed}.",
    "union_tag_invalid": "Choose one of: {allowed}.",
    "union_tag_not_found": "Choose one of: {allowed}.",
    "uuid_type": "This is not an id.",
    "uuid_parsing": "This is not an id.",
    "date_type": "Enter a date, such as 2026-11-22.",
    "date_parsing": "Enter a date, such as 2026-11-22.",
    "date_from_datetime_parsing": "Enter a date, such as 2026-11-22.",
    "date_from_datetime_inexact": "Enter a date, such as 2026-11-22.",
    "list_type": "Send a list.",
    "tuple_type": "Send a list.",
    "dict_type": "Send an object.",
    "model_type": "Send an object.",
    "model_attributes_type": "Send an object.",
    "string_too_short": "Use at least {limit} characters.",
    "string_too_long": "Use at most {limit} characters.",
    "too_short": "Give at least {limit} entries.",
    "too_long": "Give at most {limit} entries.",
}
_OF_ONE = {"characters": "character", "entries": "entry"}
_LIMITS = ("min_length", "max_length", "ge", "le", "lt")


def field_errors(error: ValidationError, model: type[BaseModel], *, at_most: int) -> tuple[FieldError, ...]:
    """What is wrong with the first `at_most` fields, once for each."""
    # Without what was sent: each missing field would have all of the body beside it.
    problems = error.errors(include_url=False, include_input=False)[:at_most]
    found: dict[str, FieldError] = {}
    for problem in problems:
        for each in _field_errors(problem, model):
            found.setdefault(each.field, each)
    return tuple(found.values())


def _field_errors(problem: ErrorDetails, model: type[BaseModel]) -> Iterator[FieldError]:
    code = problem["type"]
    parts, schema = _place(problem["loc"], model.__pydantic_core_schema__)
    params = _params(code, problem.get("ctx", {}), schema)
    message = _message(code, params) or problem["msg"]
    for name in _names(problem, schema):
        yield FieldError(".".join([*parts, *name]) or _BODY, code, message, params)


def _names(problem: ErrorDetails, schema: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Below the place of the error: the fields that it is about, if it is about some."""
    if problem["type"].startswith("union_tag"):
        yield (str(schema["discriminator"]),)
    elif names := problem.get("ctx", {}).get("at"):
        yield from ((name,) for name in names)
    else:
        yield ()


def _message(code: str, params: Params) -> str:
    text = MESSAGES.get(f"{code}.{params.get('reason')}") or MESSAGES.get(code, "")
    if params.get("limit") == 1:
        for many, one in _OF_ONE.items():
            text = text.replace(many, one)
    allowed = params.get("allowed")
    shown = ", ".join(map(str, allowed)) if isinstance(allowed, Sequence) else ""
    return text.format_map({**params, "allowed": shown})


def _params(code: str, details: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, object]:
    if code in ("literal_error", "enum", "union_tag_invalid", "union_tag_not_found"):
        return {"allowed": list(dict.fromkeys(_allowed(schema)))}
    for name in _LIMITS:
        if name in details:
            limit = details[name]
            # pydantic tells a date as Python writes it: "datetime.date(1900, 1, 1)".
            params: dict[str, object] = {"limit": limit if isinstance(limit, int) else str(schema.get(name, limit))}
            if schema["type"] == "date":
                return params | {"reason": "date"}
            return params | {"reason": "empty"} if name == "min_length" and limit == 1 else params
    # Our own errors bring their values, and `at`, the fields that a rule about several of them is broken by.
    return {name: value for name, value in details.items() if name != "at"} if code not in MESSAGES else {}


def _allowed(schema: Mapping[str, Any]) -> Iterator[object]:
    """The values that a field takes, where they can be counted."""
    match schema["type"]:
        case "literal":
            yield from (value.value if isinstance(value, Enum) else value for value in schema["expected"])
        case "enum":
            yield from (member.value for member in schema["members"])
        case "tagged-union":
            yield from (str(tag) for tag in schema["choices"])
        case "union":
            for choice in schema["choices"]:
                yield from _allowed(choice)
        case "list":
            yield from _allowed(schema["items_schema"])


def _place(loc: _Loc, schema: CoreSchema) -> tuple[list[str], Mapping[str, Any]]:
    """The field as the client sent it, and what it is validated by.

    pydantic also names what chose between the kinds of a body (`close.reason`), the kinds themselves
    (`status.list[…]`), and the keys of an object as such (`kinds.x.[key]`): nobody has sent these.
    """
    definitions: dict[str, Any] = {}
    field: list[str] = []
    current = _opened(schema, definitions)
    for part, following in zip_longest(loc, loc[1:]):
        if (inner := _inside(current, part, following)) is None:
            break
        if current["type"] != "tagged-union":
            field.append(str(part))
        current = _opened(inner, definitions)
    return field, current


def _inside(schema: Mapping[str, Any], part: int | str, following: int | str | None) -> Any:
    """What a part of a value is validated by; None where a name leads nowhere, such as that of a kind in a union."""
    match schema["type"]:
        case "model-fields":
            known = schema["fields"].get(part)
            return known["schema"] if known else _ANYTHING
        case "list":
            return schema.get("items_schema", _ANYTHING)
        case "tuple":
            return schema["items_schema"][0]
        case "dict":
            return schema.get("keys_schema" if following == "[key]" else "values_schema", _ANYTHING)
        case "tagged-union":
            return schema["choices"].get(part)
    return None


_ANYTHING: dict[str, Any] = {"type": "any"}
_WRAPPERS = ("model", "nullable", "default", "function-after", "function-before", "function-wrap", "definitions")


def _opened(schema: Any, definitions: dict[str, Any]) -> Any:
    """Without what is only wrapped around it."""
    while True:
        match schema["type"]:
            case "definitions":
                definitions |= {each["ref"]: each for each in schema["definitions"]}
                schema = schema["schema"]
            case "definition-ref":
                schema = definitions[schema["schema_ref"]]
            case "json-or-python":
                schema = schema["json_schema"]
            case kind if kind in _WRAPPERS:
                schema = schema["schema"]
            case _:
                return schema
