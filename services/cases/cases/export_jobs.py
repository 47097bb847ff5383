"""Exports in the background: asked for by one request, made by any replica, fetched by another request.

Whoever makes one holds a lease on it, and says every few seconds how far it is. A process that is told to stop gives it
back, of one that was killed the lease ends: then another one makes the export anew, from a new moment, which the file
tells.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog

from services.cases.attachments.store.disk import Disk
from services.cases.cases import export as direct
from services.cases.cases import sheet
from services.cases.cases.domain.exports import Export, ExportState, WhyFailed, rights_of
from services.cases.cases.store import export_jobs as jobs
from services.cases.cases.store import exports
from services.cases.cases.store.lists import read_order
from shared.actor import Actor, Role, Visibility
from shared.errors import Conflict, NotFound
from shared.idempotency import IdempotencyKey
from shared.logging import Origin, origin
from shared.mongo import Database, DatabaseError, Document, Session, is_too_old
from shared.schemas.case_exports import MakeExport
from shared.schemas.cases import CaseQuery
from shared.tasks import cancel_requested, repeat

# For jobs that another replica was asked for, or was making when it stopped.
_LOOKED_FOR_EVERY_S = 2.0
# Well within a lease.
_TOLD_EVERY_S = 2.0
_MOST_ATTEMPTS = 3
# As long as the database keeps the moment that is read at.
_WITHIN_S = 300.0
_MOST_BYTES = 512 * 2**20

_log = structlog.get_logger()


class ExportNotThere(Conflict):
    """It is still being made, has failed, or its file is kept no longer."""

    code = "export_not_there"
    title = "This file is not there: it is still being made, or it is kept no longer."


class _Ended(Exception):
    def __init__(self, reason: WhyFailed) -> None:
        self.reason = reason


@dataclass(slots=True)
class _Progress:
    rows: int = 0
    total: int | None = None


# What is asked for


async def ask_for_export(
    db: Database, disk: Disk, actor: Actor, body: MakeExport, *, key: IdempotencyKey, now: datetime
) -> Export:
    """A new job, or the one that the same key has made. Raises ExportIsRunning while the user has another under way."""
    read_order(body.query.sort)
    actor.company_to_read(body.query.company_id)
    await disk.refuse_if_low(db)
    known = jobs.known_versions(await jobs.find_known(db, actor))
    shown = await sheet.describe(db, actor, body.query, now)
    export = Export(
        id=key.id,
        format=body.format,
        actor=actor,
        query=direct.asked(body.query),
        filters=shown.filters,
        created_at=now,
        request_id=origin.get().request_id,
        known=known,
    )
    made = await jobs.put_export(db, export, key)
    if made is None:
        raise direct.ExportIsRunning(retry_after_s=direct.RETRY_AFTER_S)
    return made


async def open_file(db: Database, actor: Actor, export_id: UUID, now: datetime) -> tuple[Export, AsyncGenerator[bytes]]:
    """The file of one of the user's own exports. Raises NotFound, and ExportNotThere where it cannot be had."""
    export = await jobs.get_export(db, actor, export_id)
    if export.state_for(actor, now) is not ExportState.DONE:
        raise ExportNotThere
    return export, jobs.each_piece(db, export)


# How it is made


