"""Every code that a service can refuse with has its text for pages, in both languages, with the values it needs."""

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import services
from services.gateway import messages
from services.gateway.pages.failures import HEADINGS
from services.gateway.texts import _
from shared.errors import FieldError, Invalid, Params, Refusal, TooManyRequests
from shared.i18n import reading_in
from shared.schemas.base import Body, Request

_ROOT = Path(services.__file__).parents[1]
_FOLDERS = ("services", "shared")
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")

# What pydantic can find wrong with a value, by the type of its core schema.
_PYDANTIC = {
    "bool": {"bool_type", "bool_parsing"},
    "date": {
        "date_type",
        "date_parsing",
        "date_from_datetime_parsing",
        "date_from_datetime_inexact",
        "greater_than_equal.date",
        "less_than_equal.date",
    },
    "dict": {"dict_type"},
    "enum": {"enum"},
    "int": {
        "int_type",
        "int_parsing",
        "int_parsing_size",
        "int_from_float",
        "greater_than_equal",
        "less_than_equal",
        "less_than",
    },
    "list": {"list_type", "too_short", "too_long"},
    "literal": {"literal_error"},
    "model": {"model_type", "model_attributes_type"},
    "model-fields": {"missing", "extra_forbidden"},
    "str": {
        "string_type",
        "string_unicode",
        "string_too_short",
        "string_too_long",
        "string_pattern_mismatch",
    },
    "tagged-union": {"union_tag_invalid", "union_tag_not_found"},
    "tuple": {"tuple_type", "too_short", "too_long"},
    "uuid": {"uuid_type", "uuid_parsing"},
}
# These find nothing themselves.
_PASS_ON = (
    "any",
    "default",
    "definition-ref",
    "definitions",
    "function-after",
    "function-before",
    "function-plain",
    "function-wrap",
    "json-or-python",
    "model-field",
    "no-info",
    "nullable",
    "union",
    "with-info",
)
_OF_PYDANTIC: Mapping[str, set[str]] = {
    **{code: {"limit"} for code in ("string_too_short", "string_too_long", "too_short", "too_long")},
    **{code: {"limit"} for code in ("greater_than_equal", "less_than_equal", "less_than")},
    **{code: {"limit"} for code in ("greater_than_equal.date", "less_than_equal.date")},
    **{code: {"allowed"} for code in ("literal_error", "enum", "union_tag_invalid", "union_tag_not_found")},
    "exactly_one": {"fields", "at"},
}
# Of aiohttp, that somebody at a browser can meet.
_OF_AIOHTTP = ("not_found", "method_not_allowed", "request_timeout")


def _import_everything() -> None:
    for folder in _FOLDERS:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")
            if not name.endswith("__main__"):
                importlib.import_module(name)


def _below(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _below(each)


@cache
def _refusals() -> tuple[type[Refusal], ...]:
    _import_everything()
    return tuple(each for each in _below(Refusal) if each.__module__.startswith(_FOLDERS))


@cache
def _trees() -> tuple[tuple[str, ast.Module], ...]:
    paths = sorted(path for folder in _FOLDERS for path in (_ROOT / folder).rglob("*.py"))
    return tuple((str(path.relative_to(_ROOT)), ast.parse(path.read_text(encoding="utf-8"))) for path in paths)


def _calls() -> Iterator[tuple[str, str, ast.Call]]:
    for path, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                yield f"{path}:{node.lineno}", name, node


def _literals(node: ast.expr | None) -> dict[str, str | None]:
    """The names in a dictionary that is written out, with the values that are."""
    if not isinstance(node, ast.Dict):
        return {}
    return {
        str(key.value): value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant)
    }


def _argument(node: ast.Call, place: int, name: str) -> ast.expr | None:
    by_name = {keyword.arg: keyword.value for keyword in node.keywords}
    return node.args[place] if place < len(node.args) else by_name.get(name)


@cache
def _found() -> Mapping[str, set[str]]:
    """The codes that fields are refused with, as `code` or `code.reason`, and the values that all of them bring."""
    found: dict[str, set[str]] = {}
    for _where, name, node in _calls():
        if name == "PydanticCustomError":
            code, params = _argument(node, 0, "error_type"), _literals(_argument(node, 2, "context"))
        elif name in ("at", "FieldError"):
            code, params = _argument(node, 1, "code"), _literals(_argument(node, 3, "params"))
        else:
            continue
        if isinstance(code, ast.Constant) and isinstance(code.value, str):
            key = f"{code.value}.{params['reason']}" if params.get("reason") else code.value
            found[key] = found.get(key, set(params)) & set(params)
    for of_pydantic in _codes_of_pydantic():
        found[of_pydantic] = set(_OF_PYDANTIC.get(of_pydantic, ()))
    return found


@cache
def _codes_of_pydantic() -> frozenset[str]:
    _import_everything()
    kinds: set[str] = set()
    for model in {*_below(Body), *_below(Request)}:
        kinds |= set(_kinds(model.__pydantic_core_schema__))
    return frozenset(code for kind in kinds.difference(_PASS_ON) for code in _PYDANTIC[kind])


