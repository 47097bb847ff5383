"""Hints: what has changed, told at once to every replica that listens. They are not kept: losing one does no harm."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

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
# What comes within so long goes out together: a message costs its sender far more than what is in it.
_PACE_S = 0.02
_TOGETHER_AT_MOST = 100

_log = structlog.get_logger()
_hints = Counter("portico_hints_total", "Hints about changes, by what became of them", ["outcome"])


@dataclass(frozen=True, slots=True)
class Hint:
    """Something has changed. `kind` is an event's type without its version, `id` names what changed.

    `about` is what a listener needs to know to pass it on without asking, in JSON's values; most kinds have nothing.
    """

    kind: str
    id: str
    request_id: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


Listening = Callable[[Hint], None]
Attached = Callable[[], None]


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
                    for kind, hints in _packed([await self._waiting.get(), *self._taken()]):
                        await exchange.publish(_message_of(hints), kind, mandatory=False)
                        _hints.labels("sent").inc(len(hints))
                    await asyncio.sleep(_PACE_S)
            finally:
                self._connected = False

    def _taken(self) -> list[Hint]:
        return [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]


class HintListener:
    """A queue of this process alone: every replica hears every hint of these kinds."""

    def __init__(self, kinds: tuple[str, ...], handler: Listening, on_attached: Attached | None = None) -> None:
        """`on_attached` is called when hints begin to come in: those of the time before are lost."""
        self.kinds = kinds
        self.attached = False
        self._handler = handler
        self._on_attached = on_attached

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
        if self._on_attached is not None:
            self._on_attached()
        return over

    async def _take(self, message: AbstractIncomingMessage) -> None:
        try:
            body = orjson.loads(message.body)
            hints = [_read(message.routing_key or "", each) for each in body.get("hints", [body])]
        except (ValueError, KeyError, TypeError, AttributeError):
            _log.warning("hint_unreadable", kind=message.routing_key)
            return
        for hint in hints:
            _hints.labels("received").inc()
            self._handler(hint)


def _read(kind: str, body: Mapping[str, Any]) -> Hint:
    return Hint(kind, str(body["id"]), str(body.get("request_id", "")), dict(body.get("about", {})))


def _packed(hints: Iterable[Hint]) -> Iterable[tuple[str, list[Hint]]]:
    """In their order: each alone as ever, but those that say more than an id together, as far as they are of a kind."""
    together: list[Hint] = []
    for hint in hints:
        if together and (hint.kind != together[0].kind or not hint.about or len(together) == _TOGETHER_AT_MOST):
            yield together[0].kind, together
            together = []
        if hint.about:
            together.append(hint)
        else:
            yield hint.kind, [hint]
    if together:
        yield together[0].kind, together


def _message_of(hints: list[Hint]) -> aio_pika.Message:
    bodies = [{"id": hint.id, "request_id": hint.request_id} | _said(hint) for hint in hints]
    return aio_pika.Message(
        orjson.dumps(bodies[0] if len(bodies) == 1 else {"hints": bodies}),
        content_type=JSON,
        delivery_mode=aio_pika.DeliveryMode.NOT_PERSISTENT,
    )


def _said(hint: Hint) -> dict[str, Any]:
    return {"about": hint.about} if hint.about else {}
