"""Telephone numbers as people write them, and as they are kept and shown."""

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.phones import readable_parts
from shared.schemas.base import Phone
from shared.schemas.identity import ProfileBody

_PHONE: TypeAdapter[Phone] = TypeAdapter(Phone)


def _refusal(typed: str) -> tuple[str | None, str]:
    """Reason and example."""
    with pytest.raises(ValidationError) as refused:
        _PHONE.validate_python(typed)
    (error,) = refused.value.errors()
    assert error["type"] == "phone"
    return error["ctx"].get("reason"), error["ctx"]["example"]


@pytest.mark.parametrize(
    "typed",
    [
        "+33 4 72 00 00 00",
        "+33 (0)4 72 00 00 00",
        "+33.4.72.00.00.00",
        "00 33 4 72 00 00 00",
        "0033472000000",
        "(00)33 4 72 00 00 00",
        "tel:+33-4-72-00-00-00",
        "Tel. 0033 4 72 00 00 00",
        "\uff0b\uff13\uff13 \uff14 \uff17\uff12 00 00 00",  # full-width
        "\uff10\uff10\uff13\uff13472000000",
        "\u0660\u0660\u0663\u0663\u0664\u0667\u0662\u0660\u0660\u0660\u0660\u0660\u0660",  # Arabic-Indic
        "\u202a+33\xa04\u202f72\u200b000000\u202c",  # as a page or a phone book copies it
    ],
)
def test_a_number_is_kept_the_same_however_it_is_written(typed: str) -> None:
    assert _PHONE.validate_python(typed) == "+33472000000"


@pytest.mark.parametrize(
    "extension",
    [
        " ext. 89",
        " extension 89",
        " x89",
        "x89",
        "/x89",
        " #89",
        ",89",
        ",,89",
        ";89",
        ";ext=89",
        " poste 89",
        " (poste 89)",
        ", poste : 89",
        " Durchwahl 89",
        " DW 89",
        " int. 89",
        " \u0434\u043e\u0431. 89",
        " ramal 89",
        " \uff58\uff18\uff19",
    ],
)
def test_an_extension_is_kept_behind_its_number(extension: str) -> None:
    assert _PHONE.validate_python(f"+33 4 72 00 00 00{extension}") == "+33472000000;ext=89"


@pytest.mark.parametrize("kept", ["+33472000000", "+33472000000;ext=12", "+18003569377", "+80012345678;ext=1"])
def test_what_is_kept_or_shown_is_read_as_itself(kept: str) -> None:
    assert _PHONE.validate_python(kept) == kept
    number, extension = readable_parts(kept)
    for word in ("ext.", "poste"):
        assert _PHONE.validate_python(f"{number} {word} {extension}" if extension else number) == kept


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("+1 800 FLOWERS", "+18003569377"),
        ("+1-800-4-A-CHILD ext 4", "+18004224453;ext=4"),
        ("+49 800 TELEKOM", "+498008353566"),
        ("+61 1300 FLOWER", "+611300356937"),
    ],
)
def test_a_number_in_letters_is_one(typed: str, kept: str) -> None:
    assert _PHONE.validate_python(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["+49 30 901820 Fax", "+49 30 901820 home", "+49 30 9018 (Zentrale)", "+49 (0)30 901820 Fax", "+39 06 6982 p. 12"],
)
def test_no_word_beside_a_number_becomes_a_part_of_it(typed: str) -> None:
    assert _refusal(typed)[0] is None


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("+49 30 901820 App. 12", "+4930901820;ext=12"),
        ("+43 1 58801 Kl. 12", "+43158801;ext=12"),
        ("+33 4 72 00 00 00 poste n° 12", "+33472000000;ext=12"),
        ("+81 3-1234-5678 内線12", "+81312345678;ext=12"),
        ("+86 10 6554 1234 转 12", "+861065541234;ext=12"),
        ("+82 2 312 3456 내선 12", "+8223123456;ext=12"),
        ("+48 12 345 67 89 wew. 12", "+48123456789;ext=12"),
        ("+90 212 345 67 89 dahili 12", "+902123456789;ext=12"),
    ],
)
def test_an_extension_is_known_by_its_word_in_many_languages(typed: str, kept: str) -> None:
    assert _PHONE.validate_python(typed) == kept


@pytest.mark.parametrize(
    ("typed", "example"),
    [
        ("+1 000 000 0000", "+1 201-555-0123"),
        ("+1 555 123 4567 ext. 89", "+1 201-555-0123"),
        ("+33 000000000", "+33 1 23 45 67 89"),
        ("+33 4 72 00 00 00 / 12", "+33 1 23 45 67 89"),
        ("+33 4 72 00 00 00 Ana", "+33 1 23 45 67 89"),
        ("+44 20 7946", "+44 121 234 5678"),
        ("+800 1234567", "+800 1234 5678"),
    ],
)
def test_a_number_that_its_country_does_not_have_is_refused_with_one_that_it_could_have(
    typed: str, example: str
) -> None:
    assert _refusal(typed) == ("no_such_number", example)


@pytest.mark.parametrize(
    "typed", ["04 72 00 00 00", "12", "call me", "+", "+999 12345", "+1 202 555 0143 / +1 202 555 0144"]
)
def test_a_number_without_its_country_code_is_refused_with_one_that_has_it(typed: str) -> None:
    assert _refusal(typed) == (None, "+33 4 72 00 00 00")


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("+33 1", "incomplete"),
        ("0049 3", "incomplete"),
        ("+33 " + "4" * 18, "too_many_digits"),
        ("+33 4 72 00 00 00 00 00 00 00 00", "too_many_digits"),
    ],
)
def test_a_number_that_is_too_short_or_too_long_is_not_asked_for_the_country_code_that_it_has(
    typed: str, reason: str
) -> None:
    assert _refusal(typed) == (reason, "+33 4 72 00 00 00")


def test_the_example_is_of_the_country_of_the_address_beside_it() -> None:
    sent = {"country": "ch", "phone": "044 668 18 00", "alternative_phone": "+49 000 000"}
    with pytest.raises(ValidationError) as refused:
        ProfileBody.model_validate(sent)
    found = {error["loc"][0]: error for error in refused.value.errors() if error["type"] == "phone"}
    assert found["phone"]["ctx"]["example"] == "+41 21 234 56 78"
    assert found["alternative_phone"]["ctx"]["example"] == "+49 30 123456"


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ("+33472000000", ("+33 4 72 00 00 00", "")),
        ("+12025550143;ext=89", ("+1 202-555-0143", "89")),
        ("+10000000000", ("+1 0000000000", "")),  # from before numbers were checked
        ("+999", ("+999", "")),
        ("04 72", ("04 72", "")),
        ("", ("", "")),
    ],
)
def test_a_kept_number_is_shown_in_groups_and_any_other_text_as_it_is(kept: str, shown: tuple[str, str]) -> None:
    assert readable_parts(kept) == shown
