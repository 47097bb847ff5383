"""The list of cases as an Excel sheet: exactly the filtered rows, over all pages, as whoever asks reads and writes."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

from services.cases import store
from services.cases.domain import Case, Status
from shared.actor import Actor
from shared.coverage import Verdict
from shared.i18n import Texts, reading_in
from shared.mongo import Database
from shared.schemas.cases import CaseQuery
from shared.sheets import Cell, Column, write_sheet

_ = Texts(Path(__file__).parent / "locale").gettext


@dataclass(frozen=True, slots=True)
class _Reader:
    """The reader's zone, and the words for what stands in a case as a code: those of the portal's pages."""

    zone: ZoneInfo
    statuses: Mapping[Status, str]
    severities: Mapping[int, str]
    turns: Mapping[str, str]
    verdicts: Mapping[Verdict, str]


async def write_cases(db: Database, actor: Actor, query: CaseQuery) -> BinaryIO:
    """The sheet as a temporary file that is gone when it is closed; times are those of the actor's zone."""
    with reading_in(actor.language):
        return await write_sheet(_("Cases"), _columns(actor), _each_row(db, actor, query))


def _columns(actor: Actor) -> list[Column]:
    zone = f" ({actor.time_zone})"
    return [
        Column(_("Case"), 14),
        Column(_("Title"), 50),
        Column(_("Status"), 28),
        Column(_("Severity"), 10),
        Column(_("Whose turn"), 16),
        Column(_("Product"), 30),
        Column(_("Product number"), 18),
        Column(_("Serial number"), 18),
        Column(_("Site"), 24),
        Column(_("Company"), 24),
        Column(_("Submitted by"), 24),
        Column(_("Your reference"), 18),
        Column(_("Coverage"), 26),
        Column(_("Covered until"), 16),
        Column(_("Created") + zone, 26),
        Column(_("Updated") + zone, 26),
    ]


async def _each_row(db: Database, actor: Actor, query: CaseQuery) -> AsyncIterator[tuple[Cell, ...]]:
    """The cells of each row, in the order of the list."""
    reader = _reader(actor)
    async for case in store.each_case(db, actor, query):
        yield _cells(case, reader)


def _reader(actor: Actor) -> _Reader:
    ours, theirs = ("vendor", "customer") if actor.is_vendor else ("customer", "vendor")
    return _Reader(
        zone=ZoneInfo(actor.time_zone),
        statuses={
            Status.NEW: _("New"),
            Status.IN_PROGRESS: _("In progress"),
            Status.WAITING_CUSTOMER: _("Waiting for the customer") if actor.is_vendor else _("Waiting for you"),
            Status.WAITING_PARTS: _("Waiting for parts"),
            Status.CLOSED: _("Closed"),
            Status.CANCELLED: _("Cancelled"),
        },
        severities={1: _("Critical"), 2: _("High"), 3: _("Normal"), 4: _("Low")},
        turns={ours: _("You"), theirs: _("Customer") if actor.is_vendor else _("Support")},
        verdicts={
            Verdict.COVERED: _("Covered"),
            Verdict.NOT_COVERED: _("Not covered"),
            Verdict.UNVERIFIED: _("Coverage not known yet"),
        },
    )


def _cells(case: Case, reader: _Reader) -> tuple[Cell, ...]:
    equipment = case.equipment
    return (
        case.number,
        case.problem.title,
        reader.statuses[case.status],
        reader.severities[case.problem.severity],
        reader.turns[case.turn] if case.turn else None,
        equipment.product_name,
        equipment.product_number,
        equipment.serial,
        case.site_name,
        case.company_name,
        case.submitter.name,
        case.problem.own_reference,
        reader.verdicts[equipment.coverage.verdict],
        equipment.coverage.until,
        case.created_at.astimezone(reader.zone),
        case.updated_at.astimezone(reader.zone),
    )
