"""What is on the wire: CloudEvents attributes in AMQP properties and headers, JSON in the body."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, HeadersType

from shared.logging import Origin

JSON = "application/json"
_CLOUD_EVENTS = "1.0"


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event on its way. `body` is its JSON; `request_id`, `actor` and `address` say where it came from."""

    id: UUID
    type: str
    body: bytes
    at: datetime
    request_id: str = ""
    actor: str = ""
    address: str = ""
    source: str = ""


def message_of(envelope: Envelope, app_id: str) -> aio_pika.Message:
    return aio_pika.Message(
        envelope.body,
        message_id=str(envelope.id),
        type=envelope.type,
        timestamp=envelope.at,
        app_id=app_id,
        content_type=JSON,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        headers={
            "cloudEvents:specversion": _CLOUD_EVENTS,
            "cloudEvents:id": str(envelope.id),
            "cloudEvents:type": envelope.type,
            "cloudEvents:source": envelope.source or app_id,
            "cloudEvents:time": envelope.at.isoformat(),
            "request_id": envelope.request_id,
            "actor": envelope.actor,
            "address": envelope.address,
        },
    )


def copy_of(message: AbstractIncomingMessage, headers: HeadersType) -> aio_pika.Message:
    # The broker drops messages whose x-death says that they go in circles, and ours do on purpose.
    kept = {name: value for name, value in message.headers.items() if not name.startswith("x-")}
    return aio_pika.Message(
        message.body,
        message_id=message.message_id or str(uuid4()),
        type=message.type,
        timestamp=message.timestamp,
        app_id=message.app_id,
        content_type=message.content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        headers=kept | headers,
    )


def origin_of(message: AbstractIncomingMessage) -> Origin:
    return Origin(
        request_id=_text(message, "request_id"), actor=_text(message, "actor"), address=_text(message, "address")
    )


def _text(message: AbstractIncomingMessage, header: str) -> str:
    value = message.headers.get(header)
    return value if isinstance(value, str) else ""


def attempt_of(message: AbstractIncomingMessage) -> int:
    value = message.headers.get("attempt")
    return max(value, 1) if isinstance(value, int) else 1
