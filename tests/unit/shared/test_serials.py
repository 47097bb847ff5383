"""One spelling for serials and SAIDs."""

import pytest

from shared.serials import normal_said, normal_serial


@pytest.mark.parametrize(
    "typed",
    [
        "CNA1B2C3",
        "cna1b2c3",
        " CNA1 B2C3 ",
        "cna1-b2c3",
        "CNA1–B2C3",  # en dash
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


def test_a_said_keeps_its_dashes() -> None:
    assert normal_said(" 1041-ab 22 ") == "1041-AB22"
