"""How cases are found by words: the filter, and the way to a page of them."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from pymongo import timeout

from services.cases.cases.domain.words import keys_for, sought_numbers, sought_words
from services.cases.cases.store.cases import CASES
from shared.mongo import Database, DatabaseError, Document
from shared.paging import Page

WORDS = "words"
# So many cases are read and sorted in a few milliseconds. A word that more have comes soon in any order of a list.
_FEW = 2_000
# Words of which each is in many cases may stand together in none: who has seen no page by then goes by the words.
_SEARCHED_IN_ORDER_S = 0.5


def containing(text: str, company_id: UUID | None) -> Document:
    """The filter for cases with all words of a text, or with one of its numbers; of one company, or of all."""
    either: list[Document] = [_has(number, company_id) for number in sought_numbers(text)]
    if words := sought_words(text):
        either.append({"$and": [_has(word, company_id) for word in words]})
    return {"$or": either}


async def find_searched(
    db: Database,
    text: str,
    company_id: UUID | None,
    *,
    in_order: Callable[[], Awaitable[Page]],
    by_words: Callable[[], Awaitable[Page]],
) -> Page:
    """A page by the order of the list where each word of the text is in many cases, else by the index of words."""
    if not await _are_few(db, text, company_id):
        try:
            with timeout(_SEARCHED_IN_ORDER_S):
                return await in_order()
        except DatabaseError as error:
            if not error.timeout:
                raise
    return await by_words()


async def _are_few(db: Database, text: str, company_id: UUID | None) -> bool:
    """Whether one of the words is in few cases; the longest are looked at first."""
    words = sought_words(text)
    for word in words:
        if not await _is_in_many(db, *keys_for(word, company_id)):
            return True
    return not words


async def _is_in_many(db: Database, first: int, last: int) -> bool:
    """Whether there are more of these keys than of few cases; no case is read."""
    keys = db[CASES.collection].find(hint=WORDS, return_key=True).min([("words", first)]).max([("words", last + 1)])
    return bool(await keys.skip(_FEW).limit(1).max_time_ms(5000).to_list(None))


def _has(word: str, company_id: UUID | None) -> Document:
    first, last = keys_for(word, company_id)
    return {"words": first if first == last else {"$elemMatch": {"$gte": first, "$lte": last}}}
