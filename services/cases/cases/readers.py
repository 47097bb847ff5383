"""Gives readers to the cases that a replica of an older version writes while the service is upgraded."""

import asyncio

import structlog

from services.cases.cases.store.indexes import fill_in_readers
from shared.mongo import Database, DatabaseError
from shared.tasks import cancel_requested

_EVERY_S = 10.0

_log = structlog.get_logger()


async def fill_in_for_ever(db: Database) -> None:
    """In every replica; until then such a case is seen by the vendor only."""
    while not cancel_requested():
        try:
            while await fill_in_readers(db):
                pass
        except DatabaseError as error:
            _log.warning("readers_not_filled_in", reason=type(error).__name__)
        await asyncio.sleep(_EVERY_S)
