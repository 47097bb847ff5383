"""Open-loop arrival: when each request is due is decided before the first one is sent, and latency counts from then.

Whoever sends the next request when the last one was answered asks a slow server less often, and never sees the queue
that real people would stand in.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_HEAD_START_S = 0.05


@dataclass(slots=True)
class Arrival(Generic[T]):
    """One request by `time.monotonic()`: `started` and `ended` stay None when its time was up before."""

    due: float
    started: float | None = None
    ended: float | None = None
    result: T | None = None


def poisson(rate: float, seconds: float, rng: random.Random) -> list[float]:
    """When requests are due, in seconds from the beginning: at random, `rate` of them a second on average."""
    offsets = [rng.expovariate(rate)]
    while offsets[-1] < seconds:
        offsets.append(offsets[-1] + rng.expovariate(rate))
    return offsets[:-1] or [0.0]


async def open_loop(
    offsets: Sequence[float], send: Callable[[int], Awaitable[T]], *, at_once: int, within_s: float
) -> list[Arrival[T]]:
    """Sends each request when it is due, or when one of `at_once` places is free; gives up `within_s` after the last.

    `send` gets the number of the request and must not raise.
    """
    places = asyncio.Semaphore(at_once)
    beginning = time.monotonic() + _HEAD_START_S
    arrivals: list[Arrival[T]] = [Arrival(beginning + offset) for offset in offsets]
    tasks = []
    for number, arrival in enumerate(arrivals):
        await asyncio.sleep(max(0.0, arrival.due - time.monotonic()))
        tasks.append(asyncio.create_task(_serve(arrival, places, send, number)))
    _, late = await asyncio.wait(tasks, timeout=within_s)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    return arrivals


async def _serve(
    arrival: Arrival[T], places: asyncio.Semaphore, send: Callable[[int], Awaitable[T]], number: int
) -> None:
    async with places:
        arrival.started = time.monotonic()
        arrival.result = await send(number)
        arrival.ended = time.monotonic()


async def closed_loop(send: Callable[[int], Awaitable[T]], *, at_once: int, seconds: float) -> list[Arrival[T]]:
    """As many requests as come back in `seconds`, `at_once` under way all the time: to know where to search."""
    arrivals: list[Arrival[T]] = []
    end = time.monotonic() + seconds

    async def keep_asking() -> None:
        while (now := time.monotonic()) < end:
            arrival: Arrival[T] = Arrival(now, started=now)
            arrivals.append(arrival)
            arrival.result = await send(len(arrivals) - 1)
            arrival.ended = time.monotonic()

    await asyncio.gather(*(keep_asking() for _ in range(at_once)))
    return arrivals
