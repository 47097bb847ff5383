"""The words that a case is searched by, in one spelling."""

from uuid import UUID

import pytest

from services.cases.cases.domain.words import MOST_WORDS, keys_for, keys_of, sought_numbers, sought_words

ACME, OTHERS = UUID("0198c0de-0000-7000-8000-000000000001"), UUID("0198c0de-0000-7000-8000-000000000002")


def a_case(title: str = "", description: str = "", company_id: UUID = ACME) -> list[int]:
    return keys_of(
        company_id, number="1000000018", serial="CNQ4411", own_reference="", title=title, description=description
    )


def finds(text: str, case: list[int], company_id: UUID | None = ACME) -> bool:
    wanted = [keys_for(word, company_id) for word in sought_words(text)]
    return bool(wanted) and all(any(first <= key <= last for key in case) for first, last in wanted)


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


def test_a_title_is_found_whole_and_a_description_by_its_beginning() -> None:
    title = " ".join(f"x{number}" for number in range(30))
    words = [f"word{number}" for number in range(10_000)]
    case = a_case(title, " ".join(words))
    assert finds(" ".join(words[:8]), case)
    assert finds("x29", case)
    assert not finds(words[MOST_WORDS], case)
    assert len(case) == MOST_WORDS
    letters = " ".join("bcdefghijklmnopqrstuvwxyz0123456789") + " " + " ".join("çéîôû")
    assert all(finds(letter, a_case(letters * 3)) for letter in letters if letter != " ")


def test_words_of_running_text_are_found_to_its_eightieth_word() -> None:
    text = "Since the update of the printer it stops in the middle of each page and says that the tray is empty. " * 3
    assert finds("vibrates", a_case("Printer stops", f"{text} It vibrates, too."))


@pytest.mark.parametrize(
    "worst", ["x" * 10_000, "x-" * 5_000, "\u0301" * 10_000, "'" * 10_000, "l'" * 5_000, "é" * 10_000]
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