class Workshop:
    """Makes exports one after the other, in this process, for as long as one of its places is free."""

    def __init__(self, places: direct.Places, disk: Disk) -> None:
        """`woken` is set where one was asked for."""
        self._places = places
        self._disk = disk
        self.woken = asyncio.Event()

    async def work(self, db: Database) -> None:
        """Runs until it is cancelled."""
        await repeat("exports", partial(self.make_next, db), every_s=_LOOKED_FOR_EVERY_S, woken=self.woken)

    async def make_next(self, db: Database) -> bool:
        """Whether there was one to make."""
        if self._places.are_taken or not await jobs.is_any_due(db):
            return False
        try:
            with self._places.take():
                export = await jobs.claim(db)
                if export is None:
                    return False
                await self._make(db, export)
        except direct.TooManyExports:
            return False
        await jobs.forget_older(db, export.actor)
        return True

    async def _make(self, db: Database, export: Export) -> None:
        actor = export.actor
        token = origin.set(Origin(export.request_id, str(actor.user_id), actor.address, actor.name))
        try:
            await self._make_watched(db, export)
        except _Ended as ended:
            _log.warning("export_failed", export=str(export.id), reason=ended.reason.value)
            await jobs.fail(db, export, ended.reason)
        finally:
            origin.reset(token)
            if cancel_requested():
                await jobs.give_back(db, export)

    async def _make_watched(self, db: Database, export: Export) -> None:
        """Tells meanwhile how far it is. Gives up if another replica has the job, or its user may not have it."""
        progress = _Progress()
        await self._refuse_if_over(db, export)
        writing = asyncio.ensure_future(self._write(db, export, progress))
        try:
            while not cancel_requested():
                ended, _ = await asyncio.wait({writing}, timeout=_TOLD_EVERY_S)
                if ended:
                    await writing
                    return
                await self._refuse_if_over(db, export)
                if not await jobs.keep(db, export, rows=progress.rows, total=progress.total):
                    return
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _refuse_if_over(self, db: Database, export: Export) -> None:
        if export.attempts > _MOST_ATTEMPTS:
            raise _Ended(WhyFailed.BROKEN)
        if await has_lost_rights(db, export):
            raise _Ended(WhyFailed.RIGHTS_CHANGED)
        if await self._disk.is_low(db):
            raise _Ended(WhyFailed.STORAGE_LOW)

    async def _write(self, db: Database, export: Export, progress: _Progress) -> None:
        actor, query, kind = export.actor, CaseQuery.model_validate(export.query), direct.KINDS[export.format]
        shown = await sheet.describe(db, actor, query, _moment_of(export))
        table, file = kind.table(shown), jobs.FileWriter(db, export.file_id)
        try:
            async with exports.long_moment(db, within_s=_WITHIN_S) as session:
                progress.total = await exports.count_rows(db, session, actor, query)
                async with aclosing(exports.each_batch(db, session, actor, query)) as batches:
                    async for batch in batches:
                        if cancel_requested():
                            return
                        await file.write(await direct.write_in_slices(table, batch, shown.labels, self._places))
                        progress.rows += len(batch)
                        if file.size > _MOST_BYTES:
                            raise _Ended(WhyFailed.TOO_LARGE)
        except DatabaseError as error:
            # Made anew when the lease ends, from a new moment.
            if is_too_old(error):
                _log.warning("export_cut", reason="the export took longer than the database keeps its snapshot")
            raise
        await file.write(table.end())
        await file.end()
        await _finish(db, export, kind, rows=progress.rows, size=file.size)


async def _finish(db: Database, export: Export, kind: direct.Kind, *, rows: int, size: int) -> None:
    """There is no file without its entry in the audit log."""
    query, at = CaseQuery.model_validate(export.query), await db.now()

    async def work(session: Session) -> None:
        if await jobs.finish(db, export, rows=rows, size=size, session=session):
            await direct.note(db, export.actor, query, kind, rows=rows, is_whole=True, at=at, session=session)

    await db.atomically(work)


def _moment_of(export: Export) -> datetime:
    """When this attempt to make it began."""
    if export.as_of is None:
        raise NotFound
    return export.as_of


# Whose it is


async def has_lost_rights(db: Database, export: Export) -> bool:
    """Whether its user is gone or locked out, or sees other cases than when they asked for it."""
    actor = export.actor
    user, company = await jobs.find_known(db, actor)
    if user is not None and (user["deleted"] or not user.get("active", True)):
        return True
    if company is not None and (company["deleted"] or company.get("suspended", False)):
        return True
    return rights_of(_as_known(actor, export, user, company)) != rights_of(actor)


def _as_known(actor: Actor, export: Export, user: Document | None, company: Document | None) -> Actor:
    """The user as the copies have them, as far as these are newer than when the export was asked for."""
    if user is not None and user["version"] > export.known.get("user", 0):
        site_ids = user.get("site_ids")
        actor = replace(
            actor,
            company_id=user["company_id"],
            role=Role(user["role"]),
            site_ids=None if site_ids is None else frozenset(site_ids),
            main_site_id=user.get("main_site_id"),
        )
    if company is not None and company["version"] > export.known.get("company", 0):
        actor = replace(actor, visibility=Visibility(company.get("visibility", Visibility.COMPANY)))
    return actor
