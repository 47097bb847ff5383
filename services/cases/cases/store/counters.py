"""Counters of cases, kept beside them, so that no page has to count the cases themselves.

A case carries in `counted` what it is counted as. Every write that may change that marks the case, and a worker counts
the marked ones a moment later, many at once. So all cases are the counters, and what the marked ones change in them.
What nobody marked, a replica of an older version has written: a sweep finds it by the time of its change.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import NamedTuple
from uuid import UUID

from pymongo import ASCENDING, DESCENDING, UpdateOne

from services.cases.cases.domain.values import OPEN
from services.cases.cases.store.cases import CASES, COUNTED_LATER
from services.cases.cases.store.lists import SORTS
from shared.claims import ago, claim_due
from shared.errors import Conflict
from shared.mongo import Database, Document, Session, with_time_to_upgrade
from shared.tasks import repeat

COUNTERS = "case_counts"
# What a case is counted as, in the database's terms.
PLACE: Document = {
    "company_id": "$company_id",
    "own_ids": {"$ifNull": ["$own_ids", []]},
    "site_id": {"$ifNull": ["$site_id", None]},
    "confidential": "$confidential",
    "status": "$status",
    "severity": "$problem.severity",
}
IS_MARKED: Document = {COUNTED_LATER: True}
# The cases of the vendor's counters that belong to a site, whichever it is.
ANY_SITE = "any"
SWEEP, _ROUND = "sweep", "round"
# For so long after a sweep that found nothing more the counters are believed.
_KEPT_FOR = timedelta(seconds=60)

_AT_ONCE = 500
_EVERY_S = 0.5
_ROUND_FOR = timedelta(milliseconds=200)
# Whoever writes a case writes to it again soon, when its events were published: of two that write to it at once, one
# would have to begin anew.
_LEFT_ALONE_S = 0.3
_SWEEP_EVERY = timedelta(seconds=10)
# A change has the time at which its request came, by the clock of its replica.
_LATE_BY = timedelta(seconds=20)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = {"due": _EVER, "since": _EVER, "recounts": 0}


@dataclass(frozen=True, slots=True)
class Kind:
    """What decides who sees cases, which are counted together."""

    company_id: UUID
    own_ids: tuple[UUID, ...]
    site_id: UUID | None
    confidential: bool


@dataclass(frozen=True, slots=True)
class Place(Kind):
    """What a case is counted as."""

    status: str
    severity: int


class Marked(NamedTuple):
    """What a marked case changes in the counters: at this place is one more (1), or one less (-1)."""

    place: Place
    by: int
    site_name: str


# Of which company (None: of all), whose own (None: anybody's), at which site.
Bucket = tuple[UUID | None, UUID | None, UUID | str | None]


async def create_indexes(db: Database) -> None:
    """What is marked, and the counters of a company, of a site, and of the sites with most cases."""
    marked: list[tuple[str, int]] = [(COUNTED_LATER, ASCENDING), ("company_id", ASCENDING)]
    await db[CASES.collection].create_index(marked, name=COUNTED_LATER, partialFilterExpression=IS_MARKED)
    await db[COUNTERS].create_index([("company_id", ASCENDING), ("user_id", ASCENDING)])
    await db[COUNTERS].create_index("site_id")
    for most in ("open", "all"):
        await db[COUNTERS].create_index([(f"at_site.{most}", DESCENDING)], sparse=True)
    for work in (_ROUND, SWEEP):
        await db[COUNTERS].update_one({"_id": work}, {"$setOnInsert": _NEVER}, upsert=True)


async def keep_counting(db: Database) -> None:
    """Runs in every replica until it is cancelled; one at a time counts what is marked."""
    await repeat("count_marked", partial(count_marked, db), every_s=_EVERY_S)


async def keep_sweeping(db: Database) -> None:
    """Runs in every replica until it is cancelled; one at a time looks for what was not marked."""
    await repeat("sweep_counters", partial(sweep, db), every_s=_SWEEP_EVERY / timedelta(seconds=1) / 2)


async def count_marked(db: Database) -> bool:
    """Counts marked cases as what they are by now; whether there may be more."""
    marked = await db[CASES.collection].find(IS_MARKED, {"_id": 1}).limit(_AT_ONCE).to_list(None)
    if not marked or await claim_due(db[COUNTERS], "due", lease=_ROUND_FOR, wanted={"_id": _ROUND}) is None:
        return False
    await asyncio.sleep(_LEFT_ALONE_S)
    await count(db, [case["_id"] for case in marked])
    return len(marked) == _AT_ONCE


async def sweep(db: Database) -> bool:
    """Counts cases that were changed without a mark, the oldest change first; whether there may be more."""
    claimed = await claim_due(db[COUNTERS], "due", lease=_SWEEP_EVERY, wanted={"_id": SWEEP})
    if claimed is None:
        return False
    now = await db.now()
    last = await _count_missed(db, since=claimed["since"])
    done = (
        {"since": max(claimed["since"], now - _LATE_BY), "kept_at": now}
        if last is None
        else {"since": last, "due": now}
    )
    await db[COUNTERS].update_one({"_id": SWEEP}, {"$set": done})
    return last is not None


async def _count_missed(db: Database, *, since: datetime) -> datetime | None:
    """When the last of the cases was changed that it counted; None where none was left to count."""
    order = SORTS["updated_at"]
    is_missed = {"updated_at": {"$gte": since}, COUNTED_LATER: None, "$expr": {"$ne": ["$counted", PLACE]}}
    found = db[CASES.collection].find(is_missed, {"updated_at": 1}, collation=order.collation)
    missed = await found.sort(order.keys).limit(_AT_ONCE).to_list(None)
    if not missed:
        return None
    await count(db, [case["_id"] for case in missed])
    last: datetime = missed[-1]["updated_at"]
    return last


async def count(db: Database, case_ids: Sequence[UUID]) -> None:
    """Moves cases in the counters to where they belong by now. It may be done twice, and by two at once."""
    wanted: Document = {"_id": {"$in": list(case_ids)}}
    await db.atomically(partial(_move, db, wanted))
    # By itself: in a transaction an indexed field costs some ms, for each case. The mark of one that is counted right
    # changes nothing, and one that was changed meanwhile keeps it.
    is_right = {"$expr": {"$eq": ["$counted", PLACE]}}
    await db[CASES.collection].update_many({**wanted, **IS_MARKED, **is_right}, {"$unset": {COUNTED_LATER: ""}})


async def _move(db: Database, wanted: Document, session: Session) -> None:
    shown = {"place": PLACE, "counted": 1, "site_name": 1}
    cases = await db[CASES.collection].find(wanted, shown, session=session).to_list(None)
    moving = [case for case in cases if case["place"] != case.get("counted")]
    if not moving:
        return
    moved: Counter[tuple[Bucket, str]] = Counter()
    for case in moving:
        moved.update(_counters_of(case["place"]))
        moved.subtract(_counters_of(case.get("counted")))
    names = {case["place"]["site_id"]: case["site_name"] for case in moving if "counted" not in case}
    await _add(db, moved, names, session)
    places: list[Document] = [{"$set": {"counted": PLACE}}]
    await db[CASES.collection].update_many({"_id": {"$in": [case["_id"] for case in moving]}}, places, session=session)


def _counters_of(place: Document | None) -> Iterator[tuple[Bucket, str]]:
    """The counters that a case counts in, by the place that is written in it."""
    if place is None:
        return
    company_id, site_id = place["company_id"], place["site_id"]
    name = name_of(place["status"], place["severity"], confidential=place["confidential"])
    for user_id in (None, *place["own_ids"]):
        yield (company_id, user_id, site_id), name
    yield (None, None, site_id and ANY_SITE), name


def name_of(status: str, severity: int, *, confidential: bool) -> str:
    """Each counter of a bucket counts the cases of one kind."""
    return f"{status} {severity}{' confidential' if confidential else ''}"


@cache
def read_name(name: str) -> tuple[str, int, bool]:
    """Status, severity, and whether they are confidential."""
    status, severity, *confidential = name.split()
    return status, int(severity), bool(confidential)


async def find_marked(db: Database, scope: Document, session: Session) -> list[Marked] | None:
    """What the marked cases change in the counters of this moment; None where the counters themselves are not whole.

    They are not in a database that had none, until the first sweep is done, nor while nobody keeps them.
    """
    is_whole = {"_id": SWEEP, "$expr": {"$gt": ["$kept_at", ago(_KEPT_FOR)]}}
    found = await db[CASES.collection].aggregate(
        [
            {"$match": {**IS_MARKED, **scope}},
            {"$project": {"_id": 0, "place": PLACE, "counted": 1, "site_name": 1}},
            {"$unionWith": {"coll": COUNTERS, "pipeline": [{"$match": is_whole}]}},
        ],
        hint=COUNTED_LATER,  # else it may look at all cases of the company
        session=session,
    )
    documents = await found.to_list(None)
    if not documents or "kept_at" not in documents.pop():
        return None
    return [
        Marked(Place(**document[field] | {"own_ids": tuple(document[field]["own_ids"])}), by, document["site_name"])
        for document in documents
        for field, by in (("counted", -1), ("place", 1))
        if field in document
    ]


async def _add(db: Database, moved: Counter[tuple[Bucket, str]], names: Mapping[UUID, str], session: Session) -> None:
    by_bucket: dict[Bucket, Counter[str]] = {}
    for (bucket, name), by in moved.items():
        if by:
            by_bucket.setdefault(bucket, Counter())[name] = by
    if by_bucket:
        changes = [_change(bucket, by, names) for bucket, by in by_bucket.items()]
        await db[COUNTERS].bulk_write(changes, ordered=False, session=session)


def _change(bucket: Bucket, by: Counter[str], names: Mapping[UUID, str]) -> UpdateOne:
    key = dict(zip(("company_id", "user_id", "site_id"), bucket, strict=True))
    company_id, user_id, site_id = bucket
    added = {f"cases.{name}": count for name, count in by.items()}
    if company_id and site_id and user_id is None:  # the vendor asks for the sites with most cases
        added["at_site.all"] = by.total()
        added["at_site.open"] = sum(count for name, count in by.items() if read_name(name)[0] in OPEN)
    update: Document = {"$inc": added, "$setOnInsert": key}
    if isinstance(site_id, UUID) and site_id in names:
        update["$set"] = {"site_name": names[site_id]}
    return UpdateOne({"_id": key}, update, upsert=True)


async def recount(db: Database) -> int:
    """Mends the counters by the cases themselves, while the service runs; how many were wrong.

    What the worker moves meanwhile, it moves on both sides: the difference of one moment stays right. That holds for
    one at a time: Conflict for whoever is slower.
    """
    with with_time_to_upgrade():
        since: datetime | None = _EVER
        while since is not None:
            since = await _count_missed(db, since=since)
        async with db.at_one_moment() as session:
            lacks, names, recounts = await _compare(db, session)
        wrong = [(counter, by) for counter, by in lacks.items() if by]
        for begin in range(0, len(wrong), _AT_ONCE):
            mended = Counter(dict(wrong[begin : begin + _AT_ONCE]))
            await db.atomically(partial(_mend, db, mended, names, recounts))
            recounts += 1
    return len(wrong)


async def _mend(
    db: Database, wrong: Counter[tuple[Bucket, str]], names: Mapping[UUID, str], recounts: int, session: Session
) -> None:
    alone = {"_id": SWEEP, "recounts": recounts}
    if not (await db[COUNTERS].update_one(alone, {"$inc": {"recounts": 1}}, session=session)).matched_count:
        raise Conflict
    await _add(db, wrong, names, session)


async def _compare(db: Database, session: Session) -> tuple[Counter[tuple[Bucket, str]], dict[UUID, str], int]:
    """What each counter lacks, the names of the sites, and how often something was mended before."""
    lacks: Counter[tuple[Bucket, str]] = Counter()
    names: dict[UUID, str] = {}
    shown = {"_id": 0, "counted": 1, "site_name": 1}
    async for case in db[CASES.collection].find({}, shown, session=session):
        lacks.update(_counters_of(case.get("counted")))
        if "counted" in case:
            names[case["counted"]["site_id"]] = case["site_name"]
    recounts = 0
    async for counter in db[COUNTERS].find({}, session=session):
        if counter["_id"] == SWEEP:
            recounts = counter["recounts"]
        bucket = (counter.get("company_id"), counter.get("user_id"), counter.get("site_id"))
        lacks.subtract({(bucket, name): count for name, count in counter.get("cases", {}).items()})
    return lacks, names, recounts
