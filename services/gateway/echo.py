"""How much of what was typed is shown again: each field a good deal longer than it may be, and never without end."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from services.gateway.routes import ROUTES

# A text that is too long comes back whole, to be shortened; what no person would write is not sent back and forth.
_TIMES_ITS_LIMIT = 2
_AT_LEAST = 1000
_TOGETHER = 100_000
_MOST_FIELDS = 300
_LONGEST_NAME = 100
_OF_PAGES_ALONE = {"emails": 50_000, "attachment_ids": 8000, "next": 8000, "kept_path": 8000}
# In a form whose texts were cut already, however often it is sent on.
CUT = "kept_cut"


def shortened(typed: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    """The fields as they are shown again, and whether anything of them is missing."""
    shown: dict[str, str] = {}
    left = _TOGETHER
    for name, text in typed.items():
        if len(name) > _LONGEST_NAME or len(shown) >= _MOST_FIELDS:
            continue
        shown[name] = text[: min(left, _limit_of(name))]
        left -= len(shown[name])
    return shown, shown != typed or CUT in typed


def _limit_of(name: str) -> int:
    """By the last part of the name, which is the field's own in every group: `contact.email`."""
    field = name.rpartition(".")[2]
    return _OF_PAGES_ALONE.get(field) or max(_AT_LEAST, _TIMES_ITS_LIMIT * _limits().get(field, 0))


@cache
def _limits() -> dict[str, int]:
    """How long each text may be that a route takes, as the schemas say it."""
    limits: dict[str, int] = {}
    for route in ROUTES:
        for name, longest in _lengths(route.body.model_json_schema() if route.body else {}):
            limits[name] = max(longest, limits.get(name, 0))
    return limits


def _lengths(schema: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, field in schema.get("properties", {}).items():
        yield from ((name, kind["maxLength"]) for kind in (field, *field.get("anyOf", ())) if "maxLength" in kind)
    for part in schema.get("$defs", {}).values():
        yield from _lengths(part)
