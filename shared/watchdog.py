"""Ends a process whose event loop is blocked, so that its supervisor starts it again."""

import asyncio
import contextlib
import faulthandler
from collections.abc import AsyncIterator

LOOP_STALL_S = 30.0
_ARMED_EVERY_S = 1.0


@contextlib.asynccontextmanager
async def ended_when_stalled(after_s: float) -> AsyncIterator[None]:
    """Ends the process with exit code 1 when the event loop was blocked for `after_s`; never, for 0.

    A thread that needs no interpreter lock keeps the deadline, because the code that blocks may hold that lock.
    It logs what every thread was doing: names of functions, no values.
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
