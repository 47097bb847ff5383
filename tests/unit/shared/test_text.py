"""What people paste, and what is kept of it."""

import unicodedata
from typing import Annotated

import pytest
from pydantic import ValidationError

from services.cases.attachments.domain.files import clean_name
from shared.bodies import parse
from shared.schemas.base import Cleaned, Name, Request
from shared.schemas.case_parts import Title
from shared.text import TooManyMarks, beginning, clean, clean_line, isolated

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"  # "I want", which has a joiner in the middle of the word
HINDI = "\u0915\u094d\u200d\u0937"
MALAYALAM = "\u0d2e\u0d4b\u0d39\u0d28\u0d4d\u200d"  # a name whose last letter is written with a joiner
HIJRI = "\u06f1\u06f3\u06f4\u06f0 \u0647\u200d.\u0642"  # a year
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


class Person(Request):
    name: Name


class Case(Request):
    title: Title


class Note(Request):
    text: Annotated[str, Cleaned(most=1000)] = ""
    needed: Annotated[str, Cleaned(least=1, most=1000)] = "yes"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_every_line_end_becomes_the_same(end: str) -> None:
    assert clean(f"Tray 3{end}jams") == "Tray 3\njams"
    assert clean(f"Bac 3{end}é") == "Bac 3\né"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("\x1b[31mError\x1b[0m: fuser", "Error: fuser"),  # colours of a terminal
        ("\x1b[38;5;196mErreur n° 3\x1b[m", "Erreur n° 3"),
        ("\x1b]0;root@printer\x07# reboot", "# reboot"),  # the title of a terminal's window
        ("\x1b]8;;https://example.com\x1b\\manual\x1b]8;;\x1b\\", "manual"),  # a link of a terminal
        ("\x1b[2K\x1b[1G50 %", "50 %"),
        ("\x1bPq#0\x1b\\after", "after"),
        ("\x1b(Bplain", "plain"),
        ("\x1b[", ""),
        ("\x1b]0;no end", "0;no end"),
        ("a\x1b", "a"),
    ],
)
def test_what_a_terminal_adds_is_taken_out(typed: str, kept: str) -> None:
    assert clean(typed) == kept


@pytest.mark.parametrize("text", ["He said “stop” and then “go”", "mới", "déjà"])
def test_a_text_that_was_decoded_wrongly_loses_no_letter_that_is_seen(text: str) -> None:
    garbled = text.encode().decode("latin-1")
    assert clean(garbled) == "".join(
        letter for letter in garbled if not 0x7F <= ord(letter) <= 0x9F and letter != "\xad"
    )
    assert clean_name("report\x9b.pdf") == "report.pdf"


@pytest.mark.parametrize(
    "unseen",
    [
        "\x00",
        "\x07",
        "\x7f",
        "\x80",
        "\xad",  # a soft hyphen of a web page
        "\u034f",
        "\u115f",
        "\u1160",
        "\u180e",
        "\u200b",
        "\u200c",
        "\u200d",
        "\u2060",
        "\u206f",
        "\u3164",
        "\ufeff",
        "\uffa0",
        "\ufff9",
        "\ufffe",
        "\ufdd0",
        "\U0001fffe",
        "\U000e0041",
        "\U0001d159",
        "\ud800",
    ],
    ids=lambda unseen: f"U+{ord(unseen):04X}",
)
def test_what_nobody_sees_is_taken_out_and_is_no_name(unseen: str) -> None:
    assert clean(f"Tray{unseen} 3{unseen}") == "Tray 3"
    assert clean_line(f"{unseen}Ana{unseen}") == "Ana"
    assert clean_line(unseen * 3) == ""
    if unseen != "\ud800":  # which pydantic itself refuses
        assert Person(name=f"{unseen}Ana").name == "Ana"
        with pytest.raises(ValidationError, match="at least 1 character"):
            Person(name=f" {unseen} ")


@pytest.mark.parametrize(
    "text",
    [FAMILY, PERSIAN, HINDI, MALAYALAM, HIJRI, ENGLAND, "\u845b\U000e0100\u57ce", "\u2764\ufe0f\u200d\U0001f525"],
)
def test_what_shapes_letters_and_emoji_stays(text: str) -> None:
    assert clean(text) == clean_line(text) == text


def test_a_joiner_that_joins_nothing_is_taken_out() -> None:
    assert clean(f"{PERSIAN}\u200c and\u200c so\u200d\u200don") == f"{PERSIAN} and soon"
    assert clean("\u0645\u200c\u200c\u062e") == "\u0645\u200c\u062e"


