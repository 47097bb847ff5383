"""Gives readers to the cases that a replica of an older version writes while the service is upgraded."""

from functools import partial

from services.cases.cases.store.indexes import fill_in_readers
from shared.mongo import Database
from shared.tasks import repeat

_EVERY_S = 10.0


async def keep_filling_in(db: Database) -> None:
    """Runs in every replica until it is cancelled. Before a case has readers, only the vendor sees it."""
    await repeat("fill_in_readers", partial(fill_in_readers, db), every_s=_EVERY_S)
