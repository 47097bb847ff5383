"""What every service with a database is made of; its parts start in any order and stop in the right one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import structlog
from aiohttp import web

from shared import audit, logging, relay
from shared.bus import Attached, Bus, Listening, Subscriptions
from shared.clock import DatabaseClock
from shared.errors import Unavailable
from shared.mongo import Database, DatabaseError, connect, with_time_to_upgrade
from shared.relay import Relay
from shared.settings import ServiceSettings
from shared.signing import verifier
from shared.tasks import cancel_requested
from shared.topology import TOPOLOGY, WorkQueue
from shared.web.app import DATABASE, Handler, create_app
from shared.web.health import HEALTH_PATHS, add_health
from shared.web.requests import VERIFY

Background = Callable[[Database], Awaitable[None]]
Degraded = Callable[[Database], Awaitable[dict[str, Any]]]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Hears:
    """Hints of these kinds. `on_attached` is called when they begin to come in: those of the time before are lost."""

    kinds: tuple[str, ...]
    handler: Listening
    on_attached: Attached


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """What tells one service from another."""

    name: str
    routes: Sequence[web.AbstractRouteDef]
    emits: Sequence[str]  # collections whose documents carry events
    create_indexes: Callable[[Database], Awaitable[None]]
    queue: WorkQueue | None = None
    subscriptions: Subscriptions | None = None
    degraded: Degraded | None = None  # what of its own is not as it should be, by its name in `/readyz`
    hears: Hears | None = None
    background: Sequence[Background] = ()  # each runs for ever; restarted when it fails, cancelled at the stop


def create_service(parts: ServiceSpec, settings: ServiceSettings) -> web.Application:
    """The application of one service, ready to be served."""
    logging.set_up(parts.name, settings.log_level)
    app = create_app(clock=(clock := DatabaseClock()))
    app[VERIFY] = verifier(settings.secret_key, clock)
    app.add_routes(parts.routes)
    app[DATABASE] = db = connect(settings.mongo_url, parts.name, settings.mongo_driver)
    bus = Bus(
        settings.rabbitmq_url, app_id=parts.name, topology=replace(TOPOLOGY, retry_delays_s=settings.retry_delays_s)
    )
    carrier = Relay(db, bus, parts.emits)
    db.on_pending = carrier.enqueue
    db.on_hint = bus.hint
    if parts.queue is not None:
        bus.consume(parts.queue, parts.subscriptions or {}, db)
    if parts.hears is not None:
        bus.listen(parts.hears.kinds, parts.hears.handler, parts.hears.on_attached)
    prepared = asyncio.Event()

    async def degraded() -> dict[str, Any]:
        found = {"clock": clock.trouble} if clock.trouble else {}
        return found | (await parts.degraded(db) if parts.degraded is not None else {})

    app.middlewares.append(_refuse_until(prepared))
    add_health(app, lambda: _status(db, bus, carrier, prepared, degraded))

    async def work() -> None:
        # What an index promises (one login for an address, one mail for a person) must hold from the first event on.
        await _create_indexes(db, parts, audit_kept_days=settings.audit_kept_days)
        with contextlib.suppress(DatabaseError):
            await clock.compare(db)
        prepared.set()
        await bus.start()
        await carrier.start()
        async with asyncio.TaskGroup() as tasks:
            for background in (clock.watch, *parts.background):
                tasks.create_task(_keep_running(background, db))

    async def run(_app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(work())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await carrier.stop()
        await bus.stop()
        await db.close()

    app.cleanup_ctx.append(run)
    return app


def _refuse_until(prepared: asyncio.Event) -> Any:
    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not prepared.is_set() and request.path not in HEALTH_PATHS:
            raise Unavailable
        return await handler(request)

    return refuse


async def _create_indexes(db: Database, parts: ServiceSpec, *, audit_kept_days: int) -> None:
    """However long the database takes to come up."""
    while not cancel_requested():
        try:
            await db.ping()  # what is away is told within the usual time
            with with_time_to_upgrade():
                await parts.create_indexes(db)
                await relay.create_indexes(db, parts.emits)
                await audit.create_indexes(db, kept_days=audit_kept_days)
        except DatabaseError as error:
            _log.warning("database_unavailable", reason=type(error).__name__)
            await asyncio.sleep(1)
        else:
            return


async def _keep_running(work: Background, db: Database) -> None:
    while not cancel_requested():
        try:
            await work(db)
        except Exception:  # noqa: BLE001  # whatever failed: a service without its background work would be deaf
            _log.warning("background_failed", exc_info=True)
        await asyncio.sleep(1)


async def _status(
    db: Database, bus: Bus, carrier: Relay, prepared: asyncio.Event, degraded: Callable[[], Awaitable[dict[str, Any]]]
) -> tuple[bool, dict[str, Any]]:
    """Whether HTTP can be served, and what is not as it should be."""
    if not prepared.is_set():
        return False, {"database": "not prepared yet"}
    with contextlib.suppress(DatabaseError, TimeoutError):
        async with asyncio.timeout(2):
            await db.ping()
            oldest = await carrier.oldest_pending()
            found = _degraded(bus) | await degraded()
        return True, found | ({"oldest_pending_event": oldest.isoformat()} if oldest else {})
    return False, {"database": "unavailable"}


def _degraded(bus: Bus) -> dict[str, Any]:
    if not bus.connected:
        return {"broker": "unavailable"}
    deaf = [queue for queue, attached in cast("dict[str, bool]", bus.status()["consumers"]).items() if not attached]
    found: dict[str, Any] = {"queues_without_consumer": deaf} if deaf else {}
    return found if bus.hears_hints else found | {"hints": "unavailable"}
