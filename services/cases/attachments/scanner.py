"""Has each new file scanned for viruses; nobody can download it before."""

from datetime import timedelta
from functools import partial

import structlog
from prometheus_client import Counter

from services.cases.attachments.clamd import Clamd, NoVerdict
from services.cases.attachments.store import files as attachments
from services.cases.attachments.store.files import ToScan
from shared.mongo import Database
from shared.tasks import repeat

_LOOK_EVERY_S = 0.5
_PAUSES_S = (2, 10, 30, 120, 300)

_log = structlog.get_logger()
_scans = Counter("portico_attachment_scans_total", "Looks of the virus scanner at files, by outcome", ["outcome"])


class Scanner:
    """Scans one file after the other; many scanners may run, in one process and in others."""

    def __init__(self, clamd: Clamd, pauses_s: tuple[float, ...] = _PAUSES_S) -> None:
        """After each try without a verdict the file waits for the next of the pauses; the last one repeats."""
        self._clamd = clamd
        self._pauses_s = pauses_s

    async def run(self, db: Database) -> None:
        """Scans files until it is cancelled."""
        await repeat("scan_files", partial(self._scan_next, db), every_s=_LOOK_EVERY_S)

    async def _scan_next(self, db: Database) -> bool:
        """Scans the file that has waited longest; False when none waits."""
        file = await attachments.claim_scan(db)
        if file is None:
            return False
        try:
            virus = await self._clamd.scan(file.content)
        except NoVerdict as error:
            await self._try_later(db, file, str(error))
            return True
        _scans.labels("infected" if virus else "clean").inc()
        if virus:
            _log.warning("virus_found", file=file.id, virus=virus)
        await attachments.write_verdict(db, file.id, virus=virus)
        return True

    async def _try_later(self, db: Database, file: ToScan, reason: str) -> None:
        _scans.labels("no_verdict").inc()
        pause_s = self._pauses_s[min(file.tries, len(self._pauses_s)) - 1]
        _log.warning("scan_without_verdict", file=file.id, reason=reason, tries=file.tries, again_in_s=pause_s)
        await attachments.scan_later(db, file.id, pause=timedelta(seconds=pause_s))
