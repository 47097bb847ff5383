"""Publishes pending events of documents to the audit log and the bus: their writer at once, else a sweeper."""

import asyncio
import time
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import orjson
import structlog
from prometheus_client import Gauge
from pymongo import ASCENDING

from shared import audit
from shared.batches import Batches
from shared.bus import Bus, Envelope
from shared.claims import claim_many_due, has_date
from shared.documents import RELAY_GRACE
from shared.mongo import Database, Document
from shared.tasks import cancel_requested, repeat

_IN_HAND_AT_MOST = 2000
_TOGETHER_AT_MOST = 200
_PACE_S = 0.03
_SWEEP_EVERY_S = 1.0
_AGAIN_S = 0.5
_SWEEP_AT_MOST = 500

_log = structlog.get_logger()
_waiting = Gauge("portico_relay_waiting", "Documents in this process whose events wait to be published")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Events of a document that wait to be published."""

    collection: str
    document_id: object
    pending: Sequence[Document]

    @property
    def ids(self) -> set[object]:
        return {item["id"] for item in self.pending}


class Relay:
    """One in every replica of a service; `collections` are those whose documents carry events."""

    def __init__(self, db: Database, bus: Bus, collections: Sequence[str]) -> None:
        """Publishes nothing before the bus is connected; what `enqueue` takes until then waits."""
        self._db = db
        self._bus = bus
        self._collections = collections
        self._batches = Batches(self._publish, at_most=_TOGETHER_AT_MOST, pace_s=_PACE_S)
        self._in_hand: set[object] = set()
        self._publishing: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts the sweeper."""
        self._sweeper = asyncio.create_task(repeat("relay_sweep", self._sweep, every_s=_SWEEP_EVERY_S))

    async def stop(self, *, within_s: float = 3.0) -> None:
        """Publishes what is in hand, as far as time allows; the rest waits in the documents."""
        if self._publishing and self._bus.connected:
            await asyncio.wait(self._publishing, timeout=within_s)
        tasks = [*self._publishing, *([self._sweeper] if self._sweeper else [])]
        for task in tasks:
            task.cancel()
        await self._batches.cancel(within_s=within_s)
        await asyncio.gather(*tasks, return_exceptions=True)

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
        # With many in hand the events stay in their document, and the sweeper comes by.
        if len(self._publishing) < _IN_HAND_AT_MOST:
            self._take(_Waiting(collection, document_id, pending))

    def _take(self, waiting: _Waiting) -> None:
        # A task of its own for each document, and not of the request that wrote it: it outlives that, if need be.
        task = asyncio.get_running_loop().create_task(self._publish_within_grace(waiting), context=Context())
        self._publishing.add(task)
        task.add_done_callback(self._forget)
        _waiting.set(len(self._publishing))

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._publishing.discard(task)
        _waiting.set(len(self._publishing))

    async def _publish_within_grace(self, waiting: _Waiting) -> None:
        """Tries until the grace is over, so that a short absence of the broker delays nothing; then the sweeper may."""
        fresh = [item for item in waiting.pending if item["id"] not in self._in_hand]
        if not fresh:
            return None
        waiting = replace(waiting, pending=fresh)
        self._in_hand |= waiting.ids
        since = time.monotonic()
        try:
            while not cancel_requested():
                try:
                    if self._bus.connected:
                        return await self._batches.do(waiting)
                except Exception as error:  # noqa: BLE001  # whatever failed, the events wait in the document
                    reason = f"{type(error).__name__}: {error}"
                    _log.warning("relay_failed", collection=waiting.collection, reason=reason)
                if time.monotonic() + _AGAIN_S - since > RELAY_GRACE.total_seconds():
                    return None
                await asyncio.sleep(_AGAIN_S)
        finally:
            self._in_hand -= waiting.ids

    async def _publish(self, documents: Sequence[_Waiting]) -> list[Exception | None]:
        """Why the events of each document still wait; None where they are with the broker, and gone from it."""
        pending = [item for document in documents for item in document.pending]
        await audit.record_events(self._db, pending)
        failures = await self._bus.publish_many([_envelope(item) for item in pending])
        failed = {item["id"]: failure for item, failure in zip(pending, failures, strict=True) if failure is not None}
        await self._mark_published(documents, [item["id"] for item in pending if item["id"] not in failed])
        return [next((failed[each] for each in document.ids if each in failed), None) for document in documents]

    async def _mark_published(self, documents: Sequence[_Waiting], event_ids: Sequence[object]) -> None:
        # The ids of all for each of them: an event has an id of its own, so none is taken for another's.
        left = {"$filter": {"input": "$pending", "cond": {"$not": {"$in": ["$$this.id", list(event_ids)]}}}}
        nothing_left = {"$eq": [{"$size": "$pending"}, 0]}
        for collection in {document.collection for document in documents}:
            ids = [document.document_id for document in documents if document.collection == collection]
            await self._db[collection].update_many(
                {"_id": {"$in": ids}},
                [
                    {"$set": {"pending": left}},
                    {"$set": {"relay_after": {"$cond": [nothing_left, "$$REMOVE", "$relay_after"]}}},
                    {"$unset": "claim"},
                ],
            )

    async def _sweep(self) -> None:
        """Takes over what is overdue, of this replica or of one that died."""
        for collection in self._collections:
            await self._sweep_collection(collection)

    async def _sweep_collection(self, collection: str) -> None:
        while self._bus.connected and not cancel_requested():
            documents = await claim_many_due(
                self._db[collection],
                "relay_after",
                lease=RELAY_GRACE,
                at_most=_SWEEP_AT_MOST,
                projection={"pending": 1},
            )
            if not documents:
                return
            for document in documents:
                self._take(_Waiting(collection, document["_id"], document.get("pending", [])))
            # Few enough at a time that what is written meanwhile does not wait behind them for long.
            while len(self._publishing) > _SWEEP_AT_MOST:
                await asyncio.wait(self._publishing, return_when=asyncio.FIRST_COMPLETED)


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
