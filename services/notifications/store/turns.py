"""Fair turns between companies: one that has many mails waiting gets a place for each far behind another's first.

Each company has a line of its own for each priority. A mail gets the turn after its company's last one, but none that
has passed already: a company that sends little is always next, and none can save
turns up. This is start-time fair queueing.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from pymongo import UpdateOne, WriteConcern

from services.notifications.domain.mails import Mail
from services.notifications.store.counters import Counters, count_up
from shared.mongo import Database, Document

TURNS = "turns"


def _reached(priority: int) -> str:
    return f"{priority}:reached"


async def take_turns(db: Database, mails: Sequence[Mail]) -> list[int]:
    """The turns of mails of one priority, in their order: for each company those after its last."""
    priority = int(mails[0].priority)
    reached = _reached(priority)
    lines = [f"{priority}:{mail.company_id}" for mail in mails]
    lengths = Counter(lines)
    last: dict[str, int] = {}

    def counted(line: str, stood: Counters) -> Document:
        last[line] = max(stood[name]["turn"] if name in stood else 0 for name in (line, reached))
        return {"turn": last[line] + lengths[line]}

    await count_up(db, TURNS, lengths, counted, field="turn", beside=reached)
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
        # A turn that is lost with a server loses no mail, so no mail should wait for a disk because of it.
        await db[TURNS].with_options(write_concern=WriteConcern(1)).bulk_write(writes)
