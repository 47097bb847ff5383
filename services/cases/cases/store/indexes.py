"""The indexes of cases, and the fields that cases of an older version lack and are found by."""

from functools import partial
from typing import Any

from pymongo import ASCENDING, UpdateOne

from services.cases.cases.domain.visibility import COMPANY, CONFIDENTIAL, NO_SITE
from services.cases.cases.domain.words import Key, keys_of, keys_of_numbers, keys_of_words
from services.cases.cases.store import counters, marks, queues
from services.cases.cases.store.cases import CASES
from services.cases.cases.store.finding import CREATED
from services.cases.cases.store.lists import ORDERS_WITH_READERS, SORTS, WAITS_FOR_CUSTOMER
from services.cases.cases.store.news import OF_HISTORY
from services.cases.cases.store.searching import WORDS
from shared.coverage import Verdict
from shared.mongo import Database, Document, drop_index
from shared.paging import create_alphabetical_index, create_index_for

_AT_ONCE = 500
_FILTERS = ("status", "site_id", "site_name", "problem.severity")
# Those of older versions that nothing searches by any more.
_GONE = (
    "counts",
    "counts_by_readers",
    "status_1_assignee.user_id_1_updated_at_-1",
    "company_id_1_own_ids_1__id_1",
    "company_id_1_submitter.user_id_1__id_1",
    "assignee.user_id_1_status_1_created_at_1__id_1_alphabetical",
    "equipment.serial_1_company_id_1_alphabetical",
)
# Those that replicas of the version before search by, which run beside newer ones for some hours at most.
_GOING = (
    *("text", "own_reference_alphabetical"),
    *(
        f"{filter_}{field}_1__id_1_alphabetical"
        for field in ("status", "site_name", "company_name", "equipment.serial", "turn_since")
        for filter_ in ("", "company_id_1_")
    ),
)
_OLDER_FOR_HOURS = 24
_UPGRADES, _OLDER_INDEXES = "upgrades", "indexes_of_older"
# All cases are gone through twice: the second time when no older version writes to them any more.
_FILLED_IN, _FILLED_IN_AGAIN = "numbers_filled_in", "numbers_filled_in_again"
# Every case has words: its number is one of them.
_WITHOUT_WORDS: Document = {"words": None}
_OF_WORDS = (
    *("company_id", "number", "equipment.serial"),
    *("problem.title", "problem.description", "problem.own_reference", "site_name"),
)
_OF_WORDS_LATER = ("company_id", "number", "equipment.serial", "problem.own_reference", "site_name")
_ASSIGNED: Document = {"assignee.user_id": {"$exists": True}}
# As `visibility.readers_of` says it.
_READERS: Document = {
    "$concatArrays": [
        {"$ifNull": ["$own_ids", []]},
        {"$cond": ["$confidential", [CONFIDENTIAL], [COMPANY, {"$ifNull": ["$site_id", NO_SITE]}]]},
    ]
}


async def create_indexes(db: Database) -> None:
    """What the queries search and sort by; and what cases of older versions are seen and found by."""
    create = partial(_create, db)
    await _create_orders(db)
    await create("words", name=WORDS)
    while await fill_in(db):
        pass
    await create("number", unique=True)
    # What totals count by, without a look at any case.
    beside = ("created_at", "submitter.user_id")
    await create("readers", "company_id", *_FILTERS, *beside, name="counts_by_readers_and_more")
    await create(*_FILTERS, name="counts_of_all")
    await create("created_at", "updated_at", "_id", *_FILTERS, name=CREATED)
    await create("owner.user_id", "status")
    listed = partial(create_alphabetical_index, db[CASES.collection])
    await listed("submitter.user_id", "updated_at", "_id")
    # What waits for each side. Cases that are in none of them cost nothing.
    of_agents = (("assigned", "created_at"), ("assigned_by_activity", "updated_at"), ("assigned_by_turn", "turn_since"))
    for name, field in of_agents:
        await listed("assignee.user_id", "status", field, "_id", name=name, **_only_where(_ASSIGNED))
    await listed("readers", "company_id", "updated_at", "_id", name="waiting", **_only_where(WAITS_FOR_CUSTOMER))
    await listed("pin", "created_at", "_id", name="pin", **_only_with("pin"))
    for link in ("parent", "follow_up_of"):
        await create(link, name=link, **_only_with(link))
    unverified = _only_where({"equipment.coverage.verdict": Verdict.UNVERIFIED.value})
    await create("equipment.serial", name="unverified", **unverified)
    await create("equipment.said", name="unverified_said", **unverified)
    await queues.create_indexes(db)
    await counters.create_indexes(db)
    await marks.create_indexes(db)
    for name in _GONE:
        await drop_index(db[CASES.collection], name)


