"""Counters of cases, kept beside them, so that no page has to count the cases themselves.

A case carries in `counted` what it is counted as. A worker looks for cases that have become something else, by the time
of their last change, whichever version wrote them, and moves many at once in the counters. Whoever asks for counts adds
to the counters what the cases of the last seconds will change in them: so the answer is exact at every moment.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import NamedTuple
from uuid import UUID

from pymongo import ASCENDING, DESCENDING, UpdateOne

from services.cases.cases.domain.values import OPEN
from services.cases.cases.store.cases import CASES
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
IS_CHANGED: Document = {"$expr": {"$ne": ["$counted", PLACE]}}
# The vendor has one counter for all cases that have a site.
ANY_SITE = "any"
STATE = "state"

_AT_ONCE = 500
_EVERY = timedelta(seconds=2)
# A change has the time at which its request came, by the clock of its replica: it may be written so much later.
_LATE_BY = timedelta(seconds=15)
# A case is written to again soon after a change, when its events were published. Of two that write to it at once, one
# has to begin anew: so the worker leaves it alone for that long.
_LEFT_ALONE = timedelta(seconds=0.5)
# For so long after the worker has counted everything, the counters are used.
_KEPT_FOR = timedelta(seconds=60)
_CONFIDENTIAL = " confidential"
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
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


class Changed(NamedTuple):
    """What a case that was changed lately changes in the counters: one more (1) or one less (-1) at this place."""

    place: Place
    by: int
    site_name: str


# Of which company (None: of all), whose own (None: anybody's), at which site.
Bucket = tuple[UUID | None, UUID | None, UUID | str | None]


async def create_indexes(db: Database) -> None:
    """The counters of a company, of a site, and of the sites with most cases."""
    await db[COUNTERS].create_index([("company_id", ASCENDING), ("user_id", ASCENDING)])
    await db[COUNTERS].create_index("site_id")
    for most in ("open", "all"):
        await db[COUNTERS].create_index([(f"at_site.{most}", DESCENDING)], sparse=True)
    await db[COUNTERS].update_one({"_id": STATE}, {"$setOnInsert": _NEVER}, upsert=True)


async def keep_counting(db: Database) -> None:
    """Runs in every replica until it is cancelled; one at a time counts what has changed."""
    await repeat("count_changed", partial(count_changed, db), every_s=_EVERY / timedelta(seconds=1))


async def count_changed(db: Database) -> bool:
    """Counts the cases that were changed, the oldest change first; whether there are more.

    In a database without counters these are all cases.
    """
    state = await claim_due(db[COUNTERS], "due", lease=_EVERY, wanted={"_id": STATE})
    if state is None:
        return False
    now = await db.now()
    last = await _count_changed(db, since=state["since"], before=now - _LEFT_ALONE)
    done = {"since": now - _LATE_BY, "kept_at": now} if last is None else {"since": last}
    update: Document = {"$max": done}
    if last is not None:
        update["$set"] = {"due": now}
    await db[COUNTERS].update_one({"_id": STATE}, update)
    return last is not None


async def _count_changed(db: Database, *, since: datetime, before: datetime = _FOREVER) -> datetime | None:
    """Counts some of the changed cases. The time of the last one's change, to go on from; None if there are no more."""
    changed = {"updated_at": {"$gte": since, "$lt": before}, **IS_CHANGED}
    order = SORTS["updated_at"]
    found = db[CASES.collection].find(changed, {"updated_at": 1}, collation=order.collation)
    cases = await found.sort(order.keys).limit(_AT_ONCE).to_list(None)
    if cases:
        await count(db, [case["_id"] for case in cases])
    last: datetime | None = cases[-1]["updated_at"] if len(cases) == _AT_ONCE else None
    return last


async def count(db: Database, case_ids: Sequence[UUID]) -> None:
    """Moves cases in the counters to where they belong by now. It may be done twice, and by two at once."""
    await db.atomically(partial(_move, db, case_ids))


async def _move(db: Database, case_ids: Sequence[UUID], session: Session) -> None:
    shown = {"place": PLACE, "counted": 1, "site_name": 1}
    cases = await db[CASES.collection].find({"_id": {"$in": list(case_ids)}}, shown, session=session).to_list(None)
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
    return f"{status} {severity}{_CONFIDENTIAL if confidential else ''}"


@cache
def read_name(name: str) -> tuple[str, int, bool]:
    """Status, severity, and whether they are confidential."""
    kind = name.removesuffix(_CONFIDENTIAL)
    status, _, severity = kind.rpartition(" ")  # a newer version may know a state of several words
    return status, int(severity), kind != name


async def find_changed(db: Database, scope: Document, session: Session) -> list[Changed] | None:
    """What the cases that were changed lately will change in the counters; None while these cannot be used.

    That is so until all cases of a database without counters are counted, and while no worker keeps them.
    """
    is_whole = {"_id": STATE, "$expr": {"$gt": ["$kept_at", ago(_KEPT_FOR)]}}
    state = await db[COUNTERS].find_one(is_whole, {"since": 1}, session=session)
    if state is None:
        return None
    order = SORTS["updated_at"]
    shown = {"_id": 0, "place": PLACE, "counted": 1, "site_name": 1}
    changed = {**scope, "updated_at": {"$gte": state["since"]}, **IS_CHANGED}
    # The index is named: many begin with the company, and trying which is best takes longer than the query itself.
    lately = f"{'company_id_1_' if scope else ''}updated_at_1__id_1_alphabetical"
    found = db[CASES.collection].find(changed, shown, collation=order.collation, hint=lately, session=session)
    return [
        Changed(Place(**case[field] | {"own_ids": tuple(case[field]["own_ids"])}), by, case["site_name"])
        async for case in found
        for field, by in (("counted", -1), ("place", 1))
        if field in case
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

    The worker may go on meanwhile: it changes cases and counters together, so the difference that was found stays
    right. Another `recount` would mend the same difference twice: Conflict for whoever is slower.
    """
    with with_time_to_upgrade():
        since: datetime | None = _EVER
        while since is not None:
            since = await _count_changed(db, since=since)
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
    alone = {"_id": STATE, "recounts": recounts}
    if not (await db[COUNTERS].update_one(alone, {"$inc": {"recounts": 1}}, session=session)).matched_count:
        raise Conflict
    await _add(db, wrong, names, session)


async def _compare(db: Database, session: Session) -> tuple[Counter[tuple[Bucket, str]], dict[UUID, str], int]:
    """What each counter lacks, the names of the sites by their ids, and how often counters were mended before."""
    lacks: Counter[tuple[Bucket, str]] = Counter()
    names: dict[UUID, str] = {}
    shown = {"_id": 0, "counted": 1, "site_name": 1}
    async for case in db[CASES.collection].find({}, shown, session=session):
        lacks.update(_counters_of(case.get("counted")))
        if "counted" in case:
            names[case["counted"]["site_id"]] = case["site_name"]
    recounts = 0
    async for counter in db[COUNTERS].find({}, session=session):
        if counter["_id"] == STATE:
            recounts = counter["recounts"]
        bucket = (counter.get("company_id"), counter.get("user_id"), counter.get("site_id"))
        lacks.subtract({(bucket, name): count for name, count in counter.get("cases", {}).items()})
    return lacks, names, recounts
