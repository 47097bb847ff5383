"""Hints: what has changed, told at once to every replica that listens. They are not kept: losing one does no harm."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import aio_pika
import orjson
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from prometheus_client import Counter

from shared.bus.link import OPEN_DEADLINE_S, channel_of
from shared.bus.messages import JSON
from shared.topology import LIVE

_WAITING_AT_MOST = 1000
# Of each listener. A hint that is older than this tells nothing new: whoever lost it has looked again by itself.
_QUEUED_AT_MOST = 10_000
_KEPT_MS = 5000

_log = structlog.get_logger()
_hints = Counter("portico_hints_total", "Hints about changes, by what became of them", ["outcome"])


@dataclass(frozen=True, slots=True)
class Hint:
    """Something has changed. `kind` is an event's type without its version, `id` names what changed."""

    kind: str
    id: str
    request_id: str = ""


Listening = Callable[[Hint], None]


class HintSender:
    """Sends hints without confirms. Who gives one never waits; what cannot go out now is dropped."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Hint] = asyncio.Queue(_WAITING_AT_MOST)
        self._connected = False

    def send(self, hint: Hint) -> None:
        """Sends it as soon as the loop comes to it."""
        if self._connected:
            with suppress(asyncio.QueueFull):
                self._waiting.put_nowait(hint)
                return
        _hints.labels("dropped").inc()

    async def serve(self, connection: AbstractConnection) -> None:
        """Until the connection or the channel is lost."""
        async with channel_of(connection, confirms=False) as channel:
            exchange = await channel.get_exchange(LIVE, ensure=False)
            self._connected = True
            try:
                while True:
                    hint = await self._waiting.get()
                    await exchange.publish(_message_of(hint), hint.kind, mandatory=False)
                    _hints.labels("sent").inc()
            finally:
                self._connected = False


class HintListener:
    """A queue of this process alone: every replica hears every hint of these kinds."""

    def __init__(self, kinds: tuple[str, ...], handler: Listening) -> None:
        self.kinds = kinds
        self.attached = False
        self._handler = handler

    async def serve(self, connection: AbstractConnection) -> None:
        """Until the channel is closed, or the broker takes the queue away."""
        try:
            async with channel_of(connection, confirms=False) as channel:
                over = await self._subscribe(channel)
                await over.wait()
        finally:
            self.attached = False

    async def _subscribe(self, channel: AbstractChannel) -> asyncio.Event:
        over = asyncio.Event()
        channel.close_callbacks.add(lambda *_: over.set())
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _: over.set())
        async with asyncio.timeout(OPEN_DEADLINE_S):
            queue = await channel.declare_queue(
                exclusive=True,
                auto_delete=True,
                arguments={
                    "x-queue-type": "classic",
                    "x-max-length": _QUEUED_AT_MOST,
                    "x-message-ttl": _KEPT_MS,
                },
            )
            for kind in self.kinds:
                await queue.bind(LIVE, kind)
            await queue.consume(self._take, no_ack=True)
        self.attached = True
        _log.info("hints_attached", kinds=self.kinds)
        return over

    async def _take(self, message: AbstractIncomingMessage) -> None:
        try:
            body = orjson.loads(message.body)
            hint = Hint(message.routing_key or "", str(body["id"]), str(body.get("request_id", "")))
        except (ValueError, KeyError, TypeError, AttributeError):
            _log.warning("hint_unreadable", kind=message.routing_key)
            return
        _hints.labels("received").inc()
        self._handler(hint)


def _message_of(hint: Hint) -> aio_pika.Message:
    return aio_pika.Message(
        orjson.dumps({"id": hint.id, "request_id": hint.request_id}),
        content_type=JSON,
        delivery_mode=aio_pika.DeliveryMode.NOT_PERSISTENT,
    )
