"""A loop that is cancelled ends, also when what it waits for swallows the cancellation."""

import asyncio
from contextlib import suppress

from shared.tasks import cancel_requested


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
    await asyncio.wait_for(task, timeout=5)
    assert rounds == 1


async def test_nobody_is_told_to_stop_before_it_happens() -> None:
    assert not cancel_requested()
