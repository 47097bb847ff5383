"""Lists of cases as files: sent while they are read, few at once, one for each user."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from services.cases.cases import sheet
from services.cases.cases.store import exports
from shared import audit
from shared.actor import Actor
from shared.errors import TooManyRequests, Unavailable
from shared.mongo import Database, DatabaseError, Session, is_too_old
from shared.schemas.cases import CaseQuery
from shared.sheets import Book, CsvTable, Table
from shared.zones import zone_of

# As long as the database keeps the moment that is read at.
_WITHIN_S = 300.0
# Longer than an export can take. If the process is killed, its users can export again after this time.
_LEASED_FOR = timedelta(minutes=6)
RETRY_AFTER_S = 10
# Between two slices everybody else's requests go on, by so many turns of the event loop: a slice takes half a
# millisecond, and a turn in which nobody wants anything some microseconds.
_SLICE_ROWS, _TURNS = 40, 8
# For so long, in all, an export waits for its reader; then it gives its place to others, and goes on without one.
_PATIENCE_S = 5.0

_log = structlog.get_logger()


class ExportIsRunning(TooManyRequests):
    """A user can have one export at a time, over all replicas."""

    code = "export_is_running"
    title = "An export of yours is still being made. Please wait until it has arrived."


class TooManyExports(Unavailable):
    """The process makes as many exports as it can already."""

    code = "too_many_exports"
    title = "Many exports are being made at this moment. Please try again shortly."
    retry_after_s = RETRY_AFTER_S


@dataclass(frozen=True, slots=True)
class Kind:
    """What an export is written as."""

    ending: str
    content_type: str
    table: Callable[[sheet.Sheet], Table]


XLSX = Kind(
    ".xlsx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    lambda shown: Book(shown.columns, title=shown.title, about=shown.about, zone=shown.zone),
)
CSV = Kind(".csv", "text/csv; charset=utf-8", lambda shown: CsvTable(shown.columns, zone=shown.zone))
KINDS = {"xlsx": XLSX, "csv": CSV}
AUDITED = "cases.export.made"


class Places:
    """Bounds how many exports this process makes at once, and how much of its time they take together."""

    def __init__(self, count: int) -> None:
        """One per process."""
        self._count = count
        self._taken: set[object] = set()
        self.turn = asyncio.Lock()  # of all exports one works, for one slice

    @property
    def are_taken(self) -> bool:
        """Whether there is none left."""
        return len(self._taken) >= self._count

    @contextmanager
    def take(self) -> Iterator[Callable[[], None]]:
        """Holds a place until the end, or until the yielded function is called. Raises TooManyExports."""
        if self.are_taken:
            raise TooManyExports
        place = object()
        self._taken.add(place)
        try:
            yield lambda: self._taken.discard(place)
        finally:
            self._taken.discard(place)


@asynccontextmanager
async def only_one(db: Database, actor: Actor) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Lets the actor have no other export until the end, or until the yielded function is called.

    Raises ExportIsRunning if there is one already.
    What is done inside is cut off before the lease ends by itself.
    """
    token = await exports.lease(db, actor.user_id, within=_LEASED_FOR)
    if token is None:
        raise ExportIsRunning(retry_after_s=RETRY_AFTER_S)
    try:
        async with asyncio.timeout(_WITHIN_S) as limit:
            yield partial(exports.end_lease, db, actor.user_id, token)
    except TimeoutError as error:
        if not limit.expired():
            raise
        _log.warning("export_cut", reason="its reader was too slow")
        raise Unavailable from error
    finally:
        # Whose connection was cut is cancelled right then.
        await asyncio.shield(exports.end_lease(db, actor.user_id, token))


async def written_cases(
    db: Database,
    actor: Actor,
    query: CaseQuery,
    now: datetime,
    *,
    kind: Kind,
    places: Places,
    end: Callable[[], Awaitable[None]],
) -> AsyncGenerator[bytes]:
    """The file, piece by piece, with the cases as of one moment. Times are in the actor's time zone.

    `end` is called before the last piece, so that whoever has the whole file may begin another export. The audit log
    has its entry by then; of an export that breaks off it has what was sent.

    Raises TooManyExports before the first piece, and Unavailable where the database no longer keeps that moment.
    """
    rows, is_noted = 0, False
    with places.take() as leave:
        shown = await sheet.describe(db, actor, query, now)
        table, loop, patience_s = kind.table(shown), asyncio.get_running_loop(), _PATIENCE_S
        try:
            async with (
                db.at_one_moment() as session,
                aclosing(exports.each_batch(db, session, actor, query)) as batches,
            ):
                async for batch in batches:
                    piece = await write_in_slices(table, batch, shown.labels, places)
                    rows += len(batch)
                    began, leaving = loop.time(), loop.call_later(patience_s, leave)
                    yield piece
                    leaving.cancel()
                    patience_s -= loop.time() - began
            await note(db, actor, query, kind, rows=rows, is_whole=True, at=now)
            is_noted = True
        except DatabaseError as error:
            if not is_too_old(error):
                raise
            _log.warning("export_cut", reason="the export took longer than the database keeps its snapshot")
            raise Unavailable from error
        finally:
            if rows and not is_noted:
                # Whose connection was cut is cancelled right then.
                await asyncio.shield(note(db, actor, query, kind, rows=rows, is_whole=False, at=now))
        await end()
        yield table.end()


async def write_in_slices(table: Table, batch: Sequence[Sequence[Any]], labels: sheet.Labels, places: Places) -> bytes:
    """What the file goes on with; everybody else's requests go on meanwhile, and of all exports one works."""
    pieces = []
    for start in range(0, len(batch), _SLICE_ROWS):
        async with places.turn:
            pieces.append(table.add(sheet.rows_of(batch[start : start + _SLICE_ROWS], labels)))
            for _ in range(_TURNS):
                await asyncio.sleep(0)
    return b"".join(pieces)


async def note(
    db: Database,
    actor: Actor,
    query: CaseQuery,
    kind: Kind,
    *,
    rows: int,
    is_whole: bool,
    at: datetime,
    session: Session | None = None,
) -> None:
    """Writes into the audit log who took what out: an export makes no event."""
    body = {"format": kind.ending.removeprefix("."), "query": asked(query), "rows": rows, "is_whole": is_whole}
    await audit.record(db, AUDITED, company_id=actor.company_id, at=at, body=body, session=session)


def file_name(actor: Actor, as_of: datetime, kind: Kind) -> str:
    """Named by the moment that its rows are of, in its reader's time zone."""
    return f"cases-{as_of.astimezone(zone_of(actor.time_zone)):%Y-%m-%d-%H%M}{kind.ending}"


def asked(query: CaseQuery) -> dict[str, Any]:
    """What a query asks for, as JSON; an export has no pages."""
    plain = query.model_dump(mode="json", exclude_defaults=True, exclude={"limit", "cursor", "total", "serial"})
    return plain if query.serial is None else {**plain, "serial": query.serial.label}