def _kinds(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield schema["type"]
        for name, part in schema.items():
            if name not in ("metadata", "expected", "members", "serialization"):
                yield from _kinds(part)
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from _kinds(part)


def _keys(kind: type[Refusal]) -> set[str]:
    key = f"{kind.code}.{kind.reason}" if kind.reason else kind.code
    return {key, getattr(kind, "field_code", key)}


def test_every_class_of_refusal_has_its_text() -> None:
    missing = {key: kind.__name__ for kind in _refusals() for key in _keys(kind) if key not in messages.MESSAGES}
    assert missing == {}
    assert {"CaseIsClosed", "WrongCode", "TooManyAtOnce", "OldForm"} <= {kind.__name__ for kind in _refusals()}


def test_every_code_of_a_field_has_its_text() -> None:
    assert sorted(set(_found()) - set(messages.MESSAGES)) == []
    # Of a schema, of a domain, with a reason, of pydantic.
    assert {"one_line", "not_the_owner", "missing.product_has_serials", "string_pattern_mismatch"} <= set(_found())


def test_every_reason_that_is_given_where_something_is_refused_has_its_text() -> None:
    reasons = {
        params["reason"]: where
        for where, _name, node in _calls()
        for keyword in node.keywords
        if keyword.arg == "params" and (params := _literals(keyword.value)).get("reason")
    }
    known = {key.partition(".")[2] for key in messages.MESSAGES}
    assert {reason: where for reason, where in reasons.items() if reason not in known} == {}


def test_a_text_has_only_values_that_its_code_brings() -> None:
    wrong = {
        code: names - brought
        for code, brought in _found().items()
        if (names := set(_PLACEHOLDER.findall(messages.MESSAGES.get(code, "")))) - brought
    }
    # These get their values where the file is looked at.
    for code in ("file_type", "too_many", "too_large_together", "pin_not_valid"):
        wrong.pop(code, None)
    assert wrong == {}


def test_no_text_is_of_a_code_that_nobody_refuses_with() -> None:
    of_classes = {key for kind in _refusals() for key in _keys(kind)}
    used = of_classes | set(_found()) | set(_OF_AIOHTTP)
    literals = {
        node.value
        for _path, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _path != "services/gateway/messages.py"
    }
    unused = [key for key in messages.MESSAGES if key not in used and (key.partition(".")[2] or key) not in literals]
    assert unused == []


@pytest.mark.parametrize("key", sorted(messages.MESSAGES))
def test_every_text_is_shown_with_its_values_in_both_languages(key: str) -> None:
    text = messages.MESSAGES[key]
    code, _dot, reason = key.partition(".")
    value: object = "2026-11-22" if reason == "date" else 3
    params: Params = dict.fromkeys(_PLACEHOLDER.findall(text), value) | ({"reason": reason} if reason else {})
    english = messages.sentence(code, params)
    assert english
    assert "%" not in english
    with reading_in("fr"):
        assert _(text) != text
        assert messages.sentence(code, params) != english


def test_values_are_written_as_the_reader_writes_them() -> None:
    large = {"reason": "file", "limit_bytes": 1_600_000}
    kinds = {"allowed": ["jpg", "png", "pdf"]}
    first_day = {"reason": "date", "limit": "1900-01-01"}
    with reading_in("en"):
        assert messages.sentence("string_too_long", {"limit": 10_000}) == "Use at most 10,000 characters."
        assert messages.sentence("too_large", large) == "The file is too large. A file may have at most 1.5 MB."
        assert messages.sentence("file_type", kinds).endswith("Accepted are: jpg, png, pdf.")
        assert messages.sentence("greater_than_equal", first_day) == "Enter 1 Jan 1900 or a later day."
        # Of a service of another release.
        other = messages.sentence("less_than_equal", {"reason": "date", "limit": "soon"}, "As it says it.")
        assert other == "As it says it."
    with reading_in("fr"):
        assert messages.sentence("string_too_long", {"limit": 10_000}) == "Au plus 10\u202f000 caractères."
        assert "1,5 Mo" in messages.sentence("too_large", large)
        assert "jpg, png et pdf" in messages.sentence("file_type", kinds)
        assert messages.sentence("greater_than_equal", first_day) == "Saisissez le 1 janv. 1900 ou un jour suivant."


def test_a_code_of_a_newer_service_is_shown_in_the_services_words() -> None:
    error = {"field": "x", "code": "unheard_of", "message": "This is new."}
    with reading_in("fr"):
        assert messages.of_field(error) == "This is new."
        assert messages.of_problem({"code": "unheard_of", "title": "New.", "detail": "This is new."}) == "This is new."
        assert messages.of_field({}) == "Ceci n’est pas accepté."


def test_a_value_that_an_older_service_does_not_send_leaves_its_words() -> None:
    error = {"field": "title", "code": "string_too_long", "message": "Use at most 120 characters."}
    with reading_in("fr"):
        assert messages.of_field(error) == "Use at most 120 characters."


def test_a_reason_that_is_not_known_leaves_the_text_of_the_code() -> None:
    assert messages.sentence("forbidden", {"reason": "of_a_newer_service"}) == "You may not do this."


def test_a_page_names_what_is_wrong_with_the_fields_of_an_address() -> None:
    refusal = Invalid(errors=(FieldError("created_from", "date_parsing", "In English."),) * 2)
    assert messages.of_refusal(refusal) == "Some fields are missing or wrong. Enter a date, such as 2026-11-22."
    assert messages.of_refusal(TooManyRequests(retry_after_s=1)) == "Too many tries. Please wait."


def test_no_page_says_under_its_heading_the_same_again() -> None:
    assert [text for text in HEADINGS.values() if f"{text}." in messages.MESSAGES.values()] == []
