"""The highest rate that is sustained, found by steps of a tenth."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_STEP = 1.1
_STEPS_AT_MOST = 8


@dataclass(frozen=True, slots=True)
class Found:
    """`rate` was sustained and, unless the steps ran out first, a tenth more was not; 0 when none was."""

    rate: float
    steps: int


async def highest_sustained(is_sustained: Callable[[float], Awaitable[bool]], first_guess: float) -> Found:
    """Climbs from the guess until a rate is not sustained, or descends until one is."""
    rate, best, failed = first_guess, 0.0, False
    for step in range(1, _STEPS_AT_MOST + 1):
        if await is_sustained(rate):
            best = rate
            if failed:
                return Found(best, step)
            rate *= _STEP
        elif best:
            return Found(best, step)
        else:
            failed = True
            rate /= _STEP
    return Found(best, _STEPS_AT_MOST)
