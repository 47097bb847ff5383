"""How many cases an actor sees: by the counters where these can tell it, else by the cases; each says for whom."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Self, TypeVar
from uuid import UUID

from pymongo import DESCENDING

from services.cases.cases.domain.values import OPEN, Status
from services.cases.cases.domain.visibility import sees
from services.cases.cases.store.bounds import too_many_after
from services.cases.cases.store.cases import CASES
from services.cases.cases.store.counters import COUNTERS, Kind, find_changed, name_of, read_name
from services.cases.cases.store.finding import taken_and_untaken
from services.cases.cases.store.lists import (
    collation_of,
    find_wanted,
    is_of_untaken,
    read_order,
    status_filter,
    wanted_by,
)
from shared.actor import Actor
from shared.mongo import Database, Document, Session
from shared.paging import ALPHABETICAL
from shared.schemas.cases import CaseQuery
from shared.text import in_alphabet

_AT_MOST = 200
_COUNTED_WITHIN_S = 2  # a page shows the list without the counts meanwhile
_SEVERITIES = (1, 2, 3, 4)
_STATUSES = frozenset(status.value for status in Status)  # another version may know more
_FACETS = {"status": "status", "severity": "problem.severity", "site_id": "site_id"}
_COUNTED_BY = ("company_id", *_FACETS)

_V = TypeVar("_V", str, int)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many cases stand under each value; a site as (id or None, name, count)."""

    status: list[tuple[str, int]]
    severity: list[tuple[int, int]]
    site: list[tuple[UUID | None, str, int]]

    @property
    def of_open(self) -> Self:
        """The same without the statuses of cases that have ended."""
        return replace(self, status=[(status, count) for status, count in self.status if status in OPEN])


async def count_cases(db: Database, actor: Actor, query: CaseQuery, *, most_sites: int = _AT_MOST) -> Counts:
    """How many cases there are of each status, severity and site, most first. A filter does not limit its own counts.

    Invalid where the cases themselves have to be counted, and are too many for the time.
    """
    other_filters = query.model_copy(update=dict.fromkeys(_COUNTED_BY))
    if query.view != "favourites" and wanted_by(actor, other_filters) == wanted_by(actor, CaseQuery()):
        return await _by_counters(db, actor, query, most_sites) or await _by_cases(db, actor, query)
    at = "q" if query.q else "view" if query.created_from is query.created_to is None else "created_from"
    with too_many_after(_COUNTED_WITHIN_S, field=at):
        return await _by_cases(db, actor, query)


# By the counters


@dataclass(slots=True)
class _Tally:
    """Adds up what a query wants."""

    statuses: Collection[str]
    severities: Collection[int]
    site_wanted: UUID | None
    most_sites: int
    status: Counter[str] = field(default_factory=Counter)
    severity: Counter[int] = field(default_factory=Counter)
    site: Counter[UUID | None] = field(default_factory=Counter)
    names: dict[UUID | None, str] = field(default_factory=dict)

    @classmethod
    def of(cls, query: CaseQuery, most_sites: int) -> Self:
        """Of nothing yet."""
        statuses = list(Status) if query.status is None else OPEN if query.status == "open" else query.status
        severities = _SEVERITIES if query.severity is None else (query.severity,)
        statuses = [statuses] if isinstance(statuses, str) else statuses
        return cls(statuses, severities, query.site_id, most_sites)

    def add(self, site_id: UUID | None, status: str, severity: int, count: int) -> None:
        """Cases of one kind at a site."""
        if self.site_wanted in (None, site_id):
            self.add_here(status, severity, count)
        self.add_at(site_id, status, severity, count)

    def add_here(self, status: str, severity: int, count: int) -> None:
        """Cases of one kind at the wanted site, or at all: each count is under all filters but its own."""
        if severity in self.severities and status in _STATUSES:
            self.status[status] += count
        if status in self.statuses:
            self.severity[severity] += count

    def add_at(self, site_id: UUID | None, status: str, severity: int, count: int) -> None:
        """How many of one kind there are at a site."""
        if status in self.statuses and severity in self.severities:
            self.site[site_id] += count

    def counts(self) -> Counts:
        """What was added up."""
        return _counts(self.status, self.severity, self.site, self.names, most_sites=self.most_sites)


