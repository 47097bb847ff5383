"""What a text may hold: letters in one spelling, and nothing that nobody sees.

What people type, paste from a terminal or copy from a web page passes: what is of no use in it is taken out. Marks of
direction stay in long texts only, where writing in two directions needs them.
"""

import re
import unicodedata
from collections.abc import Callable

# Unicode's Stream-Safe Text (UAX 15) has no more in a row. To put marks in order takes time with the square of their
# number: half a million of them would be three minutes, in which nobody else is served.
MOST_MARKS = 30
# The only letters that are no marks themselves, and come apart into nothing but marks.
_ONLY_MARKS = frozenset("\u0f73\u0f75\u0f81")

_LINE_END = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Colours, titles and links of a terminal (ECMA-48): what stands in them is no part of the text, either. Each is short,
# so that the search for an end that never comes stays short, too.
_ESCAPES = re.compile(
    "\x1b\\[[0-?]{0,64}+[ -/]{0,8}+[@-~]"  # control sequences
    "|\x1b[\\]PX^_][^\x07\x1b]{0,500}+(?:\x07|\x1b\\\\)"  # command strings
    "|\x1b[ -/]{0,8}[0-~]"
)
_HALVES = re.compile("[\ud800-\udfff]")
_ASCII_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
# Controls, surrogates, noncharacters, and what Unicode calls default ignorable but for joiners, variation selectors
# (Japanese names have them), tags and marks of direction; then signs that are drawn as nothing.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\ufdd0-\ufdef"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e001f\U000e0080-\U000e00ff\U000e01f0-\U000e0fff"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "\U00013441\U00013442\U0001d159]"
)
# They make a flag of a region out of the black flag, and are unseen elsewhere.
_IDLE_TAGS = re.compile("(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0020-\U000e007f]+")
# Joiners shape letters from Arabic to the Indian scripts, the last one of a word too, and join emoji. Where others
# stand before them they are unseen.
_SHAPED = (
    "\u0600-\u1dff\u2190-\u2bff\ua800-\uabff\ufb50-\ufdcf\ufdf0-\ufe0f\ufe70-\ufefc\U00010a00-\U00011fff"
    "\U0001e900-\U0001e95f\U0001f000-\U0001faff"
)
_BOTH_JOINERS = frozenset("\u200c\u200d")
_WITHOUT_JOINERS = dict.fromkeys(map(ord, _BOTH_JOINERS))
_JOINERS = re.compile("(?<=[\u200c\u200d])[\u200c\u200d]+")
_IDLE_JOINER = re.compile(f"(?<![{_SHAPED}])[\u200c\u200d]|\u200c(?![{_SHAPED}])")
_DIRECTIONS = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
ISOLATE, END_OF_ISOLATE = "\u2068", "\u2069"
# What is written from right to left, numbers of these scripts too, and what orders it.
_TURNING = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
    "\u200f\u202a-\u202e\u2066-\u2069]"
)
# Controls, marks of direction, blanks, and marks without a letter. Letters that Python does not know yet are seen.
_ALONE_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Mn", "Mc", "Me", "Zs", "Zl", "Zp"})
_LIGATURES = str.maketrans({"œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae"})
# Halves of flags; then what is drawn into the sign before it: joiners, colours of skin, tags of flags.
_REGIONS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
_JOINED = frozenset(map(chr, (0x200C, 0x200D, *range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080))))
_BLANKS = re.compile("[\t\xa0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000]")


class TooManyMarks(ValueError):
    """The letter at `place`, counted from one, has more accents than any language has."""

    def __init__(self, place: int) -> None:
        """Where the letter stands."""
        super().__init__(place)
        self.place = place


def clean(text: str) -> str:
    """A text of several lines: one kind of line ends, letters composed (NFC). Raises TooManyMarks."""
    if _is_plain(text):
        return text
    text = _LINE_END.sub("\n", _ESCAPES.sub("", text))
    if text.isascii():
        return _ASCII_CONTROLS.sub("", text)
    text = _IDLE_TAGS.sub("", _UNSEEN.sub("", text))
    _refuse_many_marks(text)
    # Marks that stand before a joiner are put in order first, and letters that a joiner parted are composed then.
    text = _IDLE_JOINER.sub("", _JOINERS.sub("", unicodedata.normalize("NFC", text)))
    return unicodedata.normalize("NFC", text)


