"""What a case is searched by: the words of its title, its description and its site's name, and its numbers.

A word has an integer as its key, a different one in every company, so that one short key in one index stands for word
and company together. Two words may share a key: of 27,000 searches among a million cases, one finds a case wrongly.

The numbers of a case are its own, its device's serial number and its submitter's reference. Each has such a key too. It
is also found by its beginning, from three characters on. For that it has two more keys, which are bytes: the beginning
of the number after two bytes of the company, for that company, and the beginning alone, for the vendor. In the index,
numbers that begin alike follow each other. Bytes have the same order under every collation, and the shorter ones come
first: so the keys without a company are apart from the others.
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

# The longest description has fewer words if it is running text, and so have most logs. Each key costs as much as an
# entry in another index of cases: the limit is for texts that are made up to have as many words as possible.
MOST_WORDS = 2_000
# Of a search with more words, only the longest are looked for: the short words of a pasted message are in every case.
_MOST_SOUGHT = 10
_LONGEST = 64
_COMPANY_BITS = 16
_LEAST_OF_NUMBER, _MOST_OF_NUMBER = 3, 16  # in characters; in bytes, with the mark before it
_COMPANIES = 1 << _COMPANY_BITS
_REMEMBERED = 10_000  # keys: most words of a text are in many other texts
Key = int | bytes  # of a word, or of what a number begins with

# They are in every text of their language, and mean nothing in the other.
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
    """All keys of a case, at most MOST_WORDS."""
    kept = dict.fromkeys((*_numbers(number, serial, own_reference), *_words_in(title)))
    kept |= dict.fromkeys((*_words_in(site_name), *_words_in(description)))
    numbers = keys_of_numbers(company_id, number=number, serial=serial, own_reference=own_reference)
    words = islice(kept, MOST_WORDS - len(numbers))
    return [*numbers, *(first_key(each) + company_id.int % _COMPANIES for each in words)]


def keys_of_numbers(company_id: UUID, *, number: str, serial: str | None, own_reference: str) -> list[Key]:
    """The keys by which the numbers of a case are found by their beginnings."""
    numbers = _numbers(number, serial, own_reference)
    return [key for each in numbers for key in _padded(_beginning(each), b"\0", company_id, None)]


def sought_words(text: str) -> list[str]:
    """The words of a search, which a case must have all of: the longest first, at most ten.

    Of one like "10.20.30" each two parts that stand together are looked for.
    """
    return sorted(dict.fromkeys(_words_in(text, whole=True)), key=len, reverse=True)[:_MOST_SOUGHT]


def sought_numbers(text: str) -> list[str]:
    """What the text is as a case number, as a serial number and as a reference: a case with any of them is found."""
    return [*map(_number, case_numbers_in(text)), *_numbers_as_typed(normal_serial(text), text)]


def sought_beginnings(text: str) -> list[bytes]:
    """The same as beginnings: a case is found if one of its numbers begins so. None for fewer than three characters."""
    typed = [_number(normal_case_number(text)), *_numbers_as_typed(normal_serial(text), text)]
    return [_beginning(each) for each in typed if len(each) > _LEAST_OF_NUMBER]


def keys_of_words(company_id: UUID, text: str) -> list[Key]:
    """The keys of the words of a text."""
    return [first_key(each) + company_id.int % _COMPANIES for each in dict.fromkeys(_words_in(text))]


@lru_cache(maxsize=_REMEMBERED)
def first_key(word: str) -> int:
    """The smallest key of a word: its keys in all companies follow each other."""
    return int.from_bytes(blake2b(word.encode(), digest_size=5).digest()) << _COMPANY_BITS


def keys_for(word: str, company_id: UUID | None) -> tuple[int, int]:
    """The first and the last key of a word in one company, where both are the same, or in all."""
    first = first_key(word)
    if company_id is None:
        return first, first + _COMPANIES - 1
    return (first + company_id.int % _COMPANIES,) * 2


def keys_that_begin(beginning: bytes, company_id: UUID | None) -> tuple[bytes, bytes]:
    """The first and the last key of the numbers that begin so, of one company or of all."""
    (first,), (last,) = _padded(beginning, b"\0", company_id), _padded(beginning, b"\xff", company_id)
    return first, last


def _words_in(text: str, *, whole: bool = False) -> Iterator[str]:
    """The words of a text in one spelling. Of one like "E-4711" its parts, and each two parts that stand together.

    With `whole` a word of several parts gives only what stands together.
    """
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


# The mark before a number tells what it is. No word begins with one.


def _numbers(number: str, serial: str | None, own_reference: str) -> list[str]:
    return [_number(number), *_numbers_as_typed(serial or "", own_reference)]


def _number(number: str) -> str:
    return f"#{number}"


def _numbers_as_typed(serial: str, own_reference: str) -> Iterable[str]:
    reference = " ".join(unicodedata.normalize("NFKC", own_reference).casefold().split())
    return [f"{mark}{typed}" for mark, typed in (("@", serial), ("=", reference)) if typed]
