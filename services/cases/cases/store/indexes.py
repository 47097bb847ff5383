"""The indexes of cases, and the readers of those that an older version wrote."""

from functools import partial
from typing import Any

from pymongo import ASCENDING, TEXT

from services.cases.cases.domain.visibility import COMPANY, CONFIDENTIAL, NO_SITE
from services.cases.cases.store import counters
from services.cases.cases.store.cases import CASES
from services.cases.cases.store.lists import SORTS, UNASSIGNED, WAITS_FOR_CUSTOMER
from shared.coverage import Verdict
from shared.mongo import Database, Document, drop_index
from shared.paging import create_alphabetical_index, create_index_for

_AT_ONCE = 500
_FILTERS = ("status", "site_id", "site_name", "problem.severity")
_USUAL = ("updated_at", "created_at")
# Those of older versions that nothing searches by any more.
_GONE = (
    "counts",
    "status_1_assignee.user_id_1_updated_at_-1",
    "company_id_1_own_ids_1__id_1",
    "company_id_1_submitter.user_id_1__id_1",
    "assignee.user_id_1_status_1_created_at_1__id_1_alphabetical",
)
_ASSIGNED: Document = {"assignee.user_id": {"$exists": True}}
# Every case has at least one reader: none has this empty.
_WITHOUT_READERS: Document = {"readers": None}
# As `visibility.readers_of` says it.
_READERS: Document = {
    "$concatArrays": [
        {"$ifNull": ["$own_ids", []]},
        {"$cond": ["$confidential", [CONFIDENTIAL], [COMPANY, {"$ifNull": ["$site_id", NO_SITE]}]]},
    ]
}


async def create_indexes(db: Database) -> None:
    """What the queries search and sort by; and readers for the cases of older versions, which nobody would see else."""
    await _create_orders(db)
    while await fill_in_readers(db):
        pass
    create = partial(_create, db)
    await create("number", unique=True)
    # What totals count by, without a look at any case.
    await create("readers", "company_id", *_FILTERS, name="counts_by_readers")
    await create(*_FILTERS, name="counts_of_all")
    await create("owner.user_id", "status")
    listed = partial(create_alphabetical_index, db[CASES.collection])
    await listed("submitter.user_id", "updated_at", "_id")
    # The agents' queues, the oldest first, and what waits for each side. Cases that are in none of them cost nothing.
    await listed("status", "created_at", "_id")
    await listed("status", "created_at", "_id", name="unassigned", **_only_where(UNASSIGNED))
    for name, field in (("assigned", "created_at"), ("assigned_by_activity", "updated_at")):
        await listed("assignee.user_id", "status", field, "_id", name=name, **_only_where(_ASSIGNED))
    await listed("readers", "company_id", "updated_at", "_id", name="waiting", **_only_where(WAITS_FOR_CUSTOMER))
    # By these two the vendor searches too, over all companies.
    await listed("equipment.serial", "company_id")
    await listed("problem.own_reference", "company_id", name="own_reference", **_only_with("problem.own_reference"))
    await listed("pin", "created_at", "_id", name="pin", **_only_with("pin"))
    for link in ("parent", "follow_up_of"):
        await create(link, name=link, **_only_with(link))
    unverified = _only_where({"equipment.coverage.verdict": Verdict.UNVERIFIED.value})
    await create("equipment.serial", name="unverified", **unverified)
    await create("equipment.said", name="unverified_said", **unverified)
    # Words as they are written: stems and stop words of one language would be wrong for the other.
    texts = [("problem.title", TEXT), ("problem.description", TEXT)]
    await db[CASES.collection].create_index(texts, name="text", default_language="none")
    await counters.create_indexes(db)
    for name in _GONE:
        await drop_index(db[CASES.collection], name)


async def _create_orders(db: Database) -> None:
    """Each order of a list has an index for the vendor and one for companies; readers have theirs in the usual orders.

    Who sees nearly all cases of a company walks the company's index and passes over the others; who sees few of them
    reads those alone. One with the readers for every order would make writing a case cost twice as much.
    """
    for order in SORTS.values():
        await create_index_for(order, db[CASES.collection])
        await create_index_for(order, db[CASES.collection], "company_id")
    for name in _USUAL:
        await create_index_for(SORTS[name], db[CASES.collection], "readers", "company_id")


async def _create(db: Database, *fields: str, **options: Any) -> None:
    await db[CASES.collection].create_index([(field, ASCENDING) for field in fields], **options)


def _only_with(field: str) -> Document:
    return _only_where({field: {"$gt": ""}})


def _only_where(filter_: Document) -> Document:
    return {"partialFilterExpression": filter_}


async def fill_in_readers(db: Database) -> int:
    """Gives readers to the cases that an older version wrote, as many as are looked for at once; how many it found.

    Another replica that does the same may be faster with them: only when none is found has every case its readers.
    """
    cases = db[CASES.collection]
    found = await cases.find(_WITHOUT_READERS, {"_id": 1}).limit(_AT_ONCE).to_list(None)
    if not found:
        return 0
    wanted = {"_id": {"$in": [document["_id"] for document in found]}, **_WITHOUT_READERS}
    await cases.update_many(wanted, [{"$set": {"readers": _READERS}}])
    return len(found)
