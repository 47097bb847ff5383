"""Rows of lists, made of documents as the database keeps them."""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from bson import decode
from bson.raw_bson import RawBSONDocument

from shared.mongo import Document

_M = TypeVar("_M")

Kept = RawBSONDocument  # a document as the database keeps it
_ROWS_REMEMBERED = 5_000  # some 2 kB each


def remembered(make: Callable[[Document], _M]) -> Callable[[Kept], _M]:
    """What is made of a document as it is kept, with ids as bytes and times without a zone; none is older than that.

    Lists are looked at again and again, and most rows are as before.
    """

    @lru_cache(maxsize=_ROWS_REMEMBERED)
    def made(kept: bytes) -> _M:
        return make(decode(kept))

    return lambda document: made(document.raw)