def _counts(
    status: Counter[str],
    severity: Counter[int],
    site: Counter[UUID | None],
    names: Mapping[UUID | None, str],
    *,
    most_sites: int,
) -> Counts:
    """What was counted, most first."""
    sites = [(site_id, names.get(site_id, ""), count) for site_id, count in site.items() if count]
    sites.sort(key=lambda site: (-site[2], in_alphabet(site[1])))
    return Counts(_most_first(status), _most_first(severity), sites[:most_sites])


def _most_first(counted: Counter[_V]) -> list[tuple[_V, int]]:
    return sorted([each for each in counted.items() if each[1]], key=lambda each: (-each[1], each[0]))


async def _by_counters(db: Database, actor: Actor, query: CaseQuery, most_sites: int = _AT_MOST) -> Counts | None:
    """None while the counters cannot be used."""
    of_all = actor.is_vendor and query.company_id is None
    scope: Document = {} if of_all else {"company_id": actor.company_to_read(query.company_id)}
    tally = _Tally.of(query, most_sites)
    async with db.at_one_moment() as session:
        changed = await find_changed(db, scope, session)
        if changed is None:
            return None
        seen = [each for each in changed if sees(actor, each.place)]
        if scope:
            await _add_seen(db, actor, scope, tally, session)
        else:
            await _add_all(db, tally, {each.place.site_id for each in seen}, session)
    for each in seen:
        place = each.place
        tally.add(place.site_id, place.status, place.severity, each.by)
        tally.names[place.site_id] = each.site_name
    return tally.counts()


async def _add_seen(db: Database, actor: Actor, scope: Document, tally: _Tally, session: Session) -> None:
    """What the actor sees of a company: each case once, as the company's or, if they do not see that, as their own."""
    whose = [None] if actor.is_vendor or actor.is_company_admin else [None, actor.user_id]
    unread = {"_id": 0, "at_site": 0}
    async for counter in db[COUNTERS].find({**scope, "user_id": {"$in": whose}}, unread, session=session):
        company_id, site_id, is_own = counter["company_id"], counter["site_id"], counter["user_id"] is not None
        others_seen = {
            confidential: sees(actor, Kind(company_id, (), site_id, confidential)) for confidential in (False, True)
        }
        tally.names[site_id] = counter.get("site_name", "")
        for name, count in counter["cases"].items():
            status, severity, confidential = read_name(name)
            if others_seen[confidential] is not is_own:
                tally.add(site_id, status, severity, count)


async def _add_all(db: Database, tally: _Tally, changing: set[UUID | None], session: Session) -> None:
    """All cases, and the sites that have most of them; also those that are `changing`, however few they have now."""
    async for counter in db[COUNTERS].find({"company_id": None, "cases": {"$exists": True}}, session=session):
        for name, count in counter["cases"].items():
            status, severity, _ = read_name(name)
            if tally.site_wanted is None:
                tally.add_here(status, severity, count)
            if counter["site_id"] is None:
                tally.add_at(None, status, severity, count)
    if tally.site_wanted is not None:
        await _add_here(db, tally, session)
    ordered, count = _sites_in_order(tally)
    sought = [[*ordered, {"$limit": tally.most_sites + len(changing)}]]
    if changing:
        sought.append([{"$match": {"site_id": {"$in": list(changing)}, "at_site": {"$exists": True}}}])
    shown: Document = {"_id": 0, "site_id": 1, "site_name": 1, "count": count}
    for stages in sought:
        found = await db[COUNTERS].aggregate([*stages, {"$project": shown}], session=session)
        for site in await found.to_list(None):
            tally.site[site["site_id"]] = site["count"]
            tally.names[site["site_id"]] = site.get("site_name", "")


