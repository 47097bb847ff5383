"""A process's bus: two connections that are looked for again for ever, a publisher, and a consumer per queue."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from aio_pika.abc import AbstractConnection
from prometheus_client import Counter

from shared.bus.consumer import Consumer
from shared.bus.errors import BrokerUnavailable, Unroutable, first_of, reason_of
from shared.bus.handlers import Subscriptions
from shared.bus.link import connection_to, declare, no_foreign_cancellation, while_up
from shared.bus.live import Attached, Hint, HintListener, HintSender, Listening
from shared.bus.messages import Envelope, message_of, together
from shared.bus.publisher import Publisher
from shared.logging import origin
from shared.topology import EVENTS, TOPOLOGY, Topology, WorkQueue

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_MEND_PAUSE_S = 5.0

_log = structlog.get_logger()
_published = Counter("portico_events_published_total", "Events the broker has confirmed", ["type"])


class Bus:
    """Publishing and consuming have a connection each, so that neither can block the other."""

    def __init__(
        self, url: str, *, app_id: str, topology: Topology = TOPOLOGY, handler_deadline_s: float = 30.0
    ) -> None:
        """Nothing connects before `start`. `app_id` is the service's name."""
        self._url = url
        self._app_id = app_id
        self._topology = topology
        self._handler_deadline_s = handler_deadline_s
        self._damaged = asyncio.Event()
        self._publisher = Publisher(on_damage=self._damaged.set)
        self._consumers: list[Consumer] = []
        self._hints = HintSender()
        self._listeners: list[HintListener] = []
        self._links: list[asyncio.Task[None]] = []
        self._stopping = False

    def consume(self, queue: WorkQueue, subscriptions: Subscriptions, *args: object) -> None:
        """Calls `handler(*args, event)`, or as `Many` says: perhaps twice, late, or cancelled. Before `start`."""
        retry_queues = tuple(queue.retry_queue(delay_s) for delay_s in self._topology.retry_delays_s)
        self._consumers.append(
            Consumer(queue, retry_queues, subscriptions, args, self._publisher, deadline_s=self._handler_deadline_s)
        )

    def listen(self, kinds: tuple[str, ...], handler: Listening, on_attached: Attached | None = None) -> None:
        """Calls `handler(hint)` for hints of these kinds, while there is a connection. To be called before `start`.

        `on_attached()` is called whenever they begin to come in: what came before is lost.
        """
        self._listeners.append(HintListener(kinds, handler, on_attached))

    async def start(self) -> None:
        """Returns at once, with the broker there or not; it is looked for in the background, for ever."""
        self._stopping = False
        self._links.append(asyncio.create_task(self._keep_connected("publish", self._serve_publisher)))
        if self._consumers or self._listeners:
            self._links.append(asyncio.create_task(self._keep_connected("consume", self._serve_consumers)))

    async def stop(self) -> None:
        """Takes nothing new, gives running handlers 10 s to finish, and closes. What is not acked comes again."""
        await asyncio.gather(*(consumer.drain() for consumer in self._consumers))
        # The library may swallow the one cancellation, when it comes as the broker goes.
        self._stopping = True
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        self._links.clear()

    @property
    def connected(self) -> bool:
        """Whether publishing has a chance."""
        return self._publisher.connected

    def status(self) -> dict[str, object]:
        """For `degraded` in `/readyz`: whether publishing has a chance, and which queues have their consumer."""
        return {
            "connected": self.connected,
            "consumers": {consumer.queue.name: consumer.attached for consumer in self._consumers},
        }

    @property
    def hears_hints(self) -> bool:
        """Whether hints come in now."""
        return all(listener.attached for listener in self._listeners)

    def hint(self, kind: str, changed_id: object, about: Mapping[str, Any] | None = None) -> None:
        """Tells every replica that listens that something has changed. Never waits, and never fails."""
        self._hints.send(Hint(kind, str(changed_id), origin.get().request_id, about or {}))

    async def publish(self, envelope: Envelope) -> None:
        """Returns when the broker has the event on disk. BrokerUnavailable or Unroutable after 5 s at the latest."""
        [failure] = await self.publish_many([envelope])
        if failure is not None:
            raise failure

    async def publish_many(self, envelopes: Sequence[Envelope]) -> list[BrokerUnavailable | Unroutable | None]:
        """Why each event failed, in their order; None for those that the broker has on disk."""
        failures: dict[UUID, BrokerUnavailable | Unroutable] = {}

        async def send(batch: Sequence[Envelope]) -> None:
            try:
                await self._publisher.send(EVENTS, batch[0].type, message_of(batch, self._app_id))
            except (BrokerUnavailable, Unroutable) as error:
                failures.update((envelope.id, error) for envelope in batch)
            else:
                _published.labels(batch[0].type).inc(len(batch))

        await asyncio.gather(*(send(batch) for batch in together(envelopes)))
        return [failures.get(envelope.id) for envelope in envelopes]

    async def count_waiting(self, event_types: Collection[str]) -> dict[str, int]:
        """How many messages wait in each queue that listens to one of these types. BrokerUnavailable."""
        listening = [queue.name for queue in self._topology.queues if not set(queue.listens).isdisjoint(event_types)]
        return {queue: await self._publisher.count_waiting(queue) for queue in listening}

    async def _serve_publisher(self, connection: AbstractConnection) -> None:
        await declare(connection, self._topology)
        await while_up(
            connection,
            self._mend(connection),
            self._publisher.keep_channel(connection),
            self._hints.serve(connection),
        )

    async def _serve_consumers(self, connection: AbstractConnection) -> None:
        await declare(connection, self._topology)
        consuming = [self._keep_consuming(connection, each) for each in self._consumers]
        listening = [self._keep_listening(connection, each) for each in self._listeners]
        await while_up(connection, *consuming, *listening)

    async def _keep_consuming(self, connection: AbstractConnection, consumer: Consumer) -> None:
        while True:
            await consumer.consume(connection)
            if consumer.stopping:
                return
            _log.warning("consumer_lost", queue=consumer.queue.name)
            await asyncio.sleep(_FIRST_PAUSE_S)
            # The queue itself may be gone: somebody deleted it.
            await declare(connection, self._topology)

    async def _keep_listening(self, connection: AbstractConnection, listener: HintListener) -> None:
        while True:
            await listener.serve(connection)
            await asyncio.sleep(_FIRST_PAUSE_S)
            await declare(connection, self._topology)

    async def _mend(self, connection: AbstractConnection) -> None:
        # A queue or binding that was deleted by hand comes back without a restart of anything.
        while True:
            await self._damaged.wait()
            self._damaged.clear()
            _log.warning("topology_mended")
            await declare(connection, self._topology)
            await asyncio.sleep(_MEND_PAUSE_S)

    async def _keep_connected(self, link: str, serve: Callable[[AbstractConnection], Awaitable[None]]) -> None:
        pause_s = _FIRST_PAUSE_S
        # Not by `cancel_requested`: on Python 3.11 a task group leaves its task as cancelled when one of its own fails.
        while not self._stopping:
            began = time.monotonic()
            try:
                with no_foreign_cancellation():
                    async with connection_to(self._url, f"{self._app_id} {link}") as connection:
                        _log.info("bus_connected", link=link)
                        await serve(connection)
            except Exception as error:  # noqa: BLE001  # whatever went wrong with a connection, the next one may be better
                _log.warning("broker_unavailable", link=link, reason=reason_of(first_of(error)), again_in_s=pause_s)
            # One that lasted starts the count anew; one that is refused at once, say by a changed queue, does not.
            if time.monotonic() - began > _LONGEST_PAUSE_S:
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  # spreads reconnects, guards nothing
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
