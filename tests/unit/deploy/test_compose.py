"""What the containers are allowed, as far as it can be said without an engine; the rest is in `tests/containers`."""

import re
from pathlib import Path

_COMPOSE = Path(__file__).resolve().parents[3] / "deploy" / "compose.yaml"


def described(name: str) -> str:
    service = re.search(rf"^  {name}:\n(?: {{4}}.*\n)+", _COMPOSE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert service is not None
    return service[0]


def test_a_new_container_of_rabbitmq_finds_the_data_of_the_old_one() -> None:
    # They lie in a folder that has the host's name in it, which is another for each container if nobody says it.
    assert re.search(r"^    hostname: rabbitmq\b", described("rabbitmq"), flags=re.MULTILINE)
    assert 'volumes: ["rabbitmq:/var/lib/rabbitmq"]' in described("rabbitmq")
