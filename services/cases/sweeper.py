"""Removes files that nobody needs: never cited, or claimed for an entry that never came."""

import asyncio
from datetime import timedelta

import structlog

from services.cases.store import attachments
from shared.mongo import Database, DatabaseError
from shared.tasks import told_to_stop

UNCITED_AFTER = timedelta(hours=24)
ABANDONED_AFTER = timedelta(hours=48)
_EVERY_S = 300.0

_log = structlog.get_logger()


async def sweep_for_ever(db: Database) -> None:
    """In every replica: each removal is decided by the database, so two at once do no harm."""
    while not told_to_stop():
        try:
            await sweep(db)
        except DatabaseError as error:
            _log.warning("file_sweep_failed", reason=type(error).__name__)
        if not told_to_stop():  # the driver may have swallowed that just now, and the sleep is long
            await asyncio.sleep(_EVERY_S)


async def sweep(db: Database) -> None:
    """Once."""
    uncited = await attachments.remove_uncited(db, after=UNCITED_AFTER)
    abandoned = await attachments.remove_abandoned(db, after=ABANDONED_AFTER)
    if uncited or abandoned:
        _log.info("files_swept", uncited=uncited, abandoned=abandoned)
