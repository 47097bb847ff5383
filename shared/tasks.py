"""Background tasks: work that repeats until it is cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from shared.mongo import DatabaseError

# After a failure the work is tried again this soon, however seldom it is done otherwise.
_AGAIN_S = 1.0

_log = structlog.get_logger()


def cancel_requested() -> bool:
    """Whether this task was cancelled: every endless loop that waits for the database asks it, instead of `while True`.

    `asyncio.wait_for`, which the driver uses, may swallow the one cancellation that a task gets (Python 3.11). Not for
    loops with a task group inside: there a group whose task failed leaves its own task as cancelled.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def repeat(
    name: str, work: Callable[[], Awaitable[int | None]], *, every_s: float, woken: asyncio.Event | None = None
) -> None:
    """Does `work` until this task is cancelled; a failure is logged under `name`, and does not end it.

    When `work` answers that it found something (True, or how many), it is done again at once, because there may be
    more; else in `every_s` seconds, or as soon as `woken` is set. It must hold no task group: see `cancel_requested`.
    """
    while not cancel_requested():
        if woken is not None:
            woken.clear()  # before the work looks: what comes while it looks is looked at next time
        pause_s = every_s
        try:
            if await work():
                continue
        except DatabaseError as error:
            _log.warning("work_failed", work=name, reason=type(error).__name__)
            pause_s = min(every_s, _AGAIN_S)
        except Exception:  # noqa: BLE001  # whatever failed: a service without its background work does not do its job
            _log.warning("work_failed", work=name, exc_info=True)
            pause_s = min(every_s, _AGAIN_S)
        if not cancel_requested():  # the driver may have swallowed that just now, and the pause may be long
            await _pause(pause_s, woken)


async def _pause(pause_s: float, woken: asyncio.Event | None) -> None:
    if woken is None:
        await asyncio.sleep(pause_s)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(pause_s):
            await woken.wait()
