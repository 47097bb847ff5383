"""Waiting for a condition, for whoever starts processes and for the tests."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(ready: Callable[[], Awaitable[bool]], *, deadline_s: float, pause_s: float = 0.1) -> bool:
    """Ask again and again until the answer is yes; False when the deadline passed."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if await ready():
            return True
        await asyncio.sleep(pause_s)
    return False
