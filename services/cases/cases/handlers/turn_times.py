"""The report on whose turn it was at the cases of each site, and for how long."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from services.cases.cases import store
from shared.actor import Actor
from shared.errors import Invalid
from shared.mongo import Database
from shared.schemas.turn_times import TurnTimesQuery
from shared.zones import zone_of

_USUAL_DAYS, _MOST_DAYS = 90, 366


@dataclass(frozen=True, slots=True)
class Report:
    """What was found for the cases created on these days, both included."""

    first: date
    last: date
    at: datetime
    times: store.TurnTimes


async def report_turn_times(db: Database, actor: Actor, query: TurnTimesQuery, *, now: datetime) -> Report:
    """Of what the actor sees, in the days of their time zone; Invalid for a longer time than is counted at once."""
    zone = zone_of(actor.time_zone)
    first, last = _days(query, now.astimezone(zone).date())
    times = await store.find_turn_times(
        db,
        actor,
        company_id=query.company_id,
        begin=datetime.combine(first, time.min, zone),
        end=datetime.combine(last + timedelta(days=1), time.min, zone),
        now=now,
    )
    return Report(first, last, now, times)


def _days(query: TurnTimesQuery, today: date) -> tuple[date, date]:
    last = query.created_to or max(today, query.created_from or today)
    first = query.created_from or last - timedelta(days=_USUAL_DAYS - 1)
    if (last - first).days >= _MOST_DAYS:
        sentence = f"Choose at most {_MOST_DAYS} days."
        raise Invalid.at("created_from", "too_many_days", sentence, {"limit": _MOST_DAYS})
    return first, last
