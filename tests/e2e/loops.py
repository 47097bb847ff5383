"""Applications that are served on event loops of their own, each of which is timed."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Generic, NamedTuple, TypeVar

import uvloop
from aiohttp import web

from deploy.local.waiting import until
from shared.connections import Bounds
from shared.serving import Runner
from tests.processor import slowness

# Not even once, as what is done at a first use, nor by several requests together.
_NEVER_S = 0.5
MOST_S = 0.1  # what one request may hold up a loop, by processor time of a machine that is idle
_TICK_S = 0.002
_NOTED_S = 0.005
_TRIES = 5
_ENOUGH = 5  # to be told of; what is really slow is so many times

_T = TypeVar("_T")


class Stall(NamedTuple):
    """Processor seconds for which a loop could do nothing else, and between which of its ticks that was."""

    seconds: float
    began_s: float
    ended_s: float


class Timed(NamedTuple, Generic[_T]):
    """A request, when it was sent and when it was answered."""

    request: _T
    began_s: float
    ended_s: float


class _Loop(uvloop.Loop):
    """Knows the clocks of the threads that it gives work to."""

    def __init__(self) -> None:
        super().__init__()
        self.clocks: set[int] = set()

    def run_in_executor(self, executor: Executor | None, func: Callable[..., _T], *args: Any) -> Any:  # type: ignore[override]  # a future, whatever the stubs say
        """Does it there, and keeps the thread's clock."""

        def work() -> _T:
            self.clocks.add(time.pthread_getcpuclockid(threading.get_ident()))
            return func(*args)

        return super().run_in_executor(executor, work)


@dataclass
class TimedLoop:
    """One application on a loop and in a thread of its own.

    A stall is the processor time of its thread between two ticks of the loop, so that neither a busy machine nor the
    loops beside it count. So is what one of the threads that it gives work to has had between these ticks: as long as a
    call there keeps the interpreter's lock, the loop does not tick; from one that lets go of it the loop takes it.
    """

    make_app: Callable[[], web.Application]
    port: int = 0
    stalls: list[Stall] = field(default_factory=list)  # all but the shortest
    ticked_s: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator["TimedLoop"]:
        """Served from here to the end."""
        served, ended = threading.Event(), threading.Event()
        thread = threading.Thread(target=self._run, args=(served, ended))
        thread.start()
        try:
            assert served.wait(60), "the application is not served"
            yield self
        finally:
            ended.set()
            thread.join()

    def longest_s(self, *, since_s: float) -> float:
        """Of the stalls that ended after that."""
        return max((stall.seconds for stall in self.stalls if stall.ended_s > since_s), default=0.0)

    def _run(self, served: threading.Event, ended: threading.Event) -> None:
        with asyncio.Runner(loop_factory=_Loop) as runner:
            runner.run(self._serve(served, ended))

    async def _serve(self, served: threading.Event, ended: threading.Event) -> None:
        runner = Runner(self.make_app(), Bounds())
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]
            served.set()
            await self._tick_until(ended)
        finally:
            await runner.cleanup()

    async def _tick_until(self, ended: threading.Event) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, _Loop)
        before: dict[int, float] = {}
        loop.clocks.add(time.pthread_getcpuclockid(threading.get_ident()))
        self.ticked_s = time.monotonic()
        while not ended.is_set():
            now_s, now = time.monotonic(), {clock: time.clock_gettime(clock) for clock in list(loop.clocks)}
            # A thread that was not there before has begun since.
            longest_s = max(now[clock] - before.get(clock, 0.0) for clock in now) if before else 0.0
            if longest_s > _NOTED_S:
                self.stalls.append(Stall(longest_s, self.ticked_s, now_s))
            before, self.ticked_s = now, now_s
            await asyncio.sleep(_TICK_S)


@dataclass
class Outcome(Generic[_T]):
    """How often each status came, and which requests hold up a loop: by its name, for how many seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    held_up: list[tuple[_T, dict[str, float]]] = field(default_factory=list)

    def __iadd__(self, other: "Outcome[_T]") -> "Outcome[_T]":
        self.statuses += other.statuses
        self.held_up += other.held_up
        return self


@dataclass(frozen=True)
class Watch(Generic[_T]):
    """Sends requests, and finds those that hold up a loop."""

    loops: Mapping[str, TimedLoop]
    send: Callable[[_T], Awaitable[int]]
    sent: list[Timed[_T]] = field(default_factory=list)

    async def send_all(self, corpus: Iterable[_T], *, at_once: int) -> Outcome[_T]:
        """A request counts when it holds up a loop again, alone: a machine may be slow once, and four add up."""
        began_s, left, outcome = time.monotonic(), iter(corpus), Outcome[_T]()

        async def work() -> None:
            for request in left:
                sent_s = time.monotonic()
                outcome.statuses[await self.send(request)] += 1
                self.sent.append(Timed(request, sent_s, time.monotonic()))

        async with asyncio.TaskGroup() as workers:
            for _ in range(at_once):
                workers.create_task(work())
        await self._all_have_ticked()
        for request in self._under_way_in_a_stall(began_s):
            if len(outcome.held_up) == _ENOUGH:
                break
            if stalls := await self.holds_up(request):
                outcome.held_up.append((request, stalls))
        never_s = _NEVER_S * slowness()
        for name, loop in self.loops.items():
            if (longest_s := loop.longest_s(since_s=began_s)) > never_s:
                stall = max(loop.stalls, key=lambda stall: stall.seconds)
                outcome.held_up += [(request, {name: longest_s}) for request in self.under_way(stall)]
        return outcome

    def under_way(self, stall: Stall) -> list[_T]:
        """Which requests a stall may be of."""
        return [sent.request for sent in self.sent if sent.began_s < stall.ended_s and sent.ended_s > stall.began_s]

    async def holds_up(self, request: _T) -> dict[str, float]:
        """The loops that it holds up for too long, and for how long, by the median of several times.

        What else runs on the machine makes both slower, it and the yardstick.
        """
        slow: list[float] = []
        stalls: dict[str, list[float]] = {name: [] for name in self.loops}
        for _ in range(_TRIES):
            began_s = time.monotonic()
            await self.send(request)
            await self._all_have_ticked()
            slow.append(slowness())
            for name, loop in self.loops.items():
                stalls[name].append(loop.longest_s(since_s=began_s))
            if all(sum(stall <= MOST_S for stall in each) > _TRIES // 2 for each in stalls.values()):
                return {}
        seconds = {name: median(each) / median(slow) for name, each in stalls.items()}
        return {name: each for name, each in seconds.items() if each > MOST_S}

    def _under_way_in_a_stall(self, since_s: float) -> list[_T]:
        found: dict[int, _T] = {}
        for loop in self.loops.values():
            for stall in loop.stalls:
                if stall.began_s >= since_s and stall.seconds > MOST_S:
                    found |= {id(request): request for request in self.under_way(stall)}
        return list(found.values())

    async def _all_have_ticked(self) -> None:
        now_s = time.monotonic()

        async def ticked() -> bool:
            return all(loop.ticked_s > now_s for loop in self.loops.values())

        assert await until(ticked, deadline_s=60, pause_s=_TICK_S)
