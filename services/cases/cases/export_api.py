"""HTTP of exports: parse, call, answer."""

from datetime import datetime
from uuid import UUID

from aiohttp import web

from services.cases.attachments.api import DISK
from services.cases.cases import export, export_jobs, store
from services.cases.cases.domain.exports import Export
from services.cases.cases.store import export_jobs as jobs
from shared.actor import Actor
from shared.schemas.base import ListAnswer, Request
from shared.schemas.case_exports import ExportAnswer, ExportFilter, MakeExport
from shared.schemas.cases import CaseQuery
from shared.web.app import CLOCK, DATABASE
from shared.web.requests import actor_of, idempotency_key_of, read_body, read_path, read_query
from shared.web.responses import answer, send_file

PLACES = web.AppKey("places_of_exports", export.Places)
WORKSHOP = web.AppKey("workshop_of_exports", export_jobs.Workshop)

routes = web.RouteTableDef()


@routes.get("/cases.xlsx")
async def export_book(request: web.Request) -> web.StreamResponse:
    """The filtered rows over all pages as an Excel file."""
    return await _export(request, export.XLSX)


@routes.get("/cases.csv")
async def export_csv(request: web.Request) -> web.StreamResponse:
    """The same for programs."""
    return await _export(request, export.CSV)


@routes.post("/cases/exports")
async def make_export(request: web.Request) -> web.Response:
    """202 with the job, or with the one that the same key has made before."""
    actor, db, now = actor_of(request), request.app[DATABASE], request.app[CLOCK]()
    body = await read_body(request, MakeExport)
    key = await idempotency_key_of(request, actor)
    made = await export_jobs.ask_for_export(db, request.app[DISK], actor, body, key=key, now=now)
    request.app[WORKSHOP].woken.set()
    return answer(_shown(made, actor, now), status=202)


@routes.get("/cases/exports")
async def list_exports(request: web.Request) -> web.Response:
    """The actor's own, newest first."""
    read_query(request, Request)  # the whole list at once, so there is nothing to ask for
    actor, now = actor_of(request), request.app[CLOCK]()
    found = await jobs.find_exports(request.app[DATABASE], actor)
    items = [_shown(each, actor, now) for each in found]
    return answer(ListAnswer[ExportAnswer](items=items, total=len(items)))


@routes.get("/cases/exports/{id}")
async def show_export(request: web.Request) -> web.Response:
    """How far one of the actor's own is."""
    actor = actor_of(request)
    found = await jobs.get_export(request.app[DATABASE], actor, read_path(request, "id", UUID))
    return answer(_shown(found, actor, request.app[CLOCK]()))


@routes.get("/cases/exports/{id}/file")
async def fetch_file(request: web.Request) -> web.StreamResponse:
    """The file of one of the actor's own."""
    actor, now = actor_of(request), request.app[CLOCK]()
    made, pieces = await export_jobs.open_file(request.app[DATABASE], actor, read_path(request, "id", UUID), now)
    kind = export.KINDS[made.format]
    return await send_file(request, pieces, name=_name(made, kind), content_type=kind.content_type)


async def _export(request: web.Request, kind: export.Kind) -> web.StreamResponse:
    actor, db, now = actor_of(request), request.app[DATABASE], request.app[CLOCK]()
    query = read_query(request, CaseQuery)
    # What is refused is refused before the answer begins.
    store.read_order(query.sort)
    actor.company_to_read(query.company_id)
    async with export.only_one(db, actor) as end:
        pieces = export.written_cases(db, actor, query, now, kind=kind, places=request.app[PLACES], end=end)
        return await send_file(request, pieces, name=export.file_name(actor, now, kind), content_type=kind.content_type)


def _shown(made: Export, actor: Actor, now: datetime) -> ExportAnswer:
    return ExportAnswer(
        id=made.id,
        format=made.format,
        state=made.state_for(actor, now).value,
        rows=made.rows,
        total=made.total,
        created_at=made.created_at,
        as_of=made.as_of,
        expires_at=made.expires_at,
        size=made.size,
        name=_name(made, export.KINDS[made.format]),
        filters=[ExportFilter(label=label, value=value) for label, value in made.filters],
        reason=made.reason.value if made.reason else None,
    )


def _name(made: Export, kind: export.Kind) -> str:
    return export.file_name(made.actor, made.as_of or made.created_at, kind)