async def _create_orders(db: Database) -> None:
    """Each order of a list has an index for the vendor and one for companies; readers have theirs in the usual orders.

    Who sees nearly all cases of a company walks the company's index and passes over the others; who sees few of them
    reads those alone. One with the readers for every order would make writing a case cost twice as much.
    """
    # Whose turn it is follows from the status: its index has the time of the turn, too.
    for order in (order for name, order in SORTS.items() if name != "turn"):
        await create_index_for(order, db[CASES.collection])
        await create_index_for(order, db[CASES.collection], "company_id")
    for name in ORDERS_WITH_READERS:
        await create_index_for(SORTS[name], db[CASES.collection], "readers", "company_id")


async def _create(db: Database, *fields: str, **options: Any) -> None:
    await db[CASES.collection].create_index([(field, ASCENDING) for field in fields], **options)


def _only_with(field: str) -> Document:
    return _only_where({field: {"$gt": ""}})


def _only_where(filter_: Document) -> Document:
    return {"partialFilterExpression": filter_}


async def fill_in(db: Database) -> int:
    """Gives cases that an older version wrote their readers and words, as many as are looked for at once.

    How many it found. Another replica may be faster with them, so only when none is found have all cases both. No
    version wrote words without readers.
    """
    cases = db[CASES.collection]
    found = await cases.find(_WITHOUT_WORDS, dict.fromkeys(_OF_WORDS, 1)).limit(_AT_ONCE).to_list(None)
    if found:
        changes = [
            UpdateOne(
                {"_id": each["_id"], **_WITHOUT_WORDS},
                [{"$set": {"readers": _READERS, "words": _words(each), "news": OF_HISTORY}}],
            )
            for each in found
        ]
        await cases.bulk_write(changes, ordered=False)
    return len(found)


def _words(document: Document) -> list[Key]:
    problem = document["problem"]
    return keys_of(
        document["company_id"],
        **_numbers_of(document),
        title=problem["title"],
        description=problem["description"],
        site_name=document.get("site_name", ""),
    )


def _numbers_of(document: Document) -> dict[str, Any]:
    return {
        "number": document["number"],
        "serial": document["equipment"]["serial"],
        "own_reference": document["problem"].get("own_reference", ""),
    }


async def fill_in_later(db: Database) -> bool:
    """Gives some older cases what their numbers begin with, the words of their site's name, and what is new in them.

    Whether there may be more. Where it stands is kept by the database: a replica that takes over goes on there, and two
    at once do no harm.
    """
    if await _fill_in_some(db, _FILLED_IN):
        return True
    return await _is_a_day_ago(db, _FILLED_IN) and await _fill_in_some(db, _FILLED_IN_AGAIN)


async def _fill_in_some(db: Database, name: str) -> bool:
    state = await db[_UPGRADES].find_one({"_id": name}) or {}
    if state.get("done"):
        return False
    beyond: Document = {"_id": {"$gt": after}} if (after := state.get("after")) else {}
    shown = dict.fromkeys(_OF_WORDS_LATER, 1)
    some = db[CASES.collection].find(beyond, shown).sort("_id", ASCENDING).limit(_AT_ONCE)
    found = await some.to_list(None)
    # What has no words at all gets them, and the rest, from `fill_in`.
    changes = [UpdateOne({"_id": case["_id"], "words": {"$ne": None}}, [{"$set": _later_of(case)}]) for case in found]
    if changes:
        await db[CASES.collection].bulk_write(changes, ordered=False)
    now = {"after": found[-1]["_id"]} if len(found) == _AT_ONCE else {"done": True}
    await _note(db, name, now)
    return "done" not in now


def _later_of(case: Document) -> Document:
    company_id = case["company_id"]
    numbers = keys_of_numbers(company_id, **_numbers_of(case))
    keys = keys_of_words(company_id, case.get("site_name", "")) + numbers
    return {"words": {"$concatArrays": ["$words", {"$setDifference": [keys, "$words"]}]}, "news": OF_HISTORY}


async def drop_indexes_of_older(db: Database) -> None:
    """Drops what only an older version searches by, a day after it was found here first, by the database's clock."""
    going = [name for name in _GOING if name in await db[CASES.collection].index_information()]
    if not going:
        return
    await _note(db, _OLDER_INDEXES, {})
    if await _is_a_day_ago(db, _OLDER_INDEXES):
        for name in going:
            await drop_index(db[CASES.collection], name)
        await db[_UPGRADES].delete_one({"_id": _OLDER_INDEXES})


async def _note(db: Database, name: str, state: Document) -> None:
    """Keeps how far a part of the upgrade is, and when it began."""
    noted = {**state, "at": {"$ifNull": ["$at", "$$NOW"]}}
    await db[_UPGRADES].update_one({"_id": name}, [{"$set": noted}], upsert=True)


async def _is_a_day_ago(db: Database, name: str) -> bool:
    """Whether a part of the upgrade began so long ago that no replica of the version before is left."""
    a_day_ago = {"$dateSubtract": {"startDate": "$$NOW", "unit": "hour", "amount": _OLDER_FOR_HOURS}}
    return await db[_UPGRADES].find_one({"_id": name, "$expr": {"$lte": ["$at", a_day_ago]}}) is not None
