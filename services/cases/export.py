"""The list of cases as an Excel sheet: exactly the filtered rows, over all pages."""

from collections.abc import AsyncIterator

from services.cases import store
from services.cases.domain import Case
from shared.actor import Actor
from shared.mongo import Database
from shared.schemas.cases import CaseQuery
from shared.sheets import Cell, Column

COLUMNS = (
    Column("Number", 14),
    Column("Title", 50),
    Column("Status", 18),
    Column("Severity", 9),
    Column("Turn", 10),
    Column("Product", 30),
    Column("Product number", 16),
    Column("Serial number", 18),
    Column("Site", 24),
    Column("Company", 24),
    Column("Submitter", 24),
    Column("Own reference", 18),
    Column("Coverage", 14),
    Column("Covered until", 14),
    Column("Created (UTC)", 18),
    Column("Updated (UTC)", 18),
)


async def each_row(db: Database, actor: Actor, query: CaseQuery) -> AsyncIterator[tuple[Cell, ...]]:
    """The cells of each row, in the order of the list."""
    async for case in store.each_case(db, actor, query):
        yield _cells(case)


def _cells(case: Case) -> tuple[Cell, ...]:
    equipment = case.equipment
    return (
        case.number,
        case.problem.title,
        case.status.value,
        case.problem.severity,
        case.turn,
        equipment.product_name,
        equipment.product_number,
        equipment.serial,
        case.site_name,
        case.company_name,
        case.submitter.name,
        case.problem.own_reference,
        equipment.coverage.verdict.value,
        equipment.coverage.until,
        case.created_at,
        case.updated_at,
    )