def clean_line(text: str) -> str:
    """A name, subject or file name: as `clean`, with plain blanks and no marks of direction. Raises TooManyMarks."""
    return text if _is_plain(text) else _BLANKS.sub(" ", clean(_DIRECTIONS.sub("", text)))


def _is_plain(text: str) -> bool:
    """Whether there is nothing to clean in it, as in nearly every line."""
    return text.isascii() and text.isprintable()


def with_plain_letters(text: str) -> str:
    """For codes: full-width letters and any alphabet's digits as ASCII, each dash as `-`, without what is unseen."""
    folded = unicodedata.normalize("NFKC", text)
    kept = (character for character in folded if unicodedata.category(character) != "Cf")
    return "".join("-" if is_dash(character) else str(unicodedata.decimal(character, character)) for character in kept)


def is_dash(character: str) -> bool:
    """Whether it is some kind of hyphen, dash or minus sign."""
    return unicodedata.category(character) == "Pd" or character == "\u2212"


def turns(text: str) -> bool:
    """Whether any of it is written from right to left, so that it could turn round what stands beside it."""
    return not text.isascii() and _TURNING.search(text) is not None


def isolated(text: str) -> str:
    """For among other words: they keep their places, whatever way the text is written."""
    return f"{ISOLATE}{_DIRECTIONS.sub('', text)}{END_OF_ISOLATE}" if turns(text) else text


def is_seen(text: str) -> bool:
    """Whether a reader sees anything of a text that is clean."""
    return any(character != "\u2800" and unicodedata.category(character) not in _ALONE_UNSEEN for character in text)


def in_alphabet(text: str) -> tuple[str, str]:
    """A key to sort names by, as people do: by their letters, then by accents, whatever the case.

    For short lists that are put together here; those of the database are sorted by `shared.paging.ALPHABETICAL`.
    """
    if text.isascii():
        return (text.lower(),) * 2
    accented = unicodedata.normalize("NFKD", text.translate(_LIGATURES).casefold())
    return "".join(character for character in accented if not unicodedata.combining(character)), accented


def beginning(text: str, most: int) -> str:
    """At most so many of its first characters; what people see as one sign is not parted."""
    end = most
    while 0 < end < len(text) and _is_one_sign(text, end):
        end -= 1
    return text[: end or most]


def cleaned_anyhow(text: str, clean: Callable[[str], str]) -> str:
    """What `clean` leaves of a text that nobody can be asked to change: marks that are too many are left out, too.

    What is left of bytes that are not UTF-8, or of half a letter, is seen as such.
    """
    if _is_plain(text):
        return text
    text = _HALVES.sub("\ufffd", text)
    try:
        return clean(text)
    except TooManyMarks:
        return clean(_with_fewer_marks(text))


def _with_fewer_marks(text: str) -> str:
    kept, in_a_row = [], 0
    for character in text.translate(_WITHOUT_JOINERS):
        in_a_row = in_a_row + 1 if _is_mark(character) else 0
        if in_a_row <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def _refuse_many_marks(text: str) -> None:
    in_a_row = 0
    for place, character in enumerate(text):
        # Marks that a joiner parts are in a row once it is taken out.
        if character not in _BOTH_JOINERS:
            in_a_row = in_a_row + 1 if _is_mark(character) else 0
        if in_a_row > MOST_MARKS:
            raise TooManyMarks(place=max(1, place - MOST_MARKS))


def _is_one_sign(text: str, place: int) -> bool:
    """Whether the characters before and after the place are drawn as one: a letter and its mark, an emoji, a flag."""
    before, after = text[place - 1], text[place]
    if after in _REGIONS:
        return (place - len(text[:place].rstrip(_REGIONS))) % 2 == 1  # each flag is two of them
    return before == "\u200d" or after in _JOINED or unicodedata.category(after).startswith("M")


def _is_mark(character: str) -> bool:
    return unicodedata.combining(character) > 0 or character in _ONLY_MARKS
