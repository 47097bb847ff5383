"""Password hashes and password strength, each in threads of their own: the event loop never waits for them."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from shared.errors import Invalid, Unavailable

_T = TypeVar("_T")

SHORTEST = 10
MOST_BYTES = 1024
_LEAST_SCORE = 3
# zxcvbn takes a third of a second for so many characters, if they are chosen badly, and much longer for more. What is
# strong by its beginning is strong; what begins weak is refused, whatever follows: its owner begins with other words.
_SCORED_CHARACTERS = 20
# Whoever comes behind so many would not be answered in time anyway: two threads do some hundred hashes a second.
_HASHERS, _MOST_TO_HASH = 2, 200
_SCORERS, _MOST_TO_SCORE = 1, 20


class _Pool:
    """Threads for one kind of work, for a bounded number of those who wait for it."""

    def __init__(self, name: str, *, threads: int, most: int) -> None:
        self.waiting = 0
        self._most = most
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[[], _T]) -> _T:
        if self.waiting >= self._most:
            raise Unavailable("Too many people are signing in at this moment.")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Passwords:
    """Hashes (Argon2id with OWASP's parameters) and checks passwords, a bounded number at a time."""

    def __init__(self) -> None:
        """One in every process."""
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._hashing = _Pool("hashing", threads=_HASHERS, most=_MOST_TO_HASH)
        self._scoring = _Pool("scoring", threads=_SCORERS, most=_MOST_TO_SCORE)
        self._nobodys = self._hasher.hash("the password of nobody")

    async def hashed(self, password: str) -> str:
        """What to store of a password."""
        return await self._hashing.run(lambda: self._hasher.hash(_normalised(password)))

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether it is the password; takes as long for a login that does not exist (None)."""
        right = await self._hashing.run(lambda: self._verify(password_hash or self._nobodys, password))
        return right and password_hash is not None

    async def refuse_weak(self, password: str, *, known: tuple[str, ...] = ()) -> None:
        """Raises Invalid at `password` when it is short, or like `known` (address, names) or what everybody takes."""
        await self._scoring.run(lambda: _refuse_weak(_normalised(password), known))

    def close(self) -> None:
        """Stops the threads."""
        self._hashing.close()
        self._scoring.close()

    def _verify(self, password_hash: str, password: str) -> bool:
        normalised = _normalised(password)
        if len(normalised.encode()) > MOST_BYTES:
            return False
        try:
            return self._hasher.verify(password_hash, normalised)
        except (VerificationError, InvalidHashError):
            return False


def _normalised(password: str) -> str:
    """The same characters, however a keyboard composes them; blanks around come from copying."""
    return unicodedata.normalize("NFKC", password).strip()


def _refuse_weak(password: str, known: tuple[str, ...]) -> None:
    if len(password) < SHORTEST:
        raise Invalid.at("password", "password_too_short", f"Use at least {SHORTEST} characters.")
    if len(password.encode()) > MOST_BYTES:
        raise Invalid.at("password", "password_too_long", f"Use at most {MOST_BYTES} bytes.")
    beginnings = [word[:_SCORED_CHARACTERS] for word in known if word]
    if zxcvbn(password[:_SCORED_CHARACTERS], user_inputs=beginnings)["score"] < _LEAST_SCORE:
        raise Invalid.at(
            "password",
            "password_too_weak",
            "This password is easy to guess. Add a few words that have nothing in common.",
        )
