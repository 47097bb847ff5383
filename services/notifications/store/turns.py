"""Fair turns between companies: one that has many mails waiting gets a place for each far behind another's first.

Each company has a line of its own for each priority. A mail gets the turn after its company's last one, but none that
has passed already: a company that sends little is always next, and none can save turns up. This is start-time fair
queueing.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from pymongo import UpdateOne

from services.notifications.domain.mails import Mail
from shared.counters import not_by_majority, write
from shared.mongo import Database

TURNS = "turns"


def _reached(priority: int) -> str:
    return f"{priority}:reached"


async def take_turns(db: Database, mails: Sequence[Mail]) -> list[int]:
    """The turns of mails of one priority, in their order: for each company those after its last."""
    priority = int(mails[0].priority)
    reached = _reached(priority)
    lines = [f"{priority}:{mail.company_id}" for mail in mails]
    counters = not_by_majority(db, TURNS)
    last: dict[str, int] = {}
    left: dict[str, int] = Counter(lines)
    while left:
        found = await counters.find({"_id": {"$in": [*left, reached]}}).to_list(None)
        stood = {each["_id"]: each["turn"] for each in found}
        last |= {line: max(stood.get(line, 0), stood.get(reached, 0)) for line in left}
        writes = {
            line: UpdateOne({"_id": line, "turn": stood.get(line)}, {"$set": {"turn": last[line] + count}}, upsert=True)
            for line, count in left.items()
        }
        left = {line: left[line] for line in await write(counters, writes)}  # others were faster with them
    turns = []
    for line in lines:
        last[line] += 1
        turns.append(last[line])
    return turns


async def note_turns(db: Database, mails: Iterable[Mail]) -> None:
    """Remembers the turns that were reached: a line that begins, or begins again, begins behind them."""
    reached: dict[int, int] = {}
    for mail in mails:
        if mail.turn is not None:  # rows of older versions have none
            reached[mail.priority] = max(mail.turn, reached.get(mail.priority, 0))
    writes = [
        UpdateOne({"_id": _reached(priority)}, {"$max": {"turn": turn}}, upsert=True)
        for priority, turn in reached.items()
    ]
    if writes:
        await not_by_majority(db, TURNS).bulk_write(writes)
