import asyncio
import random
import time

from tests.bench.arrivals import closed_loop, open_loop, poisson
from tests.bench.figures import percentile


def test_arrivals_are_decided_by_the_seed_and_come_at_the_rate() -> None:
    first, again = (poisson(1000, 10, random.Random("seed")) for _ in range(2))
    assert first == again != poisson(1000, 10, random.Random("other"))
    assert first == sorted(first)
    assert first[0] > 0
    assert first[-1] < 10
    assert 9_500 < len(first) < 10_500


async def test_a_stall_counts_for_everybody_who_was_due_meanwhile() -> None:
    async def stalls_once(number: int) -> None:
        if number == 10:
            await asyncio.sleep(0.3)

    offsets = [number / 100 for number in range(60)]
    arrivals = await open_loop(offsets, stalls_once, at_once=1, within_s=5)
    latencies = [arrival.ended - arrival.due for arrival in arrivals if arrival.ended is not None]
    assert len(latencies) == 60
    # Due 0.1 s after the stall began, answered when it was over: 0.2 s late, though the answer itself took no time.
    assert latencies[20] > 0.15
    assert sum(latency > 0.05 for latency in latencies) >= 20


async def test_whoever_asks_only_when_answered_does_not_see_the_stall() -> None:
    async def stalls_once(number: int) -> None:
        await asyncio.sleep(0.3 if number == 10 else 0.001)

    arrivals = await closed_loop(stalls_once, at_once=1, seconds=0.6)
    latencies = [arrival.ended - arrival.due for arrival in arrivals if arrival.ended is not None]
    # However late everybody else is on a busy machine: the stall is one measurement, not those that were due meanwhile.
    assert sum(latency > 0.25 for latency in latencies) == 1
    assert percentile(latencies, 0.9) < 0.15


async def test_a_late_generator_makes_latencies_longer_not_shorter() -> None:
    async def holds_up_the_generator(number: int) -> None:
        if number == 0:
            time.sleep(0.2)  # noqa: ASYNC251  # the whole loop stands still, as on a busy machine

    arrivals = await open_loop([0.0, 0.05, 0.1], holds_up_the_generator, at_once=8, within_s=5)
    late = [arrival.started - arrival.due for arrival in arrivals if arrival.started is not None]
    latencies = [arrival.ended - arrival.due for arrival in arrivals if arrival.ended is not None]
    assert 0.1 < late[1] <= latencies[1]
    assert 0.05 < late[2] <= latencies[2]


async def test_what_is_not_answered_in_time_is_missed() -> None:
    async def never_comes_back(number: int) -> int:
        if number % 2:
            await asyncio.sleep(60)
        return number

    arrivals = await open_loop([0.0] * 6, never_comes_back, at_once=2, within_s=0.2)
    assert [arrival.result for arrival in arrivals if arrival.ended is not None] == [0, 2]
    assert [arrival.started is None for arrival in arrivals] == [False, False, False, False, True, True]
