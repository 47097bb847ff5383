"""Wires the parts of cases together."""

from functools import partial
from typing import Any

from aiohttp import web

from services.cases.attachments import api as attachments_api
from services.cases.attachments.clamd import Clamd
from services.cases.attachments.handlers import Policy
from services.cases.attachments.scanner import Scanner
from services.cases.attachments.store import files
from services.cases.attachments.store.disk import Disk
from services.cases.attachments.sweeper import sweep_files
from services.cases.cases import api as cases_api
from services.cases.cases import export_api, store
from services.cases.cases.export import Places
from services.cases.cases.export_jobs import Workshop
from services.cases.cases.store import citations, export_jobs
from services.cases.cases.upgrading import keep_dropping, keep_filling_in, keep_filling_in_later
from services.cases.consumers import SUBSCRIPTIONS
from services.cases.copies import store as copies
from services.cases.live import api as live_api
from services.cases.live.streams import HEARD, Streams
from services.cases.settings import CasesSettings
from shared import quotas, topology
from shared.case_passes import pass_key
from shared.mongo import Database
from shared.service import Background, Hears, ServiceSpec, create_service
from shared.web.app import DATABASE

OWNERS_OF_FILES = {citations.KIND: citations.RULES}
_SCANS_AT_ONCE = 4


def create_app(settings: CasesSettings) -> web.Application:
    """The cases service, ready to be served."""
    disk, streams = Disk(floor_bytes=settings.free_disk_floor_bytes), Streams()
    places = Places(settings.exports_at_once)
    workshop = Workshop(places, disk)
    parts = ServiceSpec(
        name="cases",
        routes=[*export_api.routes, *cases_api.routes, *attachments_api.routes, *live_api.routes],
        emits=[store.CASES.collection],
        create_indexes=_create_indexes,
        queue=topology.CASES,
        subscriptions=SUBSCRIPTIONS,
        hears=Hears(HEARD, streams.apply_hint, on_attached=streams.reload_all),
        degraded=partial(_degraded, disk),
        background=[
            partial(sweep_files, owners=OWNERS_OF_FILES, scanned=settings.clamd is not None),
            keep_filling_in,
            keep_filling_in_later,
            keep_dropping,
            workshop.work,
            store.keep_counter_seen,
            store.keep_counting,
            *_scanners(settings),
        ],
    )
    app = create_service(parts, settings)
    app[cases_api.NUMBERS] = store.CaseNumbers(app[DATABASE])
    app[cases_api.PASS_KEY] = pass_key(settings.secret_key)
    app[attachments_api.DISK] = disk
    app[attachments_api.OWNERS] = OWNERS_OF_FILES
    app[attachments_api.QUOTAS] = settings.quotas
    app[attachments_api.POLICY] = Policy(settings.limits, scanned=settings.clamd is not None)
    app[export_api.PLACES] = places
    app[export_api.WORKSHOP] = workshop
    app[live_api.STREAMS] = streams
    app.on_shutdown.append(_end_streams)
    return app


async def _end_streams(app: web.Application) -> None:
    app[live_api.STREAMS].end_all()


async def _create_indexes(db: Database) -> None:
    await store.create_indexes(db)
    await export_jobs.create_indexes(db)
    await copies.create_indexes(db)
    await files.create_indexes(db)
    await quotas.create_indexes(db)


async def _degraded(disk: Disk, db: Database) -> dict[str, Any]:
    return {"storage": "low"} if await disk.is_low(db) else {}


def _scanners(settings: CasesSettings) -> list[Background]:
    if settings.clamd is None:
        return []
    host, port = settings.clamd
    return [Scanner(Clamd(host, port)).run] * _SCANS_AT_ONCE
