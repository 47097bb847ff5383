"""Processor time of one call, on a machine that does something else as well."""

import time
from collections.abc import Callable
from statistics import median
from urllib.parse import quote

_TRIES = 5
_YARDSTICK = "é€ 😀" * 4_000
_YARDSTICK_S = 0.0021  # on the machine where the limits of these tests were chosen, when it was idle


def processor_s(work: Callable[[], object], *, enough_s: float) -> float:
    """Processor seconds of a call; when they are more than `enough_s`, the median of several, by a yardstick.

    Other processes take their share of the caches and of the processor's units. Every call takes longer then, and the
    yardstick as well: the ratio of the two stays within a tenth, where the seconds vary by three quarters.
    """
    first_s = _taken_s(work)
    if first_s <= enough_s:
        return first_s
    calls, slow = [], []
    for _ in range(_TRIES):
        slow.append(slowness())
        calls.append(_taken_s(work))
    return median(calls) / median(slow)


def slowness() -> float:
    """How many times as long the yardstick takes now; at least 1."""
    return max(1.0, median(_taken_s(lambda: quote(_YARDSTICK)) for _ in range(_TRIES)) / _YARDSTICK_S)


def _taken_s(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began
