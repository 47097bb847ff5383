"""Password hashes and password strength, each in threads of their own: the event loop never waits for them."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from services.identity.fair_queue import FairQueue
from shared.errors import Invalid

SHORTEST = 10
MOST_BYTES = 1024
_LEAST_SCORE = 3
# zxcvbn takes a third of a second for so many characters, if they are chosen badly, and much longer for more. What is
# strong by its beginning is strong; what begins weak is refused, whatever follows: its owner begins with other words.
_SCORED_CHARACTERS = 20
_HASHERS, _SCORERS = 2, 1

_T = TypeVar("_T")


class Passwords:
    """Hashes (Argon2id with OWASP's parameters) and checks passwords, a bounded number at a time."""

    def __init__(self) -> None:
        """One in every process."""
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._hashers = ThreadPoolExecutor(_HASHERS, "hashing")
        self._scorers = ThreadPoolExecutor(_SCORERS, "scoring")
        # Who is at the door is asked of the database, and so few at once that it has time for everybody else.
        self.door = FairQueue(at_once=8, most=2000, most_each=200)
        # Two more than threads: what is counted before a hash and found out after it does not leave them idle.
        self.hashing = FairQueue(at_once=_HASHERS + 2, most=400, most_each=50)
        self.scoring = FairQueue(at_once=_SCORERS, most=40, most_each=5)
        self._nobodys = self._hasher.hash("the password of nobody")

    async def hashed(self, password: str) -> str:
        """What to store of a password; in a turn of `hashing`."""
        return await _in(self._hashers, lambda: self._hasher.hash(_normalised(password)))

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether it is the password, in a turn of `hashing`; takes as long for a login that does not exist (None)."""
        right = await _in(self._hashers, lambda: self._verify(password_hash or self._nobodys, password))
        return right and password_hash is not None

    async def refuse_weak(self, password: str, *, known: tuple[str, ...] = ()) -> None:
        """Raises Invalid at `password` when it is short, or like `known` (address, names) or what everybody takes.

        In a turn of `scoring`.
        """
        await _in(self._scorers, lambda: _refuse_weak(_normalised(password), known))

    def close(self) -> None:
        """Stops the threads."""
        for threads in (self._hashers, self._scorers):
            threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password_hash: str, password: str) -> bool:
        normalised = _normalised(password)
        if len(normalised.encode()) > MOST_BYTES:
            return False
        try:
            return self._hasher.verify(password_hash, normalised)
        except (VerificationError, InvalidHashError):
            return False


async def _in(threads: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
    return await asyncio.get_running_loop().run_in_executor(threads, work)


def _normalised(password: str) -> str:
    """The same characters, however a keyboard composes them; blanks around come from copying."""
    return unicodedata.normalize("NFKC", password).strip()


def _refuse_weak(password: str, known: tuple[str, ...]) -> None:
    if len(password) < SHORTEST:
        raise Invalid.at("password", "password_too_short", f"Use at least {SHORTEST} characters.", {"limit": SHORTEST})
    if len(password.encode()) > MOST_BYTES:
        raise Invalid.at("password", "password_too_long", f"Use at most {MOST_BYTES} bytes.", {"limit": MOST_BYTES})
    beginnings = [word[:_SCORED_CHARACTERS] for word in known if word]
    if zxcvbn(password[:_SCORED_CHARACTERS], user_inputs=beginnings)["score"] < _LEAST_SCORE:
        raise Invalid.at(
            "password",
            "password_too_weak",
            "This password is easy to guess. Add a few unrelated words.",
        )
