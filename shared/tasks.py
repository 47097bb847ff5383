"""Background tasks that end when they are told to."""

import asyncio


def told_to_stop() -> bool:
    """Whether this task was cancelled: an endless loop that waits for database or broker asks it, not `while True`.

    The clients of both may swallow the one cancellation that a task gets, when it comes as their server goes.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
