"""Ends a process whose event loop stands still, so that whatever supervises it starts it again."""

import asyncio
import contextlib
import faulthandler
from collections.abc import AsyncIterator

LOOP_STALL_S = 30.0
_ARMED_EVERY_S = 1.0


@contextlib.asynccontextmanager
async def ended_when_stalled(after_s: float) -> AsyncIterator[None]:
    """While it is entered, the process ends with exit code 1 when its loop has stood for so long; never, for 0.

    The deadline is kept by a thread that needs no interpreter lock, because what holds up a loop may hold that, too. It
    writes what every thread was doing into the log: names of functions, no values.
    """
    if not after_s:
        yield
        return
    arming = asyncio.create_task(_put_off(after_s))
    try:
        yield
    finally:
        arming.cancel()
        await asyncio.gather(arming, return_exceptions=True)
        faulthandler.cancel_dump_traceback_later()


async def _put_off(after_s: float) -> None:
    while True:
        faulthandler.dump_traceback_later(after_s, exit=True)
        await asyncio.sleep(min(_ARMED_EVERY_S, after_s / 4))
