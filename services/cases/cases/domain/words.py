"""What a case is searched by: the words of its title, its description and its site's name, and its numbers.

Each is a number of its own for every company, so that one short key of one index stands for both. Two words may
share one: of 27,000 searches among a million cases, one finds a case wrongly.

By a number a case is found from its third character on. Such a key is what the number begins with, in bytes, once after
its company and once without: keys that begin alike follow each other. As bytes they have the same order under every
collation; as those of all companies are shorter, they stand apart from the others.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import islice, pairwise
from uuid import UUID

from services.cases.cases.domain.numbers import case_numbers_in
from shared.serials import normal_case_number, normal_serial
from shared.text import in_alphabet

# Running text of the longest description has fewer, most logs too; each costs as much as the case's place in one order
# of a list. So nobody makes a case dearer than a text can be.
MOST_WORDS = 2_000
# A search of more words looks for those of them that are the longest: of a pasted message, the others are everywhere.
_MOST_SOUGHT = 10
_LONGEST = 64
_COMPANY_BITS = 16
_LEAST_OF_NUMBER, _MOST_OF_NUMBER = 3, 16  # characters, and bytes with the mark before them
_COMPANIES = 1 << _COMPANY_BITS
_REMEMBERED = 10_000  # keys: most words of a text are in many others
Key = int | bytes  # of a word, or of what a number begins with

# They stand in every text of their language, and mean nothing in the other.
_ENGLISH = "a an and are at be by for from has in is of that the this to was were with"
_FRENCH = (
    "au aux ce ces cette dans de des du elle en est et il ils je la le les leur mais ne nous ou par pas pour que qui "
    "sa se ses sont sur un une vous"
)
_EVERYWHERE = frozenset(f"{_ENGLISH} {_FRENCH}".split())
_PARTS = re.compile(r"[^\W_]+")
# "l'imprimante" is "imprimante", too.
_ELISIONS = re.compile(r"\b(?:\w|qu)['\u2019]|['\u2019]")


def keys_of(
    company_id: UUID,
    *,
    number: str,
    serial: str | None,
    own_reference: str,
    title: str,
    description: str,
    site_name: str = "",
) -> list[Key]:
    """The keys of a case."""
    kept = dict.fromkeys((_number(number), *_numbers_as_typed(serial or "", own_reference), *_words_in(title)))
    kept |= dict.fromkeys((*_words_in(site_name), *_words_in(description)))
    numbers = keys_of_numbers(company_id, number=number, serial=serial, own_reference=own_reference)
    words = islice(kept, MOST_WORDS - len(numbers))
    return [*numbers, *(first_key(each) + company_id.int % _COMPANIES for each in words)]


def keys_of_numbers(company_id: UUID, *, number: str, serial: str | None, own_reference: str) -> list[Key]:
    """The keys by whose beginnings the numbers of a case are found."""
    known = [_number(number), *_numbers_as_typed(serial or "", own_reference)]
    return [key for each in known for key in _padded(_beginning(each), b"\0", company_id, None)]


def sought_words(text: str) -> list[str]:
    """Each has to occur in a case. Its numbers and names may have parts, of which those that stand together count."""
    return sorted(dict.fromkeys(_words_in(text, whole=True)), key=len, reverse=True)[:_MOST_SOUGHT]


def sought_numbers(text: str) -> list[str]:
    """Any of them finds a case: its number, its device's, the one that its submitter gave it."""
    return [*map(_number, case_numbers_in(text)), *_numbers_as_typed(normal_serial(text), text)]


def sought_beginnings(text: str) -> list[bytes]:
    """What one of a case's numbers has to begin with, as an alternative to its words; nothing for a shorter text."""
    typed = [_number(normal_case_number(text)), *_numbers_as_typed(normal_serial(text), text)]
    return [_beginning(each) for each in typed if len(each) > _LEAST_OF_NUMBER]


def keys_of_words(company_id: UUID, text: str) -> list[Key]:
    """The keys of the words of a text alone."""
    return [first_key(each) + company_id.int % _COMPANIES for each in dict.fromkeys(_words_in(text))]


@lru_cache(maxsize=_REMEMBERED)
def first_key(word: str) -> int:
    """The first of the word's keys: those of all companies follow each other."""
    return int.from_bytes(blake2b(word.encode(), digest_size=5).digest()) << _COMPANY_BITS


def keys_for(word: str, company_id: UUID | None) -> tuple[int, int]:
    """The first and the last key of a word: of one company, which are the same, or of all."""
    first = first_key(word)
    if company_id is None:
        return first, first + _COMPANIES - 1
    return (first + company_id.int % _COMPANIES,) * 2


def keys_that_begin(beginning: bytes, company_id: UUID | None) -> tuple[bytes, bytes]:
    """The first and the last key of numbers that begin so: of one company, or of all."""
    (first,), (last,) = _padded(beginning, b"\0", company_id), _padded(beginning, b"\xff", company_id)
    return first, last


def _words_in(text: str, *, whole: bool = False) -> Iterator[str]:
    """Words in one spelling. Of one like "E-4711" its parts, and each two that stand together; `whole`: only those."""
    for token in dict.fromkeys(_ELISIONS.sub(" ", in_alphabet(text)[0]).split()):
        parts = [token[:_LONGEST]] if token.isalnum() else [part[:_LONGEST] for part in _PARTS.findall(token)]
        if not whole or len(parts) == 1:
            for part in parts:
                if part not in _EVERYWHERE:
                    yield part
        for pair in pairwise(parts):
            yield "-".join(pair)


def _beginning(number: str) -> bytes:
    return number.encode()[:_MOST_OF_NUMBER]


def _padded(beginning: bytes, pad: bytes, *companies: UUID | None) -> list[bytes]:
    whole = beginning.ljust(_MOST_OF_NUMBER, pad) + pad
    return [whole if each is None else (each.int % _COMPANIES).to_bytes(2) + whole for each in companies]


# No word begins with their first characters.


def _number(number: str) -> str:
    return f"#{number}"


def _numbers_as_typed(serial: str, own_reference: str) -> Iterable[str]:
    reference = " ".join(unicodedata.normalize("NFKC", own_reference).casefold().split())
    return [f"{mark}{typed}" for mark, typed in (("@", serial), ("=", reference)) if typed]
