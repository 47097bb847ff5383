"""Password hashes and password strength, each in threads of their own: the event loop never waits for them."""

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from services.identity.turns import ANYBODY, Caller, Turns
from shared.errors import Invalid

SHORTEST = 10
MOST_BYTES = 1024
_LEAST_SCORE = 3
# zxcvbn takes a third of a second for so many characters, if they are chosen badly, and much longer for more. What is
# strong by its beginning is strong; what begins weak is refused, whatever follows: its owner begins with other words.
_SCORED_CHARACTERS = 20
_HASHERS, _MOST_TO_HASH, _MOST_OF_ONE_TO_HASH = 2, 400, 50
_SCORERS, _MOST_TO_SCORE, _MOST_OF_ONE_TO_SCORE = 1, 40, 5


class Passwords:
    """Hashes (Argon2id with OWASP's parameters) and checks passwords, a bounded number at a time."""

    def __init__(self) -> None:
        """One in every process."""
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._hashing = Turns("hashing", threads=_HASHERS, most=_MOST_TO_HASH, most_each=_MOST_OF_ONE_TO_HASH)
        self._scoring = Turns("scoring", threads=_SCORERS, most=_MOST_TO_SCORE, most_each=_MOST_OF_ONE_TO_SCORE)
        self._nobodys = self._hasher.hash("the password of nobody")

    async def hashed(self, password: str, caller: Caller = ANYBODY) -> str:
        """What to store of a password."""
        return await self._hashing.run(lambda: self._hasher.hash(_normalised(password)), caller)

    async def matches(self, password_hash: str | None, password: str, caller: Caller = ANYBODY) -> bool:
        """Whether it is the password; takes as long for a login that does not exist (None)."""
        right = await self._hashing.run(lambda: self._verify(password_hash or self._nobodys, password), caller)
        return right and password_hash is not None

    async def refuse_weak(self, password: str, caller: Caller = ANYBODY, *, known: tuple[str, ...] = ()) -> None:
        """Raises Invalid at `password` when it is short, or like `known` (address, names) or what everybody takes."""
        await self._scoring.run(lambda: _refuse_weak(_normalised(password), known), caller)

    def refuse_unless_in_time(self, caller: Caller) -> None:
        """TooManyRequests or Unavailable where a password of this caller could not be looked at in time."""
        self._hashing.refuse_unless_in_time(caller)

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
