"""Writes docs/events.md from the events, the queues, the consumers and the golden samples: `make events`."""

import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel

from shared.bus import Many
from shared.bus.messages import Envelope, message_of
from shared.events.base import Event, State
from shared.events.registry import EVENTS
from shared.topology import EVENTS as EXCHANGE
from shared.topology import TOPOLOGY, WorkQueue

PAGE = Path(__file__).resolve().parents[2] / "docs" / "events.md"
_HERE = Path(__file__).parent

_PROPERTIES = ("message_id", "type", "timestamp", "app_id", "content_type", "delivery_mode")
_MEANINGS = {
    "message_id": "the event's `id`",
    "type": "the event's type",
    "timestamp": "the event's `at`, in seconds",
    "app_id": "the service that published it",
    "content_type": "always JSON",
    "delivery_mode": "persistent",
    "cloudEvents:specversion": "",
    "cloudEvents:id": "the event's `id`",
    "cloudEvents:type": "the event's type",
    "cloudEvents:source": "the service it comes from",
    "cloudEvents:time": "the event's `at`",
    "request_id": "of the request that caused it; empty where none did",
    "actor": "the user who did; empty for nobody who was signed in",
    "address": "the network address that the request came from",
}
_ON_RETRIES = [
    {"name": "attempt", "example": "2", "meaning": "only on the way back from a retry queue, and in a dead queue"},
    {"name": "reason", "example": "LookupError", "meaning": "as `attempt`: why the last try failed"},
]

_SENT = Envelope(
    id=UUID("0195d8e0-0000-7000-8000-000000000001"),
    type="cases.case.created.v1",
    body=b'{"number":"CS-000001"}',
    at=datetime(2026, 11, 22, 10, 26, tzinfo=UTC),
    request_id="4f0c1c7e",
    actor="0195d8e0-0000-7000-8000-000000000002",
    address="192.0.2.7",
)


@dataclass(frozen=True)
class Field:
    """A row of a table of fields."""

    name: str
    type: str
    meaning: str


def page() -> str:
    """The whole page."""
    template = Environment(  # noqa: S701  # Markdown, of our own words
        loader=FileSystemLoader(_HERE), undefined=StrictUndefined, keep_trailing_newline=True
    ).get_template("events.md.jinja")
    return template.render(
        events=[_described(event) for event in EVENTS.values()],
        parts=_parts(),
        event_fields=_fields(Event),
        state_fields=_fields(State, without=Event),
        envelope=_envelope(),
        batch=_batch(),
        exchange=EXCHANGE,
        delays=_waits(TOPOLOGY.queues[0]),
        queues=[
            {"name": queue.name, "listens": queue.listens, "dead_queue": queue.dead_queue, "waits": _waits(queue)}
            for queue in TOPOLOGY.queues
        ],
    )


def _described(event: type[Event]) -> dict[str, Any]:
    common = State if issubclass(event, State) else Event
    return {
        "name": event.__name__,
        "type": event.type,
        "kind": "state" if common is State else "fact",
        "publisher": event.type.partition(".")[0],
        "meaning": _docstring(event),
        "fields": _fields(event, without=common),
        "listeners": list(_listeners(event)),
        "samples": [
            {"name": path.name, "text": path.read_text(encoding="utf-8").strip()}
            for path in sorted(_HERE.glob(f"{event.type}.sample*.json"))
        ],
    }


def _listeners(event: type[Event]) -> Iterator[dict[str, str]]:
    for queue in TOPOLOGY.queues:
        service = queue.name.partition(".")[0]
        handler = import_module(f"services.{service}.consumers").SUBSCRIPTIONS.get(event)
        if isinstance(handler, Many):
            handler = handler.handler
        if event.type in queue.listens and handler is not None:
            does, _, _ = _docstring(handler).partition("\n")
            yield {"service": service, "queue": queue.name, "handler": handler.__name__, "does": does}


def _docstring(thing: object) -> str:
    if (text := inspect.getdoc(thing)) is None:
        raise LookupError(f"{thing} does not say what it is for.")
    return text


def _parts() -> list[dict[str, Any]]:
    """The models that events are made of, each once."""
    found: dict[str, Any] = {}
    for event in EVENTS.values():
        found |= event.model_json_schema(mode="serialization").get("$defs", {})
    return [
        {"name": name, "meaning": schema["description"], "fields": list(_rows(schema))}
        for name, schema in sorted(found.items())
        if "properties" in schema
    ]


def _fields(model: type[BaseModel], *, without: type[BaseModel] | None = None) -> list[Field]:
    schema = model.model_json_schema(mode="serialization")
    known = without.model_fields if without else {}
    return [field for field in _rows(schema, schema.get("$defs", {})) if field.name not in known]


def _rows(schema: dict[str, Any], parts: dict[str, Any] | None = None) -> Iterator[Field]:
    for name, field in schema["properties"].items():
        said = [field.get("description", "")]
        if "default" in field:
            said.append(f"Optional: `{json.dumps(field['default'])}`.")
        yield Field(name, _type(field, parts or {}), " ".join(part for part in said if part))


def _type(field: dict[str, Any], parts: dict[str, Any]) -> str:
    match field:
        case {"$ref": reference}:
            name = reference.rpartition("/")[2]
            return f"[{name}](#{name.lower()})" if "properties" in parts[name] else _type(parts[name], parts)
        case {"anyOf": kinds}:
            return " or ".join(_type(kind, parts) for kind in kinds)
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": item}:
            return f"list of {_type(item, parts)}"
        case {"format": str(kind)}:
            return {"date-time": "time"}.get(kind, kind)
        case {"type": str(kind)}:
            return {"string": "text", "boolean": "true or false"}.get(kind, kind)
    raise LookupError(field)


def _envelope() -> list[dict[str, str]]:
    """Every property and header of a real message; KeyError for one that has no meaning here."""
    sent = message_of([_SENT], "cases")
    properties = {name: getattr(sent, name) for name in _PROPERTIES}
    examples = properties | {"timestamp": int(sent.timestamp.timestamp()) if sent.timestamp else ""} | sent.headers
    return [
        *({"name": name, "example": str(example), "meaning": _MEANINGS[name]} for name, example in examples.items()),
        *_ON_RETRIES,
    ]


def _batch() -> dict[str, str]:
    other = replace(_SENT, id=UUID(int=_SENT.id.int + 1), body=b'{"number":"CS-000002"}')
    sent = message_of([_SENT, other], "cases")
    return {"type": str(sent.type), "body": json.dumps(json.loads(sent.body), indent=2)}


def _waits(queue: WorkQueue) -> list[str]:
    return [queue.retry_queue(delay_s).rpartition(".")[2] for delay_s in TOPOLOGY.retry_delays_s]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
