"""Fair turns between companies: one that has many mails waiting gets a place for each far behind another's first.

Each company has a line of its own for each priority. A mail gets the turn after its company's last one, but none that
has passed already: a company that sends little is always next, and none can save
turns up. This is start-time fair queueing.
"""

from collections.abc import Iterable
from typing import cast
from uuid import UUID

from pymongo import ReturnDocument, WriteConcern
from pymongo.read_concern import ReadConcern

from services.notifications.domain.mails import Mail
from services.notifications.kinds import Priority
from shared.mongo import Collection, Database, Document

TURNS = "turns"


def _turns(db: Database) -> Collection:
    # A turn that is lost with a server loses no mail, so no mail should wait for a disk because of it.
    return db[TURNS].with_options(write_concern=WriteConcern(1), read_concern=ReadConcern("local"))


def _reached(priority: int) -> str:
    return f"{priority}:reached"


async def take_turns(db: Database, company_id: UUID | None, priority: Priority, *, count: int) -> Iterable[int]:
    """The turns of a company's next `count` mails."""
    reached = await _turns(db).find_one({"_id": _reached(priority)})
    passed = 0 if reached is None else reached["turn"]
    line = await _turns(db).find_one_and_update(
        {"_id": f"{priority}:{company_id}"},
        [{"$set": {"turn": {"$add": [{"$max": ["$turn", passed]}, count]}}}],
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    # The upsert answers the document as it is afterwards: it is always there.
    last: int = cast("Document", line)["turn"]
    return range(last - count + 1, last + 1)


async def note_turn(db: Database, mail: Mail) -> None:
    """Remembers the turn that was reached: a line that begins, or begins again, begins behind it."""
    if mail.turn is not None:  # rows of older versions have none
        await _turns(db).update_one({"_id": _reached(mail.priority)}, {"$max": {"turn": mail.turn}}, upsert=True)
