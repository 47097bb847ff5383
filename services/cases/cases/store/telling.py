"""Telling every replica that a case has changed: after the write, which never waits for it."""

from pydantic import TypeAdapter

from services.cases.cases.domain.case import Case
from services.cases.cases.domain.telling import Telling
from shared.mongo import Database, Document
from shared.topology import CASE_CHANGED

_TELLING = TypeAdapter(Telling)


def said_of(case: Case, before: Case | None) -> Document:
    """What a hint says of a case that was written as a whole."""
    return _said(Telling.of(case, before, version=case.version))


def tell_of_entry(db: Database, case: Case, *, internal: bool) -> None:
    """Gives the hint of an entry that was appended to a case; `case` has the version that was read before.

    An internal entry leaves the version as it is.
    """
    version = case.version if internal else case.version + 1
    db.hint(CASE_CHANGED, case.id, about=_said(Telling.of(case, version=version, internal=internal)))


def read_telling(about: object) -> Telling:
    """What a hint says; ValueError for what this version does not know."""
    return _TELLING.validate_python(about)


def _said(telling: Telling) -> Document:
    said: Document = _TELLING.dump_python(telling, mode="json")
    return said
