"""Starts a part again when it died, and says so in one line."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from deploy.local.child import NotReady
from deploy.local.stack import Part, Stack

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0
_CALM_AFTER_S = 60.0


async def keep_running(stack: Stack, say: Callable[[str], None]) -> None:
    """Watch every part until cancelled."""
    async with asyncio.TaskGroup() as watchers:
        for name, part in stack.parts.items():
            watchers.create_task(_keep_one_running(name, part, say))


async def _keep_one_running(name: str, part: Part, say: Callable[[str], None]) -> None:
    pause_s = _FIRST_PAUSE_S
    while True:
        up_since = time.monotonic()
        await part.child.ended()
        if time.monotonic() - up_since > _CALM_AFTER_S:
            pause_s = _FIRST_PAUSE_S
        say(f"{name} ended with exit code {part.child.exit_code}; it starts again in {pause_s:g} s.")
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        with suppress(NotReady):  # The next round looks whether it runs, and says so when it does not.
            await part.start()
