"""Applications that are served on event loops of their own, each of which is timed."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvloop
from aiohttp import web

from shared.connections import Bounds
from shared.serving import Runner

_TICK_S = 0.002

_T = TypeVar("_T")


@dataclass
class TimedLoop:
    """One application on a loop and in a thread of its own.

    `stalls` are the processor seconds that its thread spent between two ticks of the loop, so that neither a busy
    machine nor the loops beside it count. What it gives to other threads counts as if it had done it itself: one call
    there that keeps the interpreter's lock holds it up as long. Each comes with what `doing` said then.
    """

    make_app: Callable[[], web.Application]
    doing: Callable[[], str]
    port: int = 0
    stalls: list[tuple[float, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def figures_ms(self) -> tuple[float, float, float]:
        """Median, 99.9th percentile and the longest of all stalls."""
        ordered = sorted(seconds * 1000 for seconds, _ in self.stalls)
        return ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.999)], ordered[-1]

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

    def _run(self, served: threading.Event, ended: threading.Event) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(served, ended))

    async def _serve(self, served: threading.Event, ended: threading.Event) -> None:
        asyncio.get_running_loop().set_default_executor(_TimedThreads(self))
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
        before = time.thread_time()
        while not ended.is_set():
            await asyncio.sleep(_TICK_S)
            now = time.thread_time()
            self.stalls.append((now - before, self.doing()))
            before = now


class _TimedThreads(ThreadPoolExecutor):
    """Threads that take the time of each call."""

    def __init__(self, loop: TimedLoop) -> None:
        super().__init__()
        self._loop = loop

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """Does it, and tells the loop how long it took."""

        def timed() -> _T:
            began = time.thread_time()
            try:
                return fn(*args, **kwargs)
            finally:
                self._loop.stalls.append((time.thread_time() - began, self._loop.doing()))

        return super().submit(timed)
