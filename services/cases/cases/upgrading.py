"""What an upgrade leaves to do while replicas of the older version run beside this one, and after they are gone."""

from functools import partial

from services.cases.cases.store.indexes import drop_indexes_of_older, fill_in, fill_in_sites
from shared.mongo import Database
from shared.tasks import repeat

_FILLED_IN_EVERY_S = 10.0
_SITES_EVERY_S = 60.0
_DROPPED_EVERY_S = 3600.0


async def keep_filling_in(db: Database) -> None:
    """Runs in every replica until it is cancelled. Before it has readers, only the vendor sees an older one's case.

    Before it has words, no search finds it.
    """
    await repeat("fill_in", partial(fill_in, db), every_s=_FILLED_IN_EVERY_S)


async def keep_filling_in_sites(db: Database) -> None:
    """Runs in every replica until it is cancelled: some cases at a time, until each is found by its site's name."""
    await repeat("fill_in_sites", partial(fill_in_sites, db), every_s=_SITES_EVERY_S)


async def keep_dropping(db: Database) -> None:
    """Runs in every replica until it is cancelled."""
    await repeat("drop_indexes_of_older", partial(drop_indexes_of_older, db), every_s=_DROPPED_EVERY_S)
