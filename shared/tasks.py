"""Background tasks that end when they are told to."""

import asyncio


def cancel_requested() -> bool:
    """Whether this task was cancelled: every endless loop that waits for the database asks it, instead of `while True`.

    `asyncio.wait_for`, which the driver uses, may swallow the one cancellation that a task gets (Python 3.11). Not for
    loops with a task group inside: there a group whose task failed leaves its own task as cancelled.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
