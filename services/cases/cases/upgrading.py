"""What an upgrade leaves to do while replicas of the older version run beside this one, and after they are gone."""

from functools import partial

from services.cases.cases.store.indexes import drop_indexes_of_older, fill_in, fill_in_later
from shared.mongo import Database
from shared.tasks import repeat

_FILLED_IN_EVERY_S = 10.0
_LATER_EVERY_S = 60.0
_DROPPED_EVERY_S = 3600.0


async def keep_filling_in(db: Database) -> None:
    """Runs in every replica until it is cancelled: gives the cases that older versions write their readers and words.

    Without readers only the vendor sees a case, without words no search finds it.
    """
    await repeat("fill_in", partial(fill_in, db), every_s=_FILLED_IN_EVERY_S)


async def keep_filling_in_later(db: Database) -> None:
    """Runs in every replica until it is cancelled: some cases at a time, until all have what newer ones have."""
    await repeat("fill_in_later", partial(fill_in_later, db), every_s=_LATER_EVERY_S)


async def keep_dropping(db: Database) -> None:
    """Runs in every replica until it is cancelled."""
    await repeat("drop_indexes_of_older", partial(drop_indexes_of_older, db), every_s=_DROPPED_EVERY_S)
