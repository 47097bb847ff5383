"""What the containers are allowed, as far as it can be said without an engine; the rest is in `tests/containers`."""

import re
from pathlib import Path

_COMPOSE = Path(__file__).resolve().parents[3] / "deploy" / "compose.yaml"
_EXPORTS, _ROWS, _ROW_BYTES = 2, 250_000, 1_100
_PROCESS_MB = 256


def megabytes(wanted: str, service: str) -> int:
    found = re.search(wanted, service)
    assert found is not None, service
    return int(found[1])


def test_cases_has_room_for_the_exports_that_are_promised_and_for_itself() -> None:
    service = re.search(r"^  cases:\n(?: {4}.*\n)+", _COMPOSE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert service is not None
    room, memory = megabytes(r":size=(\d+)m", service[0]), megabytes(r"mem_limit: (\d+)m", service[0])
    assert room * 2**20 > _EXPORTS * _ROWS * _ROW_BYTES
    assert memory >= room + _PROCESS_MB
