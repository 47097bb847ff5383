import asyncio
import random
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from tests.bench import arrivals as module
from tests.bench.arrivals import closed_loop, open_loop, poisson
from tests.bench.figures import percentile

T = TypeVar("T")


class _VirtualTime(asyncio.SelectorEventLoop):
    """Nobody sleeps: where all wait, the clock jumps to whoever is due next. How busy the machine is does not count."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now = max(self.now, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _VirtualTime:
    loop = _VirtualTime()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=loop.time))
    return loop


def run(clock: _VirtualTime, scenario: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=lambda: clock) as runner:
        return runner.run(scenario)


def test_arrivals_are_decided_by_the_seed_and_come_at_the_rate() -> None:
    first, again = (poisson(1000, 10, random.Random("seed")) for _ in range(2))
    assert first == again != poisson(1000, 10, random.Random("other"))
    assert first == sorted(first)
    assert first[0] > 0
    assert first[-1] < 10
    assert 9_500 < len(first) < 10_500


def test_a_stall_counts_for_everybody_who_was_due_meanwhile(clock: _VirtualTime) -> None:
    async def stalls_once(number: int) -> None:
        if number == 10:
            await asyncio.sleep(0.3)

    offsets = [number / 100 for number in range(60)]
    arrivals = run(clock, open_loop(offsets, stalls_once, at_once=1, within_s=5))
    latencies = [arrival.ended - arrival.due for arrival in arrivals if arrival.ended is not None]
    assert len(latencies) == 60
    # Due 0.1 s after the stall began, answered when it was over: 0.2 s late, though the answer itself took no time.
    assert latencies[20] == pytest.approx(0.2)
    assert sum(latency > 0.055 for latency in latencies) == 25


def test_whoever_asks_only_when_answered_does_not_see_the_stall(clock: _VirtualTime) -> None:
    async def stalls_once(number: int) -> None:
        await asyncio.sleep(0.3 if number == 10 else 0.001)

    arrivals = run(clock, closed_loop(stalls_once, at_once=1, seconds=0.6))
    latencies = [arrival.ended - arrival.due for arrival in arrivals if arrival.ended is not None]
    # The stall is one measurement, not those that were due meanwhile.
    assert sum(latency > 0.25 for latency in latencies) == 1
    assert percentile(latencies, 0.9) == pytest.approx(0.001)


def test_a_late_generator_makes_latencies_longer_not_shorter(clock: _VirtualTime) -> None:
    async def holds_up_the_generator(number: int) -> None:
        if number == 0:
            clock.now += 0.2  # the whole loop stands still, as on a busy machine

    arrivals = run(clock, open_loop([0.0, 0.05, 0.1], holds_up_the_generator, at_once=8, within_s=5))
    late = [arrival.started - arrival.due for arrival in arrivals if arrival.started is not None]
    latencies = [arrival.ended - arrival.due for arrival in arrivals if arrival.ended is not None]
    assert late == pytest.approx([0.0, 0.15, 0.1])
    assert latencies == pytest.approx([0.2, 0.15, 0.1])


def test_what_is_not_answered_in_time_is_missed(clock: _VirtualTime) -> None:
    async def never_comes_back(number: int) -> int:
        if number % 2:
            await asyncio.sleep(60)
        return number

    arrivals = run(clock, open_loop([0.0] * 6, never_comes_back, at_once=2, within_s=0.2))
    assert [arrival.result for arrival in arrivals if arrival.ended is not None] == [0, 2]
    assert [arrival.started is None for arrival in arrivals] == [False, False, False, False, True, True]
