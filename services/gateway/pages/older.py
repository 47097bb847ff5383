"""What cases and contracts did not tell in an older version: replicas are replaced one after another."""

from collections.abc import Iterator
from typing import Any

from services.gateway.clients import Service

_OF_CASES = {
    "product_line": "",
    "turn_since": None,
    "asked": None,
    "reopen_until": None,
    "callback": None,
    "escalation": None,
    "follow_up_of": None,
    "follow_ups": (),
    "clock": None,
    "first_answer": None,
    "favourite": False,
    "is_new": False,
}


def complete(service: Service, answer: Any) -> Any:
    """The answer, in which nothing is missing that pages show."""
    if service in ("cases", "contracts") and isinstance(answer, dict):
        for part in _parts(answer):
            _fill_in(part)
    return answer


def _parts(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """It, and of the devices and cases in it each."""
    yield answer
    for name in ("waiting", "recent"):
        yield from (answer.get(name) or {}).get("items", ())
    yield from answer.get("items") or ()
    yield from answer.get("devices") or ()
    if device := answer.get("device"):
        yield device


def _fill_in(part: dict[str, Any]) -> None:
    if "serial" in part:
        part.setdefault("serial_label", part["serial"])
        part.setdefault("product_line", "")
    if "verdict" in part:
        part.setdefault("product_line", None)
    if "turn" in part:
        for name, value in _OF_CASES.items():
            part.setdefault(name, value)
