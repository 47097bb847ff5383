"""The HTTP bodies of exports that are made in the background."""

from typing import Literal
from uuid import UUID

from shared.schemas.base import Answer, Request, Utc
from shared.schemas.cases import CaseQuery

FormatName = Literal["xlsx", "csv"]


class ExportedCases(CaseQuery):
    """The query of `GET /cases`, as JSON; cursor, limit and total do not count."""


class MakeExport(Request):
    """`POST /cases/exports`."""

    format: FormatName
    query: ExportedCases = ExportedCases()


class ExportFilter(Answer):
    """What the cases of an export were chosen by, in the words of whoever asked for it."""

    label: str
    value: str


class ExportAnswer(Answer):
    """An export that is being made, can be fetched, or cannot be fetched any more."""

    id: UUID
    format: FormatName
    state: Literal["waiting", "running", "done", "failed", "expired"]
    rows: int  # written so far
    total: int | None  # to be written; none before they are counted
    created_at: Utc
    as_of: Utc | None  # the moment that all its rows are of; none before it is begun
    expires_at: Utc | None  # until when the file can be fetched
    size: int  # bytes of the file
    name: str  # of the file
    filters: list[ExportFilter]
    reason: Literal["rights_changed", "too_large", "storage_low", "broken"] | None  # why it failed
