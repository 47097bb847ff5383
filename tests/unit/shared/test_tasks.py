"""Repeated work goes on after failures, and ends when it is cancelled, also when something swallows that."""

import asyncio
from contextlib import suppress

import pytest

from shared.mongo import DatabaseError
from shared.tasks import cancel_requested, repeat


async def test_a_swallowed_cancellation_still_ends_the_loop() -> None:
    begun = asyncio.Event()
    rounds = 0

    async def deaf_wait() -> None:
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async def work() -> None:
        nonlocal rounds
        while not cancel_requested():
            rounds += 1
            await deaf_wait()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    await asyncio.wait_for(task, timeout=30)
    assert rounds == 1


async def test_no_cancel_is_requested_before_there_is_one() -> None:
    assert not cancel_requested()


class _Work:
    """Counts its rounds, and ends the test's wait after `rounds` of them."""

    def __init__(self, rounds: int, *, more: bool = False, error: Exception | None = None) -> None:
        self.done = 0
        self.enough = asyncio.Event()
        self._rounds, self._more, self._error = rounds, more, error

    async def __call__(self) -> bool:
        self.done += 1
        if self.done >= self._rounds:
            self.enough.set()
        await asyncio.sleep(0)
        if self._error is not None and self.done < self._rounds:
            raise self._error
        return self._more and self.done < self._rounds


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait_for(task, timeout=30)
    assert task.done()


async def test_work_that_found_something_is_done_again_at_once() -> None:
    work = _Work(100, more=True)
    task = asyncio.create_task(repeat("test", work, every_s=60))
    await asyncio.wait_for(work.enough.wait(), timeout=30)
    await _cancelled(task)
    assert work.done == 100


async def test_work_that_found_nothing_waits() -> None:
    work = _Work(1)
    task = asyncio.create_task(repeat("test", work, every_s=60))
    await asyncio.wait_for(work.enough.wait(), timeout=30)
    for _ in range(10):
        await asyncio.sleep(0)
    await _cancelled(task)
    assert work.done == 1


@pytest.mark.parametrize("error", [DatabaseError("gone"), KeyError("unforeseen")])
async def test_work_that_fails_is_done_again(error: Exception) -> None:
    work = _Work(3, error=error)
    task = asyncio.create_task(repeat("test", work, every_s=0.01))
    await asyncio.wait_for(work.enough.wait(), timeout=30)
    await _cancelled(task)


async def test_work_is_woken_also_by_what_comes_while_it_looks() -> None:
    woken = asyncio.Event()
    looked = asyncio.Queue[None]()
    rounds = 0

    async def look() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            woken.set()  # as if something came just after it had looked
        looked.put_nowait(None)

    task = asyncio.create_task(repeat("test", look, every_s=60, woken=woken))
    for _ in range(2):
        await asyncio.wait_for(looked.get(), timeout=30)
    woken.set()
    await asyncio.wait_for(looked.get(), timeout=30)
    await _cancelled(task)


async def test_repeated_work_ends_although_the_work_swallows_the_cancellation() -> None:
    begun = asyncio.Event()

    async def deaf_work() -> None:
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    task = asyncio.create_task(repeat("test", deaf_work, every_s=3600))
    await begun.wait()
    task.cancel()
    await asyncio.wait_for(task, timeout=30)
