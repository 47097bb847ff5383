"""What is on the wire: CloudEvents attributes in AMQP properties and headers, JSON in the body.

Events of one type that go out together are one message, whose body is a list of them. Its `type` is one that releases
before it do not know: for them it waits in the retry queues, till a newer process takes it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import aio_pika
import orjson
from aio_pika.abc import AbstractMessage, HeadersType

from shared.logging import Origin

JSON = "application/json"
_CLOUD_EVENTS = "1.0"
_BATCH = ".batch"
_BATCH_AT_MOST = 100
_BATCH_BYTES_AT_MOST = 256 * 1024
_ATTRIBUTES = ("specversion", "id", "type", "source", "time")
_LONGEST_ID = 36  # of a UUID; the broker would refuse one that is very long
_ORIGIN = ("request_id", "actor", "address")


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


def together(envelopes: Iterable[Envelope]) -> list[list[Envelope]]:
    """Which of these events make one message."""
    batches: list[list[Envelope]] = []
    filling: dict[str, tuple[list[Envelope], int]] = {}
    for envelope in envelopes:
        batch, size = filling.get(envelope.type, ([], 0))
        if len(batch) == _BATCH_AT_MOST or size + len(envelope.body) > _BATCH_BYTES_AT_MOST:
            batch, size = [], 0
        if not batch:
            batches.append(batch)
        batch.append(envelope)
        filling[envelope.type] = batch, size + len(envelope.body)
    return batches


def message_of(envelopes: Sequence[Envelope], app_id: str) -> aio_pika.Message:
    """Of events of one type."""
    first = envelopes[0]
    if len(envelopes) == 1:
        body, message_id, type_ = first.body, str(first.id), first.type
        headers = _headers_of(_attributes_of(first, app_id))
    else:
        body = orjson.dumps([_attributes_of(each, app_id) | {"data": orjson.Fragment(each.body)} for each in envelopes])
        message_id, type_, headers = str(uuid4()), first.type + _BATCH, {}
    return _message(body, headers=headers, message_id=message_id, type_=type_, timestamp=first.at, app_id=app_id)


def _attributes_of(envelope: Envelope, app_id: str) -> dict[str, object]:
    return {
        "specversion": _CLOUD_EVENTS,
        "id": str(envelope.id),
        "type": envelope.type,
        "source": envelope.source or app_id,
        "time": envelope.at.isoformat(),
        "request_id": envelope.request_id,
        "actor": envelope.actor,
        "address": envelope.address,
    }


def _headers_of(attributes: dict[str, object]) -> HeadersType:
    own = {f"cloudEvents:{name}": str(attributes.get(name, "")) for name in _ATTRIBUTES}
    return {**own, **{name: str(attributes.get(name, "")) for name in _ORIGIN}}


def is_batch(message: AbstractMessage) -> bool:
    return message.content_type == JSON and (message.type or "").endswith(_BATCH)


def parts_of(message: AbstractMessage) -> Iterator[aio_pika.Message]:
    """The events of a batch, each as the message that it would have been alone; ValueError when it is no list."""
    items = orjson.loads(message.body)
    if not isinstance(items, list):
        raise ValueError  # noqa: TRY004  # as for what is not JSON: the message cannot be read
    for item in items:
        attributes = item if isinstance(item, dict) else {}
        yield _message(
            orjson.dumps(attributes.get("data", item)),
            headers=_headers_of(attributes),
            message_id=str(attributes.get("id", ""))[:_LONGEST_ID],
            type_=(message.type or "").removesuffix(_BATCH),
            timestamp=_moment(attributes.get("time")),
            app_id=message.app_id,
        )


def copy_of(message: AbstractMessage, headers: HeadersType) -> aio_pika.Message:
    # The broker drops messages whose x-death says that they go in circles, and ours do on purpose.
    kept = {name: value for name, value in message.headers.items() if not name.startswith("x-")}
    return _message(
        message.body,
        headers=kept | headers,
        message_id=message.message_id,
        type_=message.type,
        timestamp=message.timestamp,
        app_id=message.app_id,
        content_type=message.content_type,
    )


def _message(
    body: bytes,
    *,
    headers: HeadersType,
    message_id: str | None,
    type_: str | None,
    timestamp: datetime | None,
    app_id: str | None,
    content_type: str | None = JSON,
) -> aio_pika.Message:
    return aio_pika.Message(
        body,
        message_id=message_id or str(uuid4()),
        type=type_,
        timestamp=timestamp,
        app_id=app_id,
        content_type=content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        headers=headers,
    )


def _moment(said: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(said))
    except ValueError:
        return None


def origin_of(message: AbstractMessage) -> Origin:
    return Origin(
        request_id=_text(message, "request_id"), actor=_text(message, "actor"), address=_text(message, "address")
    )


def _text(message: AbstractMessage, header: str) -> str:
    value = message.headers.get(header)
    return value if isinstance(value, str) else ""


def attempt_of(message: AbstractMessage) -> int:
    value = message.headers.get("attempt")
    return max(value, 1) if isinstance(value, int) else 1


def times_delivered_before(message: AbstractMessage) -> int:
    value = message.headers.get("x-delivery-count")
    return value if isinstance(value, int) else 0