@pytest.mark.parametrize("mark", "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
def test_marks_of_direction_stay_in_texts_and_are_taken_out_of_names_and_subjects(mark: str) -> None:
    assert clean(f"Tray {mark}3 jams") == f"Tray {mark}3 jams"
    assert Case(title=f"Tray {mark}3 jams").title == "Tray 3 jams"
    assert Person(name=f"Ana{mark}").name == "Ana"
    with pytest.raises(ValidationError):
        Person(name=mark)
    assert clean_name(f"photo{mark}gnp.exe") == "photognp.exe"


@pytest.mark.parametrize("blank", ["\t", "\xa0", "\u2003", "\u2009", "\u202f", "\u2800", "\u3000"])
def test_blanks_of_a_line_are_plain(blank: str) -> None:
    assert Case(title=f"Panne{blank}: bac 3{blank}").title == "Panne : bac 3"
    assert clean(f"Panne{blank}: bac 3") == f"Panne{blank}: bac 3"
    with pytest.raises(ValidationError):
        Person(name=blank)


@pytest.mark.parametrize("nothing", ["\u200e", "\u202e", "\u2800", "\ufe0f", "\u3164", "\u00a0"])
def test_a_text_of_which_nothing_is_seen_is_empty(nothing: str) -> None:
    with pytest.raises(ValidationError, match="at least 1 character"):
        Note(needed=nothing * 20)
    assert Note(needed=f"{nothing}a").needed.endswith("a")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (r"jam \ud83d\ude00", "jam \U0001f600"),
        (r"jam \ud83d\ud83d\ude00", "jam \U0001f600"),
        (r"jam \ud83d\n3", "jam \n3"),
        (r"jam \\ud83d \ud83d", r"jam \ud83d"),
        (r"jam \\\ud83d", "jam \\"),
        (r"\u00e9 \udead", "é"),
    ],
)
def test_half_a_character_that_a_program_has_cut_is_taken_out_of_json(sent: str, kept: str) -> None:
    assert parse(f'{{"text": "{sent}"}}'.encode(), Note).text == kept


def test_json_that_is_wrong_besides_stays_wrong() -> None:
    for wrong in (r'{"text": "\ud83d" "}', r'{"text": "\ud83"}', '{"text": "\\ud83d\0\0"}'):
        with pytest.raises(ValidationError, match="Invalid JSON"):
            parse(wrong.encode(), Note)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\x85", "\u2028"])
def test_a_second_line_of_a_name_is_refused_with_its_place(end: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Case(title=f" Tray\u200b 3{end}jams{end}")
    assert refused.value.errors()[0]["ctx"] == {"place": len("Tray 3")}


@pytest.mark.parametrize("name", ["\u0301", "\u0301\u0323", "\ufe0f", "\u20dd"])
def test_marks_without_a_letter_are_no_name(name: str) -> None:
    with pytest.raises(ValidationError):
        Person(name=name)


def test_letters_are_composed_once_nothing_unseen_parts_them() -> None:
    assert clean("e\u200b\u0301") == "\xe9"
    assert clean_line(unicodedata.normalize("NFD", "Éloïse Nuñez-Çelik")) == "Éloïse Nuñez-Çelik"


def test_the_letter_with_too_many_marks_is_named() -> None:
    with pytest.raises(TooManyMarks) as refused:
        clean("Tray a" + "\u0301" * 31)
    assert refused.value.place == len("Tray a")
    with pytest.raises(ValidationError, match="the letter at character 6 has too many") as wrong:
        Note(text="Tray a" + "\u0301" * 31)
    assert wrong.value.errors()[0]["ctx"] == {"place": 6}
    assert clean("\u0301" * 30) == "\u0301" * 30
    with pytest.raises(TooManyMarks):
        clean("a" + ("\u0301" * 30 + "\u200d") * 2)
    with pytest.raises(TooManyMarks) as refused:
        clean("\u0301" * 31)
    assert refused.value.place == 1


@pytest.mark.parametrize(
    "name", ["Ana Duarte", "Łukasz Żółć", "אבי כהן", "علي", "山田 太郎", "O’Neil", "🚀", "3M", "Ⅻ"]
)
def test_names_of_people_and_companies_stay_as_they_are(name: str) -> None:
    assert Person(name=name).name == name


@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "abc"),
        ("abx\u0302", 3, "ab"),
        ("ab\U0001f44d\U0001f3fd", 3, "ab"),
        ("ab\U0001f469\u200d\U0001f4bb", 3, "ab"),
        ("ab\U0001f469\u200d\U0001f4bb", 4, "ab"),
        ("\U0001f1eb\U0001f1f7\U0001f1e9\U0001f1ea", 3, "\U0001f1eb\U0001f1f7"),
        ("\U0001f1eb\U0001f1f7\U0001f1e9\U0001f1ea", 2, "\U0001f1eb\U0001f1f7"),
        ("\u0302" * 4, 2, "\u0302" * 2),
        ("", 3, ""),
    ],
)
def test_the_beginning_of_a_text_ends_between_two_signs(text: str, most: int, kept: str) -> None:
    assert beginning(text, most) == kept


@pytest.mark.parametrize("text", ["", "Ana", "Jörg 3", "山田", "\u200eAna", "12:30"])
def test_a_text_from_left_to_right_needs_no_marks_beside_others(text: str) -> None:
    assert isolated(text) == text


@pytest.mark.parametrize(
    "text", ["שרה", "a שרה 3", "مكتب", "\u0661\u0662", "ߒߞߏ", "\U0001e900", "a\u202eb", "a\u2068b"]
)
def test_a_text_that_could_turn_others_round_is_isolated_once(text: str) -> None:
    inside = isolated(text).removeprefix("\u2068").removesuffix("\u2069")
    assert inside == text.replace("\u202e", "").replace("\u2068", "")
    assert isolated(isolated(text)) == isolated(text) == f"\u2068{inside}\u2069"
