"""For how long each side had its turn at the cases of each site; says for whom."""

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from services.cases.cases.domain.clock import Clock
from services.cases.cases.domain.values import OPEN
from services.cases.cases.store.bounds import refused_after
from services.cases.cases.store.cases import CASES, visible_to
from services.cases.cases.store.clocks import BEGAN, CLOCK, plus
from shared.actor import Actor
from shared.mongo import Database, Document
from shared.paging import ALPHABETICAL
from shared.text import in_alphabet

_WITHIN_S = 4  # the gateway waits a little longer
_MOST_SITES = 200


@dataclass(frozen=True, slots=True)
class SiteClock:
    """The clocks of some cases together: of one site, or of those of a company that are at none."""

    company_id: UUID
    company_name: str
    site_id: UUID | None
    site_name: str
    cases: int
    clock: Clock


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """The sites with most cases first, the sum over those that have no room among them, and the sum of all."""

    sites: list[SiteClock]
    others: tuple[int, Clock] | None
    total: tuple[int, Clock]


async def find_turn_times(
    db: Database, actor: Actor, *, company_id: UUID | None, begin: datetime, end: datetime, now: datetime
) -> TurnTimes:
    """Of the cases that the actor sees and that were created from `begin` until before `end`, as they are now.

    Invalid where there are more than can be added up in time.
    """
    added_up = _added_up([*_of(actor, company_id), {"created_at": {"$gte": begin, "$lt": end}}], now)
    sentence = "There are too many cases in this time. Choose fewer days, or one company."
    with refused_after(_WITHIN_S, field="created_from", code="too_many_to_add", sentence=sentence):
        # As the indexes of the orders have it.
        found = await db[CASES.collection].aggregate(added_up, collation=ALPHABETICAL)
        sites = sorted([_site(group) async for group in found], key=_order)
    shown, others = sites[:_MOST_SITES], sites[_MOST_SITES:]
    return TurnTimes(shown, _sum(others) if others else None, _sum(sites))


_PLACE = ("company_id", "company_name", "site_id", "site_name")


def _added_up(wanted: list[Document], now: datetime) -> list[Document]:
    by_site = {
        "_id": {"company_id": "$company_id", "site_id": "$site_id"},
        # Cases keep the name that their site had: of several names, always the same one.
        "company_name": {"$max": "$company_name"},
        "site_name": {"$max": "$site_name"},
        "cases": {"$sum": 1},
        **{name: {"$sum": f"$clock.{name}"} for name in asdict(Clock())},
    }
    return [
        {"$match": {"$and": wanted}},
        {"$project": dict.fromkeys(_PLACE, 1) | {"clock": CLOCK, "status": 1, "began": BEGAN}},
        {"$set": {"clock": _until(now)}},
        {"$group": by_site},
    ]


def _of(actor: Actor, company_id: UUID | None) -> list[Document]:
    every = [visible_to(actor), {} if company_id is None else {"company_id": actor.company_to_read(company_id)}]
    return [each for each in every if each]


def _until(now: datetime) -> Document:
    """The clock with the present turn until now; the time after an end counts only if the case is reopened."""
    at = {"$max": [now, "$began"]}
    is_open = {"$in": ["$status", sorted(status.value for status in OPEN)]}
    return {"$cond": [is_open, plus("$clock", status="$status", begin="$began", end=at), "$clock"]}


def _site(group: Document) -> SiteClock:
    clock = Clock(**{name: group[name] for name in asdict(Clock())})
    return SiteClock(
        company_id=group["_id"]["company_id"],
        company_name=group["company_name"],
        site_id=group["_id"].get("site_id"),
        site_name=group["site_name"],
        cases=group["cases"],
        clock=clock,
    )


def _order(site: SiteClock) -> tuple[object, ...]:
    return -site.cases, in_alphabet(site.site_name), in_alphabet(site.company_name), f"{site.company_id}{site.site_id}"


def _sum(sites: list[SiteClock]) -> tuple[int, Clock]:
    sums = {name: sum(getattr(site.clock, name) for site in sites) for name in asdict(Clock())}
    return sum(site.cases for site in sites), Clock(**sums)