async def _add_here(db: Database, tally: _Tally, session: Session) -> None:
    """All cases of the wanted site."""
    here = {"site_id": tally.site_wanted, "user_id": None, "company_id": {"$ne": None}}
    async for counter in db[COUNTERS].find(here, session=session):
        for name, count in counter["cases"].items():
            status, severity, _ = read_name(name)
            tally.add_here(status, severity, count)


def _sites_in_order(tally: _Tally) -> tuple[list[Document], str | Document]:
    """The sites with most of the wanted cases first, and how many of them each has.

    The usual ones are kept in their order; for others each site is looked at, but no case.
    """
    kept: dict[frozenset[str], str] = {frozenset(OPEN): "at_site.open", frozenset(Status): "at_site.all"}
    most = kept.get(frozenset(tally.statuses)) if len(tally.severities) == len(_SEVERITIES) else None
    if most is not None:
        return [{"$match": {most: {"$gt": 0}}}, {"$sort": {most: DESCENDING}}], f"${most}"
    names = [
        name_of(status, severity, confidential=confidential)
        for status, severity, confidential in product(tally.statuses, tally.severities, (False, True))
    ]
    count = {"$sum": [f"$cases.{name}" for name in names]}
    stages: list[Document] = [{"$match": {"at_site.all": {"$gt": 0}}}, {"$set": {"most": count}}]
    return [*stages, {"$sort": {"most": DESCENDING}}], count


# By the cases


async def _by_cases(db: Database, actor: Actor, query: CaseQuery) -> Counts:
    """In one look at them."""
    everywhere = query.model_copy(update=dict.fromkeys(_FACETS))
    if is_of_untaken(actor, query) and not query.q:
        # Together the database would look through all that waits for anybody.
        either = await taken_and_untaken(db, actor, everywhere, read_order("turn"))
        found = await asyncio.gather(*(_grouped(db, query, wanted, {"hint": by}) for by, wanted in either.items()))
    else:
        found = [await _grouped(db, query, await find_wanted(db, actor, everywhere), {})]
    status, severity = Counter[str](), Counter[int]()
    site, names = Counter[UUID | None](), dict[UUID | None, str]()
    for counts in found:
        for counted, facet in ((status, "status"), (severity, "severity"), (site, "site_id")):
            counted.update({group["_id"]: group["count"] for group in counts[facet]})
        names |= {group["_id"]: group["name"] for group in counts["site_id"]}
    return _counts(status, severity, site, names, most_sites=_AT_MOST)


async def _grouped(db: Database, query: CaseQuery, wanted: Document, by: Document) -> Document:
    """The groups of each facet among what is `wanted`."""
    seen = {name: f"${field}" for name, field in _FACETS.items()}
    facets = {name: _summed(query, name) for name in _FACETS}
    counted = await db[CASES.collection].aggregate(
        [
            {"$match": wanted},
            {"$group": {"_id": seen, "name": {"$last": "$site_name"}, "count": {"$sum": 1}}},
            {"$facet": facets},
        ],
        collation=ALPHABETICAL if by else collation_of(query),
        **by,
    )
    (counts,) = await counted.to_list(None)
    return counts


def _summed(query: CaseQuery, facet: str) -> list[Document]:
    """The counts of one facet, under the filters of the others."""
    chosen: Document = {
        "status": {"$in": sorted(_STATUSES)} if query.status is None else status_filter(query.status),
        "severity": query.severity,
        "site_id": query.site_id,
    }
    others = {f"_id.{name}": wanted for name, wanted in chosen.items() if name != facet and wanted is not None}
    if facet == "status":
        others["_id.status"] = {"$in": sorted(_STATUSES)}
    return [
        {"$match": others},
        {"$group": {"_id": f"$_id.{facet}", "name": {"$last": "$name"}, "count": {"$sum": "$count"}}},
    ]
