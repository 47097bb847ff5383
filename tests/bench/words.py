"""Invented texts: the same seed gives the same words, and common words come often, as in real ones."""

import random
from itertools import accumulate

_SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "ve")
_WORDS = [first + second + third for first in _SYLLABLES for second in _SYLLABLES for third in _SYLLABLES[:8]]
_CUMULATED = list(accumulate(1 / rank for rank in range(1, len(_WORDS) + 1)))


def a_text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(_WORDS, cum_weights=_CUMULATED, k=words))


def a_title(rng: random.Random) -> str:
    return a_text(rng, rng.randint(3, 8)).capitalize()
