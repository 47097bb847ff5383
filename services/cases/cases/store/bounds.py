"""How long the database may look for what somebody asks: an answer that helps comes before anybody stops waiting."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import timeout

from shared.errors import Invalid
from shared.mongo import DatabaseError


@contextmanager
def refused_after(seconds: float, *, field: str, code: str, sentence: str) -> Iterator[None]:
    """Invalid at the field, where what is asked within takes longer."""
    try:
        with timeout(seconds):
            yield
    except DatabaseError as error:
        if not error.timeout:
            raise
        raise Invalid.at(field, code, sentence) from error


@contextmanager
def too_many_after(seconds: float, *, field: str) -> Iterator[None]:
    """The same, where the cases that are found are too many."""
    sentence = "Too many cases are found. Choose fewer days, one company, or other words."
    with refused_after(seconds, field=field, code="too_many_found", sentence=sentence):
        yield
