"""E-mail addresses as they are pasted."""

import pytest

from services.gateway.fields import Field, FormSpec
from services.gateway.forms import to_json
from services.gateway.pasted_addresses import address_in, addresses_in
from tests.processor import processor_s

_ANA, _BOB = "ana@example.com", "bob@example.com"


@pytest.mark.parametrize(
    "pasted",
    [
        "ana@example.com bob@example.com",
        "ana@example.com\r\nbob@example.com\r\n",
        "Díaz, Ana <ana@example.com>; Bob Roy <bob@example.com>",  # Outlook
        "Díaz, Ana <ana@example.com>, Roy, Bob <bob@example.com>,",
        '"Díaz, Ana" <ana@example.com>, bob@example.com',  # Gmail, Apple Mail
        '"Roy; Díaz, Ana" <ana@example.com>;bob@example.com;;',
        "'Ana' <ana@example.com>; 'bob@example.com' <bob@example.com>",
        "Ana.D <ana@example.com> Bob [Sales] <bob@example.com>",
        "<ana@example.com>, <mailto:bob@example.com>",
        "mailto:ana@example.com?subject=Hello, mailto:bo%62@example.com",
        "ana@example.com<mailto:ana@example.com>; smtp:bob@example.com",
        "[ana@example.com](mailto:ana@example.com), bob@example.com.",
        "To: ana@example.com\nCc: Bob <bob@example.com>",
        "Team: ana@example.com, bob@example.com;",
        "ana@example.com (Ana; the boss), Bob Roy (bob@example.com)",
        '"ana@example.com","bob@example.com"',
        "Díaz, Ana\tana@example.com\tLyon\nRoy\tbob@example.com",  # a spreadsheet
        "| Ana | ana@example.com |\n| Bob | bob@example.com |",
        "\ufeffana@example.com\xa0;\u200b \u202abob@example.com\u202c",
        "ana @ example.com\uff1b bob\uff20example.com\u3001",
        "ana@example.com, ANA@example.com; Bob <bob@example.com>, <Bob@Example.com>",
        "• ana@example.com\n• bob@example.com",  # lists of word processors
        "1. ana@example.com\n2. bob@example.com",
        "1) ana@example.com\n2) Bob Roy <bob@example.com>",
        "- ana@example.com\n- bob@example.com",
        "ana@example.com & bob@example.com",
        "Ana Díaz [mailto:ana@example.com]; Roy, Bob [bob@example.com]",  # Outlook, as plain text
        "‘ana@example.com’, “bob@example.com”",
        "«ana@example.com», „bob@example.com“",
    ],
)
def test_addresses_are_found_in_what_mail_programs_and_spreadsheets_copy(pasted: str) -> None:
    assert addresses_in(pasted) == [_ANA, _BOB]


@pytest.mark.parametrize(
    ("pasted", "found"),
    [
        ("bob.example.com, ana@example.com", ["bob.example.com", _ANA]),
        ("ana duarte@example.com", ["duarte@example.com", "ana"]),
        ("Díaz, Ana", ["Díaz", "Ana"]),
        ("bob; Ana <ana@example.com>", ["bob", _ANA]),
        ("ana@example.com, <bob@", [_ANA, "bob@"]),
        ("Bob <bob>, ana@example.com", ["bob", _ANA]),
        ("1. ana\n2. bob@example.com", ["1. ana", _BOB]),
        ("bob [at] example.com", ["bob [at] example.com"]),
        ("Name\tE-mail\nAna\tana@example.com", ["Name E-mail", _ANA]),
        (" ,;\n", []),
    ],
)
def test_what_is_no_address_is_kept_as_it_was_typed(pasted: str, found: list[str]) -> None:
    assert addresses_in(pasted) == found


@pytest.mark.parametrize(
    "pasted",
    [
        "ana@example.com",
        " ana@example.com ",
        "Ana Díaz <ana@example.com>",
        "Díaz, Ana <ana@example.com>",
        "<ana@example.com>",
        "mailto:ana@example.com",
        "'ana@example.com',",
        "Ana (ana@example.com)",
    ],
)
def test_a_field_for_one_address_takes_it_as_it_was_copied(pasted: str) -> None:
    spec = FormSpec((Field("contact.email", "E-mail", "email"),))
    assert to_json({"contact.email": pasted}, spec) == {"contact": {"email": _ANA}}


@pytest.mark.parametrize(
    "pasted",
    ["ana duarte@example.com", "ana@example.com, bob@example.com", "Ana", "a@b\nc", " x ", f"{'x' * 1000} <{_ANA}>"],
)
def test_a_field_for_one_address_guesses_nothing(pasted: str) -> None:
    assert address_in(pasted) == pasted


@pytest.mark.parametrize(
    "piece",
    ['"', "(", "<", '"a\\', "a@", " ", "\t", '"@"', "(@) ", '"a@b" ', " @", "x ", ",", "\u0301", "[", "[a@b", "1. "],
)
def test_no_paste_takes_long(piece: str) -> None:
    pasted = piece * (65_000 // len(piece))
    assert processor_s(lambda: addresses_in(pasted), enough_s=0.1) < 0.1


def test_of_an_endless_paste_the_end_is_refused() -> None:
    *_, end = addresses_in("x " * 10_000 + "<ana@example.com>")
    assert len(end) > 1_000
