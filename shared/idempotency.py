"""Idempotency: a request that comes twice with the same key has one effect."""

import hashlib
from dataclasses import dataclass
from uuid import UUID, uuid5

from shared.errors import IdempotencyKeyReused

_KEYS = UUID("6f3c1f54-6d0e-4f0e-9f0a-6b1d2f0c7a11")


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The id that a client's `Idempotency-Key` stands for, and the digest of the body that came with it."""

    id: UUID
    digest: str

    @classmethod
    def of(cls, *, user_id: UUID, route: str, key: str, body: bytes) -> "IdempotencyKey":
        """The same user, route and key give the same id, on every replica and after every restart."""
        return cls(uuid5(_KEYS, f"{user_id}\n{route}\n{key}"), hashlib.sha256(body).hexdigest())

    def at(self, target: object) -> "IdempotencyKey":
        """The same key means something else at another target: a case, a company, an invitation."""
        return IdempotencyKey(uuid5(self.id, str(target)), self.digest)

    def refuse_unless_same(self, digest: str | None) -> None:
        """Raises IdempotencyKeyReused when the key was used with another body."""
        if digest != self.digest:
            raise IdempotencyKeyReused
