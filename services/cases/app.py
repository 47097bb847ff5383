"""Wires the parts of cases together."""

from functools import partial
from typing import Any

from aiohttp import web

from services.cases import store
from services.cases.api import DISK, NUMBERS, PLACES, POLICY, SHARES, routes
from services.cases.clamd import Clamd
from services.cases.consumers import SUBSCRIPTIONS
from services.cases.export import Places
from services.cases.handlers.attaching import Policy
from services.cases.scanner import Scanner
from services.cases.settings import CasesSettings
from services.cases.sweeper import sweep_for_ever
from shared import topology
from shared.mongo import Database
from shared.service import Background, Parts, create_service
from shared.web import DATABASE

_SCANS_AT_ONCE = 4


def create_app(settings: CasesSettings) -> web.Application:
    """The cases service, ready to be served."""
    disk = store.Disk(floor_bytes=settings.free_disk_floor_bytes)
    parts = Parts(
        name="cases",
        routes=routes,
        emits=[store.CASES.collection],
        create_indexes=store.create_indexes,
        queue=topology.CASES,
        subscriptions=SUBSCRIPTIONS,
        degraded=partial(_degraded, disk),
        background=[partial(sweep_for_ever, scanned=settings.clamd is not None), *_scanners(settings)],
    )
    app = create_service(parts, settings)
    app[NUMBERS] = store.CaseNumbers(app[DATABASE])
    app[DISK] = disk
    app[SHARES] = settings.shares
    app[POLICY] = Policy(settings.limits, scanned=settings.clamd is not None)
    app[PLACES] = Places(settings.exports_at_once)
    return app


async def _degraded(disk: store.Disk, db: Database) -> dict[str, Any]:
    return {"storage": "low"} if await disk.is_low(db) else {}


def _scanners(settings: CasesSettings) -> list[Background]:
    if settings.clamd is None:
        return []
    host, port = settings.clamd
    return [Scanner(Clamd(host, port)).run] * _SCANS_AT_ONCE
