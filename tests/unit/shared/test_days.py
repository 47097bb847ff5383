"""Days as they may be written."""

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.schemas.base import Day

_DAY: TypeAdapter[Day] = TypeAdapter(Day)


def test_a_day_is_taken_as_it_is_written() -> None:
    assert _DAY.validate_python("2026-11-22").isoformat() == "2026-11-22"
    assert _DAY.validate_json('"2026-11-22"').isoformat() == "2026-11-22"


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "1",
        "1764000000",
        "-1",
        "2026-11",
        "2026-11-22T00:00",
        "2026-11-22T00:00:00Z",
        "2026-02-30",
        "",
    ],
)
def test_nothing_else_is_taken_for_one(text: str) -> None:
    with pytest.raises(ValidationError):
        _DAY.validate_python(text)


@pytest.mark.parametrize("number", ["0", "1764000000", "1.5", "true", "null"])
def test_nor_is_a_number(number: str) -> None:
    with pytest.raises(ValidationError):
        _DAY.validate_json(number)
