"""What all measures have in common: the running stack, its load, and what that cost each process."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from deploy.local.stack import Stack
from shared.mongo import Database
from tests.bench import load, machine
from tests.bench.figures import Figures
from tests.bench.load import Load, Plan, Request
from tests.bench.people import People
from tests.bench.rates import highest_sustained
from tests.bench.sink import Sink

SERVICES = ("gateway", "identity", "cases", "contracts", "notifications")
# A rate is sustained when everything was answered, 99 of 100 within this time of when they were due.
SUSTAINED_P99_MS = 300.0
_PROBE_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Durations:
    """How long each part of a run takes, in seconds."""

    step: float
    probe: float
    fixed: float
    fixed_creates: float
    idle: float


FULL = Durations(step=4, probe=2, fixed=5, fixed_creates=15, idle=20)
QUICK = Durations(step=2, probe=1, fixed=3, fixed_creates=6, idle=20)


@dataclass
class Bench:
    """The running stack, who asks, where figures go."""

    stack: Stack
    people: People
    sink: Sink
    db: Database
    figures: Figures
    seed: str
    durations: Durations
    loads: "count[int]" = field(default_factory=count)

    def pid(self, part: str) -> int:
        return self.stack.parts[part].child.pid

    def cpu_s(self, *parts: str) -> dict[str, float]:
        """Processor time that each of these parts of the stack has used until now."""
        return {part: machine.cpu_s(self.pid(part)) for part in parts}

    async def load(
        self,
        requests: Sequence[Request],
        *,
        rate: float | None,
        seconds: float,
        port: int | None = None,
        at_once: int = _PROBE_AT_ONCE,
    ) -> Load:
        """Without a `rate` so many `at_once` as come back."""
        plan = Plan(port or self.stack.port, list(requests), seconds, rate, f"{self.seed} {next(self.loads)}")
        return await load.run(plan if rate is not None else replace(plan, at_once=at_once))

    @property
    def rng(self) -> random.Random:
        return random.Random(f"{self.seed} {next(self.loads)}")

    async def highest(self, requests: Sequence[Request], *, port: int | None = None) -> float:
        """The highest sustained rate."""
        probe = await self.load(requests, rate=None, seconds=self.durations.probe, port=port)

        async def is_sustained(rate: float) -> bool:
            return keeps_up(await self.load(requests, rate=rate, seconds=self.durations.step, port=port))

        return (await highest_sustained(is_sustained, probe.answered_per_s)).rate

    def add_latencies(self, title: str, done: Load) -> None:
        self.figures.add(f"{title}, p50", "ms", done.latency_ms(0.5))
        self.figures.add(f"{title}, p99", "ms", done.latency_ms(0.99))

    def add_cost(self, title: str, before: Mapping[str, float], *, each: str, done: int) -> float:
        """What each process used since `before` for each of so many; the sum, in ms."""
        now = self.cpu_s(*before)
        spent_ms = {part: (now[part] - before[part]) * 1000 / max(1, done) for part in before}
        for part, milliseconds in spent_ms.items():
            self.figures.add(f"{title}: processor time of {part}", f"ms/{each}", milliseconds)
        return sum(spent_ms.values())


def keeps_up(done: Load) -> bool:
    """Whether everything was answered in time."""
    return done.all_answered and done.latency_ms(0.99) <= SUSTAINED_P99_MS
