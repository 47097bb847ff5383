"""One spelling for serials and SAIDs."""

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.schemas.base import Pin
from shared.serials import normal_said, normal_serial


@pytest.mark.parametrize(
    "typed",
    [
        "CNA1B2C3",
        "cna1b2c3",
        " CNA1 B2C3 ",
        "cna1-b2c3",
        "CNA1–B2C3",  # en dash
        "CNA1\u2212B2C3",  # minus sign
        "CNA1\u00a0B2C3",  # no-break space
        "CNA1\u200bB2C3",  # zero-width space
        "ＣＮＡ１Ｂ２Ｃ３",  # noqa: RUF001  # full-width forms
    ],
)
def test_a_serial_has_one_spelling_however_it_is_typed(typed: str) -> None:
    assert normal_serial(typed) == "CNA1B2C3"


@pytest.mark.parametrize("typed", ["ß-1", "ﬁ 2", "ǆ", "a_b/c.d"])
def test_a_spelling_is_its_own_spelling(typed: str) -> None:
    assert normal_serial(normal_serial(typed)) == normal_serial(typed)


def test_dashes_alone_are_no_serial() -> None:
    assert normal_serial(" -–- ") == ""


@pytest.mark.parametrize(
    "typed",
    [
        " 1041-ab 22 ",
        "1041\u2013AB22",  # en dash
        "1041\u2011AB22",  # hyphen that does not break
        "1041\u2212AB22",  # minus sign
        "\uff11\uff10\uff14\uff11\uff0d\uff21\uff2222",  # full-width forms
        "1041-AB\u00ad22\u200b",  # soft hyphen, zero-width space
    ],
)
def test_a_said_keeps_its_dashes_whichever_they_are(typed: str) -> None:
    assert normal_said(typed) == "1041-AB22"


_PIN: TypeAdapter[Pin] = TypeAdapter(Pin)


@pytest.mark.parametrize(
    "typed",
    [
        "GOLD-1",
        " gold-1\t",
        "gold\u20131",  # en dash
        "GOLD\u22121",  # minus sign
        "\uff27\uff2f\uff2c\uff24\uff0d\uff11",  # full-width forms
        "\u200eGOLD-\u0661\u202c",  # an Arabic digit between marks of direction
    ],
)
def test_a_pin_has_one_spelling_however_it_is_typed(typed: str) -> None:
    assert _PIN.validate_python(typed) == "GOLD-1"


@pytest.mark.parametrize("typed", ["", " ", "GO LD", "GÖLD", "G" * 21, "G" * 200, 4711, "GOLD_1"])
def test_anything_else_is_no_pin(typed: object) -> None:
    with pytest.raises(ValidationError):
        _PIN.validate_python(typed)
