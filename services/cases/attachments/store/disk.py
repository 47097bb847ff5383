"""Whether the database's disk has room for files; for cases, mails and everything else some is kept."""

import time

import structlog

from services.cases.attachments.domain.refusals import StorageLow
from shared.mongo import Database

# What comes in meanwhile must be less than the floor.
_ASKED_EVERY_S = 2.0

_log = structlog.get_logger()


class Disk:
    """What is free on the disk of the database's server, asked at most every two seconds; one per process."""

    def __init__(self, *, floor_bytes: int) -> None:
        """0 for no floor."""
        self._floor_bytes = floor_bytes
        self._asked_at = float("-inf")
        self._is_low = False

    async def refuse_if_low(self, db: Database) -> None:
        """StorageLow below the floor."""
        if await self.is_low(db):
            raise StorageLow

    async def is_low(self, db: Database) -> bool:
        """Whether less than the floor is free; False where the server does not tell."""
        if self._floor_bytes and time.monotonic() - self._asked_at >= _ASKED_EVERY_S:
            # Before it answers, which may take long: whoever comes meanwhile goes by what was known before.
            self._asked_at = time.monotonic()
            self._note(await db.free_bytes())
        return self._is_low

    def _note(self, free: int | None) -> None:
        was_low, self._is_low = self._is_low, free is not None and free < self._floor_bytes
        if self._is_low and not was_low:
            _log.warning("storage_low", free_bytes=free, floor_bytes=self._floor_bytes)
        elif was_low and not self._is_low:
            _log.info("storage_enough", free_bytes=free, floor_bytes=self._floor_bytes)
