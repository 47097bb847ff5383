"""What our own code logs in the process of the tests."""

from typing import Any

import orjson
import pytest


class Logged:
    """Our lines on standard error, of whichever service in this process; those of libraries may be among them."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        """From now on."""
        self._capsys = capsys
        self._text = ""

    def lines(self) -> list[dict[str, Any]]:
        """All so far, the oldest first."""
        self._text += self._capsys.readouterr().err
        return [orjson.loads(line) for line in self._text.splitlines() if line.startswith("{")]

    def named(self, event: str) -> list[dict[str, Any]]:
        """Those of this event."""
        return [line for line in self.lines() if line["event"] == event]
