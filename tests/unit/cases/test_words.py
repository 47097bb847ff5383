"""The words that a case is searched by, in one spelling."""

from uuid import UUID

import pytest

from services.cases.cases.domain.words import MOST_WORDS, Key, keys_for, keys_of, sought_numbers, sought_words

ACME, OTHERS = UUID("0198c0de-0000-7000-8000-000000000001"), UUID("0198c0de-0000-7000-8000-000000000002")


def a_case(title: str = "", description: str = "", company_id: UUID = ACME) -> list[Key]:
    return keys_of(
        company_id, number="1000000018", serial="CNQ4411", own_reference="", title=title, description=description
    )


def finds(text: str, case: list[Key], company_id: UUID | None = ACME) -> bool:
    wanted = [keys_for(word, company_id) for word in sought_words(text)]
    keys = [key for key in case if isinstance(key, int)]
    return bool(wanted) and all(any(first <= key <= last for key in keys) for first, last in wanted)


@pytest.mark.parametrize(
    ("written", "typed", "is_found"),
    [
        ("Écran cassé à l'entrée", "ecran CASSE entree", True),
        ("Ecran casse", "écran cassé", True),
        ("L\u2019imprimante s'arrête", "imprimante arrete", True),
        ("imprimante", "l'imprimante", True),
        ("Il faut qu'il redémarre", "redemarre", True),
        ("Cœur de réseau", "coeur", True),
        ("Straße", "STRASSE", True),
        ("\uff25\uff0d4711", "e-4711", True),
        ("Error E-4711 again", "E-4711", True),
        ("Error E-4711 again", "e_4711", True),
        ("Error E-4711 again", "4711", True),
        ("Error E 4711 again", "E-4711", False),
        ("Error E-4711", "E-4712", False),
        ("see fuser_ctl.dll", "fuser_ctl.dll", True),
        ("see fuser_ctl.dll", "ctl.dll", True),
        ("see fuser_ctl.dll", "fuser.dll", False),
        ("at 10.20.30.40", "10.20.30.40", True),
        ("at 10.20.30.40", "40.30.20.10", False),
        ("「印刷」 できない", "印刷", True),
        ("印刷 できない", "印刷機", False),
        ("मुद्रक बंद", "मुद्रक", True),
        ("Drive C full", "c", True),
        ("The printer is on the table", "the table", True),
        ("Paper jam", "paper tray", False),
    ],
)
def test_a_word_is_found_however_it_is_spelled(written: str, typed: str, *, is_found: bool) -> None:
    assert finds(typed, a_case(written)) is is_found
    assert finds(typed, a_case("Broken", written)) is is_found


def test_a_word_of_the_title_and_one_of_the_description_find_a_case_together() -> None:
    assert finds("jam screeches", a_case("Paper jam", "It screeches."))


def test_words_that_are_in_every_text_take_no_key() -> None:
    assert sought_words("The tray of the printer, et le bac de l'imprimante") == [
        "imprimante",
        "printer",
        "tray",
        "bac",
    ]
    assert len(a_case("This is the tray", "Il est dans le bac.")) == len(a_case("Tray", "bac"))


def test_the_longest_description_is_found_by_each_of_its_words() -> None:
    words = [f"word{number}" for number in range(1_230)]
    description = " ".join(words)
    assert 9_900 < len(description) <= 10_000
    case = a_case("Paper jam", description)
    assert all(finds(word, case) for word in (*words, "jam"))


def test_a_letter_by_itself_is_found_too() -> None:
    letters = "b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9 ç é î ô û"
    assert all(finds(letter, a_case(letters)) for letter in letters.split())


@pytest.mark.parametrize(
    "worst",
    [
        *("x" * 10_000, "x-" * 5_000, "\u0301" * 10_000, "'" * 10_000, "l'" * 5_000, "é" * 10_000),
        "-".join(map(chr, range(0x4E00, 0x4E00 + 5_000))),
    ],
)
def test_no_text_has_more_keys_than_others_and_a_long_word_is_found_by_its_beginning(worst: str) -> None:
    assert len(a_case(worst[:120], worst)) <= MOST_WORDS
    assert len(sought_words(worst[:500])) <= 10
    assert finds("x" * 500, a_case("x" * 10_000))


def test_a_company_finds_its_own_and_the_vendor_finds_those_of_all() -> None:
    case = a_case("Paper jam")
    assert [finds("jam", case, of) for of in (ACME, OTHERS, None)] == [True, False, True]


def test_a_number_is_no_word() -> None:
    assert not finds("1000000018", a_case("Paper jam"))
    assert sought_numbers(" 1000000018") == ["#1000000018", "@1000000018", "=1000000018"]
    assert sought_numbers("Réf.  ÉTÉ 7") == ["#RÉF.ÉTÉ7", "@RÉF.ÉTÉ7", "=réf. été 7"]


def test_of_a_pasted_text_the_longest_words_are_looked_for() -> None:
    text = " ".join("y" * length for length in range(1, 100))
    assert [len(word) for word in sought_words(text)] == [64, *range(63, 54, -1)]
