"""What a text may hold: letters in one spelling, and nothing that nobody sees.

What people type, paste from a terminal or copy from a web page passes: what is of no use in it is taken out. So two
texts that look the same are the same, and none turns the page around that shows it.
"""

import re
import unicodedata

# Unicode's Stream-Safe Text (UAX 15) has no more in a row. To put marks in order takes time with the square of their
# number: half a million of them would be three minutes, in which nobody else is served.
MOST_MARKS = 30
# The only letters that are no marks themselves, and come apart into nothing but marks.
_ONLY_MARKS = frozenset("\u0f73\u0f75\u0f81")

_LINE_END = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Colours, titles and links of a terminal (ECMA-48): what stands in them is no part of the text, either. Each is short,
# so that the search for an end that never comes stays short, too.
_ESCAPES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]{0,64}+[ -/]{0,8}+[@-~]"  # control sequences
    # command strings
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]{0,500}+(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[ -/]{0,8}[0-~]"
)
_ASCII_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
# Controls, surrogates, noncharacters, and what Unicode calls default ignorable but for joiners, variation selectors
# (Japanese names have them) and marks of direction. U+3164 and its like are blanks that are letters by category.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\ufdd0-\ufdef"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "]"
)
# They join emoji, and shape letters of Persian and of Indian scripts. Between others they are unseen.
_JOINED = "\u0600-\u1fff\u2070-\ud7ff\ue000-\uffef\U00010000-\U000dffff"
_JOINERS = re.compile("(?<=[\u200c\u200d])[\u200c\u200d]+")
_IDLE_JOINER = re.compile(f"(?<![{_JOINED}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}])")
_DIRECTIONS = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
_BLANKS = re.compile("[\t\xa0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000]")


class TooManyMarks(ValueError):
    """The letter at `place`, counted from one, has more accents than any language has."""

    def __init__(self, place: int) -> None:
        """Where the letter stands."""
        super().__init__(place)
        self.place = place


def clean(text: str) -> str:
    """A text of several lines: one kind of line ends, letters composed (NFC). TooManyMarks."""
    if text.isascii():
        if not _ASCII_CONTROLS.search(text):
            return _LINE_END.sub("\n", text) if "\r" in text or "\v" in text or "\f" in text else text
        return _ASCII_CONTROLS.sub("", _LINE_END.sub("\n", _ESCAPES.sub("", text)))
    text = _UNSEEN.sub("", _LINE_END.sub("\n", _ESCAPES.sub("", text)))
    text = _IDLE_JOINER.sub("", _JOINERS.sub("", text))
    _refuse_many_marks(text)
    return unicodedata.normalize("NFC", text)


def clean_line(text: str) -> str:
    """A name, subject or file name: as `clean`, on each of its lines with plain blanks and no marks of direction.

    Empty where nothing of it can be seen. TooManyMarks.
    """
    line = _BLANKS.sub(" ", clean(_DIRECTIONS.sub("", text)))
    return line if any(map(_is_seen, line)) else ""


def _is_seen(character: str) -> bool:
    return unicodedata.category(character)[0] not in "CMZ"


def without_marks(text: str) -> str:
    """Only the letters, where a text has too many marks to be kept and nobody can be asked."""
    return "".join(character for character in text if not _is_mark(character))


def _refuse_many_marks(text: str) -> None:
    in_a_row = 0
    for place, character in enumerate(text):
        in_a_row = in_a_row + 1 if _is_mark(character) else 0
        if in_a_row > MOST_MARKS:
            raise TooManyMarks(place=max(1, place - MOST_MARKS))


def _is_mark(character: str) -> bool:
    return unicodedata.combining(character) > 0 or character in _ONLY_MARKS
