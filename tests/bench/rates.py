"""The highest rate that is sustained, to a tenth."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_UP = 1.1
_DOWN = _UP**3
_ALMOST = 0.999  # products of tenths are not exact
_STEPS_AT_MOST = 10


@dataclass(frozen=True, slots=True)
class Found:
    """`rate` was sustained and, unless the steps ran out first, a tenth more was not; 0 when none was."""

    rate: float
    steps: int


async def highest_sustained(is_sustained: Callable[[float], Awaitable[bool]], first_guess: float) -> Found:
    """Descends from the guess until a rate is sustained, then climbs by tenths until one is not; from 0 nowhere."""
    if not first_guess:
        return Found(0.0, 0)
    rate, best, too_high = first_guess, 0.0, math.inf
    for step in range(1, _STEPS_AT_MOST + 1):
        if await is_sustained(rate):
            best = rate
        else:
            too_high = rate
        if best * _UP > too_high * _ALMOST:
            return Found(best, step)
        rate = best * _UP if best else rate / _DOWN
    return Found(best, _STEPS_AT_MOST)
