"""The list of cases as an Excel sheet: exactly the filtered rows, in the language and time zone of the reader."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import structlog

from services.cases.cases.domain.values import Status, turn_of
from services.cases.cases.store import exports
from services.cases.copies import store as copies
from shared.actor import Actor
from shared.child_process import run_in_child_process
from shared.coverage import Verdict
from shared.errors import TooManyRequests, Unavailable
from shared.i18n import Texts, day, moment, reading_in
from shared.mongo import Database, DatabaseError, is_too_old
from shared.schemas.cases import CaseQuery
from shared.zones import zone_of

_ = Texts(Path(__file__).parents[1] / "locale").gettext


CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_PROGRAM = "services.cases.cases.sheet"
# Longer than an export can take. If the process is killed, its users can export again after this time.
_LEASED_FOR = timedelta(minutes=6)
_RETRY_AFTER_S = 10

_log = structlog.get_logger()


class ExportIsRunning(TooManyRequests):
    """A user can have one export at a time, over all replicas."""

    code = "export_is_running"
    title = "An export of yours is still being made. Please wait until it has arrived."


class TooManyExports(Unavailable):
    """The process makes as many exports as it can already."""

    code = "too_many_exports"
    title = "Many exports are being made at this moment. Please try again shortly."
    retry_after_s = _RETRY_AFTER_S


class Places:
    """Bounds how many sheets this process makes at once: each takes a processor, and memory."""

    def __init__(self, count: int) -> None:
        """One per process."""
        self._count = count
        self._taken: set[object] = set()

    @contextmanager
    def take(self) -> Iterator[Callable[[], None]]:
        """Holds a place until the end, or until the yielded function is called. Raises TooManyExports."""
        if len(self._taken) >= self._count:
            raise TooManyExports
        place = object()
        self._taken.add(place)
        try:
            yield lambda: self._taken.discard(place)
        finally:
            self._taken.discard(place)


@asynccontextmanager
async def only_one(db: Database, actor: Actor) -> AsyncIterator[None]:
    """Lets the actor have no other export meanwhile. Raises ExportIsRunning if there is one already."""
    token = await exports.lease(db, actor.user_id, within=_LEASED_FOR)
    if token is None:
        raise ExportIsRunning(retry_after_s=_RETRY_AFTER_S)
    try:
        yield
    finally:
        await exports.end_lease(db, actor.user_id, token)


async def write_cases(db: Database, actor: Actor, query: CaseQuery, now: datetime) -> BinaryIO:
    """The sheet as a temporary file that is deleted when it is closed. Times are in the actor's time zone.

    It shows the cases as of one moment. Raises Unavailable if the database no longer keeps that moment at the end.
    """
    site, company = await _find_site(db, actor, query), await _find_company(db, query)
    with reading_in(actor.language):
        plan = _plan(actor)
        plan["about"] = [_as_of(actor, now), *_filters(plan, query, site=site, company=company)]
    try:
        return await run_in_child_process(_PROGRAM, plan, exports.each_batch(db, actor, query))
    except DatabaseError as error:
        if not is_too_old(error):
            raise
        _log.warning("export_cut", reason="the export took longer than the database keeps its snapshot")
        raise Unavailable from error


async def _find_site(db: Database, actor: Actor, query: CaseQuery) -> str:
    """The name of the site that the query asks for, where the actor may know it."""
    of_company = {} if actor.is_vendor else {"company_id": actor.company_id}
    site = await copies.find_copy(db, copies.SITES, {"_id": query.site_id, **of_company}) if query.site_id else None
    return site["name"] if site else str(query.site_id or "")


async def _find_company(db: Database, query: CaseQuery) -> str:
    company = await copies.find_copy(db, copies.COMPANIES, {"_id": query.company_id}) if query.company_id else None
    return company["name"] if company else str(query.company_id or "")


def _as_of(actor: Actor, now: datetime) -> tuple[str, str]:
    return _("As of"), f"{moment(now, zone_of(actor.time_zone))} ({actor.time_zone})"


def _filters(plan: dict[str, Any], query: CaseQuery, *, site: str, company: str) -> Iterator[tuple[str, str]]:
    """What the query asks for, in words: the label and the value of each filter."""
    views = {"waiting": _("Waiting for me"), "submitted": _("Submitted by me")}
    statuses = [query.status] if isinstance(query.status, str) else query.status or []
    labels = plan["statuses"] | {"open": _("All open")}
    every = {
        _("View"): views.get(query.view, ""),
        _("Status"): ", ".join(labels[status] for status in statuses),
        _("Severity"): plan["severities"].get(str(query.severity), ""),
        _("Site"): site,
        _("Company"): company,
        _("Serial number"): query.serial or "",
        _("Created from"): day(query.created_from) if query.created_from else "",
        _("Created until"): day(query.created_to) if query.created_to else "",
        _("Words"): query.q,
        _("Only created by me"): _("Yes") if query.mine else "",
    }
    yield from ((label, value) for label, value in every.items() if value)


def _plan(actor: Actor) -> dict[str, Any]:
    """The texts of the sheet in the reader's language, as on the portal's pages."""
    by_vendor = actor.is_vendor
    ours, theirs = ("vendor", "customer") if by_vendor else ("customer", "vendor")
    turns = {ours: _("You"), theirs: _("Customer") if by_vendor else _("Support")}
    return {
        "title": _("Cases"),
        "about_title": _("About this export"),
        "rows": _("Number of cases"),
        "columns": _columns(actor),
        "zone": actor.time_zone,
        "statuses": {
            Status.NEW.value: _("New"),
            Status.IN_PROGRESS.value: _("In progress"),
            Status.WAITING_CUSTOMER.value: _("Waiting for the customer") if by_vendor else _("Waiting for you"),
            Status.WAITING_PARTS.value: _("Waiting for parts"),
            Status.CLOSED.value: _("Closed"),
            Status.CANCELLED.value: _("Cancelled"),
        },
        "severities": {"1": _("Critical"), "2": _("High"), "3": _("Normal"), "4": _("Low")},
        "turns": {status.value: turns[turn] if (turn := turn_of(status)) else None for status in Status},
        "verdicts": {
            Verdict.COVERED.value: _("Covered"),
            Verdict.NOT_COVERED.value: _("Not covered"),
            Verdict.UNVERIFIED.value: _("Coverage not known yet"),
        },
    }


def _columns(actor: Actor) -> list[tuple[str, int]]:
    """Headings, and widths in characters."""
    zone = f" ({actor.time_zone})"
    return [
        (_("Case"), 14),
        (_("Title"), 50),
        (_("Status"), 28),
        (_("Severity"), 10),
        (_("Whose turn"), 16),
        (_("Product"), 30),
        (_("Product number"), 18),
        (_("Serial number"), 18),
        (_("Site"), 24),
        (_("Company"), 24),
        (_("Submitted by"), 24),
        (_("Your reference"), 18),
        (_("Coverage"), 26),
        (_("Covered until"), 16),
        (_("Created") + zone, 26),
        (_("Updated") + zone, 26),
    ]
