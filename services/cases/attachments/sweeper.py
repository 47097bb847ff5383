"""Removes files that nobody needs, and releases those that wait for a scanner which is no longer there."""

import asyncio
from datetime import timedelta

import structlog

from services.cases.attachments.store import files as attachments
from services.cases.attachments.store.uncited import KEPT_FOR, SWEPT_EVERY
from shared.mongo import Database, DatabaseError
from shared.tasks import cancel_requested

ABANDONED_AFTER = timedelta(hours=48)
# While a scanner is brought in, a replica that does not know of it yet leaves it this long.
UNSCANNED_AFTER = timedelta(minutes=10)

_log = structlog.get_logger()


async def sweep_for_ever(db: Database, *, scanned: bool) -> None:
    """In every replica: each removal is decided by the database, so two at once do no harm.

    `scanned` says whether new files get a verdict. Where they get none, nobody waits for one either.
    """
    while not cancel_requested():
        try:
            await sweep(db)
            if not scanned:
                await release_unscanned(db)
        except DatabaseError as error:
            _log.warning("file_sweep_failed", reason=type(error).__name__)
        if not cancel_requested():  # the driver may have swallowed that just now, and the sleep is long
            await asyncio.sleep(SWEPT_EVERY.total_seconds())


async def sweep(db: Database) -> None:
    """Once."""
    uncited = await attachments.remove_uncited(db, after=KEPT_FOR)
    abandoned = await attachments.remove_abandoned(db, after=ABANDONED_AFTER)
    if uncited or abandoned:
        _log.info("files_swept", uncited=uncited, abandoned=abandoned)


async def release_unscanned(db: Database) -> None:
    """Once; for where there is no scanner any more."""
    if released := await attachments.release_unscanned(db, after=UNSCANNED_AFTER):
        _log.warning("files_released_unscanned", files=released)
