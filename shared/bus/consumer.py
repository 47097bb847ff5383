"""Consuming: every message is handled, or waits and is tried again, or ends dead with its reason. None is dropped."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import aio_pika
import orjson
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractMessage, AbstractQueue
from prometheus_client import Counter
from pydantic import ValidationError

from shared.batches import Batches
from shared.bus.errors import REASON_LENGTH, BrokerUnavailable, Unroutable, reason_of
from shared.bus.handlers import Delivery, Handler, Many, Subscriptions
from shared.bus.link import CLOSE_DEADLINE_S, OPEN_DEADLINE_S, channel_of, no_foreign_cancellation
from shared.bus.messages import (
    JSON,
    attempt_of,
    copy_of,
    is_batch,
    origin_of,
    parts_of,
    times_delivered_before,
)
from shared.bus.publisher import Publisher
from shared.events.base import Event
from shared.logging import origin
from shared.mongo import DatabaseError, is_unavailable
from shared.topology import DEAD, WorkQueue

_DEFAULT_EXCHANGE = ""
_STOP_GRACE_S = 10.0
_HOLD_PAUSE_S = 1.0
_ONE_BY_ONE_AT_ONCE = 20
_BATCHES_AT_ONCE = 3  # what is fetched ahead is as it came, and small
_TOGETHER_AT_MOST = 200
_OFTEN = 4  # less than half the delivery limit
_TOGETHER_PACE_S = 0.03

_log = structlog.get_logger()
_handled = Counter(
    "portico_events_handled_total", "Deliveries by how they ended: ok, retried, dead", ["type", "outcome"]
)


class _Garbage(Exception):
    """A message that no waiting can make right."""


class UnknownType(Exception):
    """A type or major version that this process does not know, but a newer one may, during an upgrade."""


class Consumer:
    """Handles the messages of one queue; what fails waits in the retry queues, and dies after the last of them.

    Not while the database is away: then it comes back for as long as that takes.
    """

    def __init__(
        self,
        queue: WorkQueue,
        retry_queues: tuple[str, ...],
        subscriptions: Subscriptions,
        args: tuple[object, ...],
        publisher: Publisher,
        *,
        deadline_s: float,
    ) -> None:
        self.queue = queue
        self.stopping = False
        self._retry_queues = retry_queues
        self._subscriptions = {event.type: (event, handler) for event, handler in subscriptions.items()}
        self._batches: dict[str, Batches[Delivery[Event], None]] = {
            event.type: Batches(
                partial(self._call_together, many.handler), at_most=_TOGETHER_AT_MOST, pace_s=_TOGETHER_PACE_S
            )
            for event, many in subscriptions.items()
            if isinstance(many, Many)
        }
        self._turns = asyncio.Semaphore(_ONE_BY_ONE_AT_ONCE)
        self._batch_turns = asyncio.Semaphore(_BATCHES_AT_ONCE)
        self._alone = asyncio.Lock()
        self._args = args
        self._publisher = publisher
        self._deadline_s = deadline_s
        self._running: set[asyncio.Task[None]] = set()
        self._subscribed: tuple[AbstractQueue, str] | None = None

    @property
    def attached(self) -> bool:
        return self._subscribed is not None

    async def consume(self, connection: AbstractConnection) -> None:
        """Returns when the channel was closed or the broker cancelled the consumer, with nothing left running."""
        try:
            async with channel_of(connection, confirms=False) as channel:
                over = await self._subscribe(channel)
                await over.wait()
                self._subscribed = None
                if not channel.is_closed:
                    await self._settle()
        finally:
            self._subscribed = None
            # Unacked, so they come again: a handler's second run is harmless, two at a time need not be.
            await self._cancel_running()

    async def drain(self) -> None:
        """Takes nothing new and waits for what is running, within the grace."""
        self.stopping = True
        if self._subscribed is not None:
            (queue, tag), self._subscribed = self._subscribed, None
            with suppress(Exception), no_foreign_cancellation():
                async with asyncio.timeout(CLOSE_DEADLINE_S):
                    await queue.cancel(tag)
        await self._settle()

    async def _settle(self) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=_STOP_GRACE_S)

    async def _cancel_running(self) -> None:
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_DEADLINE_S)
        for batches in self._batches.values():
            await batches.cancel(within_s=CLOSE_DEADLINE_S)

    async def _subscribe(self, channel: AbstractChannel) -> asyncio.Event:
        over = asyncio.Event()
        channel.close_callbacks.add(lambda *_: over.set())
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _: over.set())
        async with asyncio.timeout(OPEN_DEADLINE_S):
            await channel.set_qos(prefetch_count=self.queue.prefetch)
            queue = await channel.get_queue(self.queue.name, ensure=False)
            self._subscribed = queue, await queue.consume(self._take)
        _log.info("consumer_attached", queue=self.queue.name)
        return over

    async def _take(self, message: AbstractIncomingMessage) -> None:
        # A task of our own: the library would cancel its one before we know that the channel is gone.
        if not self.stopping:
            task = asyncio.create_task(self._work(message))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _work(self, message: AbstractIncomingMessage) -> None:
        try:
            await self._work_on(message)
            await message.ack()
        except Exception as error:  # noqa: BLE001  # the channel is gone, and the message comes again
            _log.warning("event_unacked", queue=self.queue.name, id=message.message_id, reason=reason_of(error))

    async def _work_on(self, message: AbstractIncomingMessage) -> None:
        # A restart brings again what was in hand, once. What comes more often may be what ends the process: it has to
        # reach the delivery limit alone.
        times = times_delivered_before(message)
        is_suspect = times > 1
        if is_batch(message):
            await self._work_on_parts(message, self._put_back if is_suspect else self._handle_or_move)
        elif not is_suspect:
            await self._handle_or_move(message)
        elif times > _OFTEN and self._alone.locked():
            await self._put_back(message)
        else:
            async with self._alone:
                if times > _OFTEN:
                    await asyncio.sleep(_HOLD_PAUSE_S)  # meanwhile those that came with it are put back
                await self._handle_or_move(message, alone=True)

    async def _work_on_parts(
        self, batch: AbstractIncomingMessage, work: Callable[[AbstractMessage], Awaitable[None]]
    ) -> None:
        async with self._batch_turns:
            try:
                parts = list(parts_of(batch))
            except ValueError:
                return await self._bury(batch, reason="invalid: not a list of events")
            # All of them to the end, however one of them ends: nothing may be left running when the channel is gone.
            outcomes = await asyncio.gather(*(work(part) for part in parts), return_exceptions=True)
            for outcome in outcomes:
                if outcome is not None:
                    raise outcome
            return None

    async def _put_back(self, message: AbstractMessage) -> None:
        """As a message that has never been delivered."""
        _log.warning("event_put_back", queue=self.queue.name, type=message.type, id=message.message_id)
        await self._move(_DEFAULT_EXCHANGE, self.queue.name, copy_of(message, {}))

    async def _handle_or_move(self, message: AbstractMessage, *, alone: bool = False) -> None:
        origin.set(origin_of(message))
        try:
            await self._handle(message, alone=alone)
        except _Garbage as garbage:
            await self._bury(message, reason=str(garbage))
        except Exception as error:  # noqa: BLE001  # whatever a handler raises, the event waits and is tried again
            await self._retry_later_or_bury(message, error)
        else:
            self._count(message, "ok")
            _log.debug("event_handled", queue=self.queue.name, type=message.type, id=message.message_id)

    async def _handle(self, message: AbstractMessage, *, alone: bool) -> None:
        event, handler = self._understand(message)
        if isinstance(handler, Many):
            delivery = Delivery(event, origin.get())
            await (self._call(handler.handler, [delivery]) if alone else self._batches[event.type].do(delivery))
        else:
            async with self._turns:
                await self._call(handler, event)

    async def _call_together(self, handler: Handler, deliveries: Sequence[Delivery[Event]]) -> list[None]:
        await self._call(handler, deliveries)
        return [None] * len(deliveries)

    async def _call(self, handler: Handler, heard: object) -> None:
        with no_foreign_cancellation():
            async with asyncio.timeout(self._deadline_s):
                await handler(*self._args, heard)

    def _understand(self, message: AbstractMessage) -> tuple[Event, Handler | Many]:
        if message.content_type != JSON:
            raise _Garbage("invalid: content type")
        if message.type is None or message.type not in self._subscriptions:
            _refuse_unless_json(message.body)
            raise UnknownType("not known here, perhaps of a newer release")
        event_class, handler = self._subscriptions[message.type]
        try:
            return event_class.model_validate_json(message.body), handler
        except ValidationError as error:
            raise _Garbage(_what_is_invalid(error)) from None

    async def _retry_later_or_bury(self, message: AbstractMessage, error: Exception) -> None:
        attempt = attempt_of(message)
        if isinstance(error, DatabaseError) and is_unavailable(error):
            # No fault of the event: it does not count, so that nothing dies of a database that is away for a night.
            await self._retry_later(message, error, self._retry_queues[0], next_attempt=attempt)
        elif attempt > len(self._retry_queues):
            await self._bury(message, reason=reason_of(error))
        else:
            await self._retry_later(message, error, self._retry_queues[attempt - 1], next_attempt=attempt + 1)

    async def _retry_later(
        self, message: AbstractMessage, error: Exception, retry_queue: str, *, next_attempt: int
    ) -> None:
        # The message of an error may hold a name or an address: it goes with the event, but not into the log.
        _log.warning(
            "event_failed",
            queue=self.queue.name,
            type=message.type,
            id=message.message_id,
            attempt=attempt_of(message),
            reason=type(error).__name__,
            where=_where(error),
        )
        copy = copy_of(message, {"attempt": next_attempt, "reason": reason_of(error)})
        await self._move(_DEFAULT_EXCHANGE, retry_queue, copy)
        self._count(message, "retried")

    async def _bury(self, message: AbstractMessage, *, reason: str) -> None:
        attempt = attempt_of(message)
        _log.error(
            "event_dead",
            queue=self.queue.name,
            type=message.type,
            id=message.message_id,
            attempt=attempt,
            reason=reason.partition(":")[0],
        )
        await self._move(DEAD, self.queue.dead_key, copy_of(message, {"attempt": attempt, "reason": reason}))
        self._count(message, "dead")

    async def _move(self, exchange: str, key: str, copy: aio_pika.Message) -> None:
        # Held unacked until the broker has the copy. Rejecting instead would count towards the delivery limit.
        while True:
            try:
                await self._publisher.send(exchange, key, copy)
            except (BrokerUnavailable, Unroutable) as error:
                _log.warning("event_held", queue=self.queue.name, id=copy.message_id, reason=reason_of(error))
                await asyncio.sleep(_HOLD_PAUSE_S)
            else:
                return

    def _count(self, message: AbstractMessage, outcome: str) -> None:
        # Anybody may have written the type of a strange message: it makes no label.
        known = message.type if message.type in self._subscriptions else "unknown"
        _handled.labels(known, outcome).inc()


def _refuse_unless_json(body: bytes) -> None:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _Garbage("invalid: not JSON") from None


def _what_is_invalid(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    places = (f"{'.'.join(map(str, each['loc']))} {each['type']}".strip() for each in problems)
    return f"invalid: {', '.join(places)}"[:REASON_LENGTH]


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
