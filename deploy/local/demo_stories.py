"""What a case of the demo tells: who wrote it how long ago, and what was done with it since, by whom."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from deploy.local.demo_data import Person
from deploy.local.portal import Json


@dataclass(frozen=True)
class File:
    """A file to attach; its content is made when it is wanted."""

    name: str
    content: Callable[[], bytes]


@dataclass(frozen=True)
class Step:
    """One action on a case, so many hours after the one before: one entry of its history."""

    by: Person
    hours: float
    side: str  # what stands before `/cases` in the action's path
    body: Json
    files: tuple[File, ...] = ()
    needs_version: bool = False
    call_in: float | None = None  # hours from when the demo is made, where a call is asked for at a time


@dataclass(frozen=True)
class Story:
    """A case, written so many days before the demo is ready. `about` is a serial, a SAID or a product number."""

    days: float
    by: Person
    about: dict[str, str]
    site: str
    severity: int
    title: str
    description: str
    steps: tuple[Step, ...] = ()
    files: tuple[File, ...] = ()
    second: Person | None = None
    more: Json = field(default_factory=dict)

    def times(self, ready: datetime) -> list[datetime]:
        """When each entry of its history was written, the first of them by the case itself."""
        times = [ready - timedelta(days=self.days)]
        for step in self.steps:
            times.append(times[-1] + timedelta(hours=step.hours))
        return times


def comment(by: Person, hours: float, text: str, *files: File) -> Step:
    """The customer writes, maybe with files."""
    return Step(by, hours, "", {"action": "comment", "text": text}, files)


def call_me(by: Person, hours: float, *, at: float | None = None) -> Step:
    """The customer asks for a call, at once or within two hours that begin so many hours from now."""
    return Step(by, hours, "", {"action": "request_callback", "phone": by.phone}, call_in=at)


def escalate(by: Person, hours: float, reason: str) -> Step:
    """The customer asks for somebody who can do more."""
    return Step(by, hours, "", {"action": "request_escalation", "reason": reason})


def close(by: Person, hours: float, reason: str, *, resolved: bool) -> Step:
    """The customer ends the case."""
    return Step(by, hours, "", {"action": "close", "reason": reason, "resolved": resolved}, needs_version=True)


def cancel(by: Person, hours: float, reason: str) -> Step:
    """The customer takes the case back."""
    return Step(by, hours, "", {"action": "cancel", "reason": reason}, needs_version=True)


def reopen(by: Person, hours: float, reason: str) -> Step:
    """The customer takes a closed case up again."""
    return Step(by, hours, "", {"action": "reopen", "reason": reason}, needs_version=True)


def raise_severity(by: Person, hours: float, severity: int) -> Step:
    """The customer says that it is worse, or better."""
    return Step(by, hours, "", {"action": "change_severity", "severity": severity}, needs_version=True)


def take(by: Person, hours: float) -> Step:
    """An agent takes the case."""
    return Step(by, hours, "/agent", {"action": "take"})


def reply(by: Person, hours: float, text: str) -> Step:
    """An agent answers."""
    return Step(by, hours, "/agent", {"action": "reply", "text": text})


def note(by: Person, hours: float, text: str) -> Step:
    """An agent writes what the customer does not see."""
    return Step(by, hours, "/agent", {"action": "note", "text": text})


def ask(by: Person, hours: float, text: str) -> tuple[Step, Step]:
    """An agent asks, and the case waits for the customer."""
    return reply(by, hours, text), _status(by, "waiting_customer")


def order(by: Person, hours: float, text: str) -> tuple[Step, Step]:
    """An agent says that a part is on its way, and the case waits for it."""
    return reply(by, hours, text), _status(by, "waiting_parts")


def resolve(by: Person, hours: float, resolution: str) -> Step:
    """An agent ends the case."""
    return Step(by, hours, "/agent", {"action": "close", "resolution": resolution}, needs_version=True)


def _status(by: Person, status: str) -> Step:
    return Step(by, 0.01, "/agent", {"action": "set_status", "status": status}, needs_version=True)
