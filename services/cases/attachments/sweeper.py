"""Removes files that nobody needs, and releases those that wait for a scanner that was taken away."""

from datetime import timedelta

import structlog

from services.cases.attachments.store import files as attachments
from services.cases.attachments.store.owners import Owners
from services.cases.attachments.store.uncited import KEPT_FOR, SWEPT_EVERY
from shared.mongo import Database
from shared.tasks import repeat

ABANDONED_AFTER = timedelta(hours=48)
# While a scanner is brought in, a replica that does not know of it yet leaves it this long.
UNSCANNED_AFTER = timedelta(minutes=10)

_log = structlog.get_logger()


async def sweep_files(db: Database, *, owners: Owners, scanned: bool) -> None:
    """Runs in every replica until it is cancelled: the database decides each removal, so two at once do no harm.

    `scanned` says whether new files get a verdict. Where they get none, no file waits for one either.
    """

    async def sweep_once() -> None:
        await sweep(db, owners)
        if not scanned:
            await release_unscanned(db)

    await repeat("sweep_files", sweep_once, every_s=SWEPT_EVERY.total_seconds())


async def sweep(db: Database, owners: Owners) -> None:
    """Removes files that no entry cited in time, and those that were claimed for an entry which was never written."""
    uncited = await attachments.remove_uncited(db, after=KEPT_FOR)
    abandoned = await attachments.remove_abandoned(db, owners, after=ABANDONED_AFTER)
    if uncited or abandoned:
        _log.info("files_swept", uncited=uncited, abandoned=abandoned)


async def release_unscanned(db: Database) -> None:
    """Makes files available that wait for a verdict, where no scanner is configured any more."""
    if released := await attachments.release_unscanned(db, after=UNSCANNED_AFTER):
        _log.warning("files_released_unscanned", files=released)
