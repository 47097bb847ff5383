"""Finding by words of a name or address as people type them: any case, with or without accents, parts of words too."""

import re
import unicodedata

from shared.mongo import Document

# Latin, Greek and Cyrillic letters with accents; those that do not come apart into a letter and its accent.
_ACCENTED = (*range(0xC0, 0x530), *range(0x1E00, 0x2000))
_WHOLE = {"o": "ø", "l": "ł", "d": "đ", "h": "ħ", "t": "ŧ"}
_PAIRS = {"ss": "ß", "oe": "œ", "ae": "æ"}
_LETTERS = re.compile("|".join((*_PAIRS, ".")), re.DOTALL)
# MongoDB takes patterns of a bounded length, and looks for each word in every document.
_MOST_WORDS, _LONGEST_WORD = 10, 100


def _plain(text: str) -> str:
    """The letters alone; what is two letters for some is two letters here."""
    apart = unicodedata.normalize("NFD", text.casefold())
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter))
    for pair, one in _PAIRS.items():
        plain = plain.replace(one, pair)
    return plain.translate({ord(whole): letter for letter, whole in _WHOLE.items()})


def _spellings() -> dict[str, str]:
    found: dict[str, str] = {}
    for letter in map(chr, _ACCENTED):
        plain = _plain(letter)
        if len(plain) == 1 and plain != letter:
            found[plain] = found.get(plain, "") + letter
    return found


_SPELLINGS = _spellings()


def _pattern(word: str) -> str:
    return "".join(_any_spelling(found[0]) for found in _LETTERS.finditer(_plain(word)))


def _any_spelling(letters: str) -> str:
    if letters in _PAIRS:
        return f"(?:{''.join(map(_any_spelling, letters))}|{_PAIRS[letters]})"
    return f"[{letters}{_SPELLINGS[letters]}]" if letters in _SPELLINGS else re.escape(letters)


def with_words(words: str, *paths: str) -> list[Document]:
    """Filters for documents that have every word in one of the texts at `paths`; of many or long ones the beginning."""
    looked_for = dict.fromkeys(word[:_LONGEST_WORD] for word in words.split()[:_MOST_WORDS])
    patterns = ({"$regex": _pattern(word), "$options": "i"} for word in looked_for)
    return [{"$or": [{path: pattern} for path in paths]} for pattern in patterns]
