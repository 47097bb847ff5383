"""Exports that are made in the background: what was asked for, as of when, how far it is, and who may have the file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from services.cases.cases.domain.visibility import Reader, reads_as
from shared.actor import Actor


class ExportState(StrEnum):
    """How far it is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"


class WhyFailed(StrEnum):
    """Why there is no file."""

    RIGHTS_CHANGED = "rights_changed"
    TOO_LARGE = "too_large"
    STORAGE_LOW = "storage_low"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Export:
    """One export of one user, as it stands now. Each attempt has its own `file_id`: nothing of an earlier one is used.

    `query` is a `CaseQuery` as JSON; `filters` say the same in the reader's words, as labels and values.
    """

    id: UUID
    format: Literal["xlsx", "csv"]
    actor: Actor
    query: Mapping[str, Any]
    filters: Sequence[tuple[str, str]]
    created_at: datetime
    request_id: str
    known: Mapping[str, int]  # the versions of the copies of user and company when it was asked for
    state: ExportState = ExportState.WAITING
    attempts: int = 0
    rows: int = 0
    total: int | None = None  # not counted yet
    as_of: datetime | None = None
    file_id: UUID | None = None
    size: int = 0
    expires_at: datetime | None = None
    reason: WhyFailed | None = None

    def state_for(self, actor: Actor, now: datetime) -> ExportState:
        """As its user sees it. A file that was made under other rights than they have now counts as expired."""
        if self.state is not ExportState.DONE:
            return self.state
        is_over = self.expires_at is None or self.expires_at <= now
        return ExportState.EXPIRED if is_over or rights_of(actor) != rights_of(self.actor) else ExportState.DONE


def rights_of(actor: Actor) -> Sequence[Reader]:
    """What decides which cases an actor sees: two actors with the same rights see the same of the same company."""
    return ("vendor",) if actor.is_vendor else (actor.company_id, *reads_as(actor))
