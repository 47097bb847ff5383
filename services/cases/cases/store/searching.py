"""How cases are found by words: the filter, and the way to a page of them."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from pymongo import timeout

from services.cases.cases.domain.words import (
    Key,
    keys_for,
    keys_that_begin,
    sought_beginnings,
    sought_numbers,
    sought_words,
)
from services.cases.cases.store.bounds import too_many_after
from services.cases.cases.store.cases import CASES
from shared.mongo import Database, DatabaseError, Document
from shared.paging import Page

WORDS = "words"
# So many cases are read and sorted in a few milliseconds. If more have a word, they come soon in any order of a list.
_FEW = 2_000
# Words that are in many cases each may be together in none: after this time without a page, the words are the way.
_IN_ORDER_S = 0.5
_WITHIN_S = 3.5  # the gateway waits a little longer


def containing(text: str, company_id: UUID | None) -> Document:
    """The filter for cases with all words of a text, or with one of its numbers or a number that begins so.

    Of one company, or of all.
    """
    either = [_has(*keys_for(number, company_id)) for number in sought_numbers(text)]
    either += [_has(*keys_that_begin(each, company_id)) for each in sought_beginnings(text)]
    if words := sought_words(text):
        either.append({"$and": [_has(*keys_for(word, company_id)) for word in words]})
    return {"$or": either}


async def find_searched(
    db: Database,
    text: str,
    company_id: UUID | None,
    *,
    in_order: Callable[[], Awaitable[Page]],
    by_words: Callable[[], Awaitable[Page]],
) -> Page:
    """A page by the order of the list where what is sought is in many cases, else by the index of words.

    Invalid where that has too many.
    """
    with too_many_after(_WITHIN_S, field="q"):
        if await _are_few(db, text, company_id):
            return await by_words()
        return await find_in_order_or(by_words, in_order=in_order)


async def find_in_order_or(
    otherwise: Callable[[], Awaitable[Page]], *, in_order: Callable[[], Awaitable[Page]]
) -> Page:
    """A page in the order of the list, or `otherwise` where that takes too long: too many others come first."""
    try:
        with timeout(_IN_ORDER_S):
            return await in_order()
    except DatabaseError as error:
        if not error.timeout:
            raise
    return await otherwise()


async def _are_few(db: Database, text: str, company_id: UUID | None) -> bool:
    """Whether few numbers begin with the text, and one of its words is in few cases; the longest is looked at first."""
    for each in sought_beginnings(text):
        if await _is_in_many(db, *keys_that_begin(each, company_id)):
            return False
    words = sought_words(text)
    for word in words:
        if not await _is_in_many(db, *keys_for(word, company_id)):
            return True
    return not words


async def _is_in_many(db: Database, first: Key, last: Key) -> bool:
    """Whether there are more of these keys than of few cases; no case is read."""
    # The end is left out of the range. For bytes that does no harm: they end in 0xFF, which no text has.
    end: Any = last + 1 if isinstance(last, int) else last
    begin: Any = first
    keys = db[CASES.collection].find(hint=WORDS, return_key=True).min([("words", begin)]).max([("words", end)])
    return bool(await keys.skip(_FEW).limit(1).to_list(None))


def _has(first: Key, last: Key) -> Document:
    return {"words": first if first == last else {"$elemMatch": {"$gte": first, "$lte": last}}}
