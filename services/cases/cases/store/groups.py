"""The groups that the rows of a page stand in: the cases of a site, or of a device, and how many there are of each."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from services.cases.cases.store.cases import CASES
from services.cases.cases.store.lists import find_wanted, group_fields
from shared.actor import Actor
from shared.mongo import Database, Document
from shared.paging import ALPHABETICAL, Page, value_in
from shared.schemas.cases import CaseQuery
from shared.text import in_alphabet

_COUNTED = 1_000  # of more, only that


@dataclass(frozen=True, slots=True)
class Group:
    """How many rows of the page are in it, and how many there are on all pages."""

    rows: int
    count: int
    is_lower_bound: bool


async def find_groups(db: Database, actor: Actor, query: CaseQuery, page: Page) -> list[Group]:
    """The groups of a page's rows, in their order; none of a list that has no groups.

    A group that begins and ends on the page is counted there: the database counts the first and the last at most.
    """
    fields = group_fields(actor, query)
    if not fields:
        return []
    runs = [list(run) for _, run in groupby(page.documents, key=lambda case: _alike(case, fields))]
    groups = [Group(len(run), len(run), is_lower_bound=False) for run in runs]
    cut = {0} if query.cursor else set()
    cut |= {len(runs) - 1} if page.next_cursor else set()
    for place in cut if runs else ():
        same = {field: value_in(runs[place][0], field) for field in fields}
        groups[place] = await _count(db, await find_wanted(db, actor, query), same, rows=len(runs[place]))
    return groups


def _alike(case: Document, fields: tuple[str, ...]) -> list[Any]:
    """As the list's order compares values."""
    values = (value_in(case, field) for field in fields)
    return [in_alphabet(value)[0] if isinstance(value, str) else value for value in values]


async def _count(db: Database, wanted: Document, same: Document, *, rows: int) -> Group:
    found = await db[CASES.collection].count_documents(
        {"$and": [wanted, same]}, limit=_COUNTED + 1, collation=ALPHABETICAL
    )
    return Group(rows, max(min(found, _COUNTED), rows), is_lower_bound=found > _COUNTED)
