"""How long a query may take: it is refused before the gateway stops waiting, with what would make it shorter."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import timeout
from pymongo.errors import ServerSelectionTimeoutError

from shared.errors import Invalid
from shared.mongo import DatabaseError


@contextmanager
def refused_after(seconds: float, *, field: str, code: str, sentence: str) -> Iterator[None]:
    """Raises Invalid at the field if the queries within the context take longer."""
    try:
        with timeout(seconds):
            yield
    except DatabaseError as error:
        # Where no database was there to be asked, nothing else to ask for helps.
        if not error.timeout or isinstance(error, ServerSelectionTimeoutError):
            raise
        raise Invalid.at(field, code, sentence) from error


@contextmanager
def too_many_after(seconds: float, *, field: str) -> Iterator[None]:
    """The same, with the refusal `too_many_found`."""
    sentence = "Too many cases are found. Choose fewer days, one company, or other words."
    with refused_after(seconds, field=field, code="too_many_found", sentence=sentence):
        yield
