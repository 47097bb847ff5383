"""Publishing with confirms: when `send` returns, the broker has the message on disk and somebody will get it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError
from prometheus_client import Counter

from shared.bus.errors import BrokerUnavailable, Unroutable, reason_of
from shared.bus.link import channel_of, no_foreign_cancellation

_PUBLISH_DEADLINE_S = 5.0
_IN_FLIGHT_AT_MOST = 200

_failures = Counter("portico_publish_failures_total", "Publications without a confirm", ["reason"])


class Publisher:
    """Publishes over one confirming channel, which is thrown away whenever an outcome stays unknown."""

    def __init__(self, *, on_damage: Callable[[], None]) -> None:
        self._on_damage = on_damage
        self._channel: AbstractChannel | None = None
        self._over = asyncio.Event()
        self._slots = asyncio.Semaphore(_IN_FLIGHT_AT_MOST)
        self._in_flight: dict[str, asyncio.Future[None]] = {}

    @property
    def connected(self) -> bool:
        return self._channel is not None

    async def keep_channel(self, connection: AbstractConnection) -> None:
        """Has one channel at a time, until the connection is lost or gives no more channels."""
        while True:
            async with channel_of(connection, confirms=True) as channel:
                over = self._over = asyncio.Event()
                channel.close_callbacks.add(lambda *_, over=over: over.set())
                self._channel = channel
                try:
                    await over.wait()
                finally:
                    self._channel = None

    async def send(self, exchange: str, key: str, message: aio_pika.Message) -> None:
        """Confirmed, or an exception, within the deadline."""
        try:
            async with asyncio.timeout(_PUBLISH_DEADLINE_S):
                await self._send(exchange, key, message)
        except TimeoutError:
            _failures.labels("timeout").inc()
            raise BrokerUnavailable("The broker did not confirm in time.") from None

    async def count_waiting(self, queue: str) -> int:
        """How many messages of a queue nobody has taken yet. BrokerUnavailable within the deadline."""
        channel = self._channel
        if channel is None:
            raise BrokerUnavailable("The broker is unavailable.")
        try:
            with no_foreign_cancellation():
                async with asyncio.timeout(_PUBLISH_DEADLINE_S):
                    declared = await channel.declare_queue(queue, passive=True)
        except ChannelNotFoundEntity:
            self._on_damage()
            self._discard(channel)
            raise BrokerUnavailable(f"There is no queue {queue!r}.") from None
        except Exception as error:
            self._discard(channel)
            raise BrokerUnavailable(reason_of(error)) from error
        return declared.declaration_result.message_count or 0

    async def _send(self, exchange: str, key: str, message: aio_pika.Message) -> None:
        if self._channel is None:
            raise _failed("unavailable", "The broker is unavailable.")
        async with self._slots, self._alone(str(message.message_id)):
            channel = self._channel
            if channel is None:
                raise _failed("unavailable", "The broker is unavailable.")
            try:
                with no_foreign_cancellation():
                    await _publish(channel, exchange, key, message)
            except PublishError:
                self._on_damage()
                _failures.labels("unroutable").inc()
                raise Unroutable(f"No queue takes {key!r}.") from None
            except DeliveryError:
                raise _failed("refused", "The broker refused: a queue is full.") from None
            except ChannelNotFoundEntity:
                self._on_damage()
                self._discard(channel)
                raise _failed("unavailable", f"There is no exchange {exchange!r}.") from None
            except Exception as error:
                self._discard(channel)
                raise _failed("unknown", reason_of(error)) from error
            except asyncio.CancelledError:
                self._discard(channel)
                raise

    def _discard(self, channel: AbstractChannel) -> None:
        # A late answer on this channel could be taken for the answer to the next try of the same id.
        if self._channel is channel:
            self._channel = None
            self._over.set()

    @asynccontextmanager
    async def _alone(self, message_id: str) -> AsyncIterator[None]:
        # Returned messages are matched by id: with one id twice in flight on a channel the outcomes get crossed.
        while other := self._in_flight.get(message_id):
            await asyncio.wait([other])
        mine = self._in_flight[message_id] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            del self._in_flight[message_id]
            mine.set_result(None)


async def _publish(channel: AbstractChannel, exchange: str, key: str, message: aio_pika.Message) -> None:
    target = await channel.get_exchange(exchange, ensure=False)
    await target.publish(message, key, mandatory=True)


def _failed(reason: str, sentence: str) -> BrokerUnavailable:
    _failures.labels(reason).inc()
    return BrokerUnavailable(sentence)
