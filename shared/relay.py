"""Publishes pending events of documents to the audit log and the bus: their writer at once, else a sweeper."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import orjson
import structlog
from prometheus_client import Gauge
from pymongo import ASCENDING

from shared import audit
from shared.bus import Bus, Envelope
from shared.claims import claim_due, has_date
from shared.documents import RELAY_GRACE
from shared.mongo import Database, Document
from shared.tasks import cancel_requested, repeat

_QUEUE_SIZE = 2000
_WORKERS = 16
_SWEEP_EVERY_S = 1.0
_AGAIN_S = 0.5
_SWEEP_AT_MOST = 500

_log = structlog.get_logger()
_waiting = Gauge("portico_relay_waiting", "Documents in this process whose events wait to be published")


class Relay:
    """One in every replica of a service; `collections` are those whose documents carry events."""

    def __init__(self, db: Database, bus: Bus, collections: Sequence[str]) -> None:
        """Publishes nothing before `start`; what `enqueue` takes until then waits."""
        self._db = db
        self._bus = bus
        self._collections = collections
        self._queue: asyncio.Queue[tuple[str, object, list[Document], float]] = asyncio.Queue(_QUEUE_SIZE)
        self._in_flight: set[object] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Starts the workers and the sweeper."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(_WORKERS)]
        self._tasks.append(asyncio.create_task(repeat("relay_sweep", self._sweep, every_s=_SWEEP_EVERY_S)))

    async def stop(self, *, within_s: float = 3.0) -> None:
        """Publishes what is queued, as far as time allows; the rest waits in the documents."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s if self._bus.connected else 0):
                await self._queue.join()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def oldest_pending(self) -> datetime | None:
        """When the event was made that has waited longest; None when nothing is overdue."""
        now = datetime.now(UTC)
        oldest: list[datetime] = []
        # The type is spelled out, in every query by it: else MongoDB does not use the index, which is partial.
        for collection in self._collections:
            document = await self._db[collection].find_one(
                {"relay_after": {"$type": "date", "$lt": now}},
                {"pending": {"$slice": 1}},
                sort=[("relay_after", ASCENDING)],
            )
            if document and document.get("pending"):
                oldest.append(document["pending"][0]["at"])
        return min(oldest, default=None)

    def enqueue(self, collection: str, document_id: object, pending: list[Document]) -> None:
        """Takes events that were just written into a document; for `Database.on_pending`."""
        # When the queue is full the events stay in their document, and the sweeper comes by.
        with suppress(asyncio.QueueFull):
            self._queue.put_nowait((collection, document_id, pending, time.monotonic()))

    async def _work(self) -> None:
        while not cancel_requested():
            collection, document_id, pending, since = await self._queue.get()
            _waiting.set(self._queue.qsize())
            try:
                await self._publish_within_grace(collection, document_id, pending, since)
            finally:
                self._queue.task_done()

    async def _publish_within_grace(
        self, collection: str, document_id: object, pending: list[Document], since: float
    ) -> None:
        """Tries until the grace is over, so that a short absence of the broker delays nothing; then the sweeper may."""
        while not cancel_requested():
            try:
                if self._bus.connected:
                    return await self._publish(collection, document_id, pending)
            except Exception as error:  # noqa: BLE001  # whatever failed, the events wait in the document
                _log.warning("relay_failed", collection=collection, reason=f"{type(error).__name__}: {error}")
            if time.monotonic() - since > RELAY_GRACE.total_seconds():
                return None
            await asyncio.sleep(_AGAIN_S)
        return None

    async def _publish(self, collection: str, document_id: object, pending: list[Document]) -> None:
        fresh = [item for item in pending if item["id"] not in self._in_flight]
        if not fresh:
            return
        ids = {item["id"] for item in fresh}
        self._in_flight |= ids
        try:
            await audit.record_events(self._db, fresh)
            await asyncio.gather(*(self._bus.publish(_envelope(item)) for item in fresh))
            await self._mark_published(collection, document_id, ids)
        finally:
            self._in_flight -= ids

    async def _mark_published(self, collection: str, document_id: object, ids: set[object]) -> None:
        left = {"$filter": {"input": "$pending", "cond": {"$not": {"$in": ["$$this.id", list(ids)]}}}}
        nothing_left = {"$eq": [{"$size": "$pending"}, 0]}
        await self._db[collection].update_one(
            {"_id": document_id},
            [
                {"$set": {"pending": left}},
                {"$set": {"relay_after": {"$cond": [nothing_left, "$$REMOVE", "$relay_after"]}}},
            ],
        )

    async def _sweep(self) -> None:
        """Takes over what is overdue, of this replica or of one that died."""
        if not self._bus.connected:
            return
        for collection in self._collections:
            await self._sweep_collection(collection)

    async def _sweep_collection(self, collection: str) -> None:
        for _ in range(_SWEEP_AT_MOST):
            document = await self._claim(collection)
            if document is None:
                return
            await self._queue.put((collection, document["_id"], document.get("pending", []), time.monotonic()))

    async def _claim(self, collection: str) -> Document | None:
        """One document whose events are overdue; no other replica gets it for a while."""
        return await claim_due(self._db[collection], "relay_after", lease=RELAY_GRACE, projection={"pending": 1})


def _envelope(item: Document) -> Envelope:
    return Envelope(
        id=item["id"],
        type=item["type"],
        body=orjson.dumps(item["body"]),
        at=item["at"],
        request_id=item["request_id"],
        actor=item["actor"],
        address=item["address"],
        source=item["type"].partition(".")[0],
    )


async def create_indexes(db: Database, collections: Sequence[str]) -> None:
    """What the sweeper searches by."""
    for collection in collections:
        await db[collection].create_index(
            "relay_after", name="relay_after", partialFilterExpression=has_date("relay_after")
        )
