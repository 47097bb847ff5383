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
    """`make` with a memory: lists are read again and again, and most of their rows are as before.

    It gets the document with ids as bytes and times without a zone. The whole document is the key of what is
    remembered, so a changed one is made anew.
    """

    @lru_cache(maxsize=_ROWS_REMEMBERED)
    def made(kept: bytes) -> _M:
        return make(decode(kept))

    return lambda document: made(document.raw)
