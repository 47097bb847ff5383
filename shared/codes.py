"""Invitation, verification and unsubscribe codes: derived from a key, never stored, never sent over the bus.

A code is a MAC over a request's id and generation, so whoever holds the key can write it into a mail, and whoever
holds the request can check it. A new generation makes every older code worthless.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from enum import StrEnum
from functools import cache
from uuid import UUID

_MAC_BYTES = 16
_AROUND_LINKS = " \t\r\n\xa0.,;:!?<>()[]{}\"'"
_GENERATION_BYTES = 2  # at least: more where there were so many


class Purpose(StrEnum):
    """What a code is for; each purpose has its own key."""

    INVITATION = "invitation"
    VERIFICATION = "verification"
    UNSUBSCRIBE = "unsubscribe"


@cache
def subkey(secret: str, purpose: str) -> bytes:
    """32 bytes for one purpose, derived from PORTICO_SECRET_KEY."""
    return hmac.digest(secret.encode(), f"portico/{purpose}".encode(), "sha256")


def _mac(secret: str, purpose: Purpose, request_id: UUID, generation: int) -> bytes:
    return hmac.digest(subkey(secret, purpose), _message(request_id, generation), hashlib.sha256)


def _message(request_id: UUID, generation: int) -> bytes:
    size = max(_GENERATION_BYTES, (generation.bit_length() + 7) // 8)
    return request_id.bytes + generation.to_bytes(size, "big")


def link_code(secret: str, purpose: Purpose, request_id: UUID, generation: int) -> str:
    """A code for a link: 46 URL-safe characters up to generation 65,535, 128 bits of it unguessable."""
    mac = _mac(secret, purpose, request_id, generation)[:_MAC_BYTES]
    raw = _message(request_id, generation) + mac
    return urlsafe_b64encode(raw).decode().rstrip("=")


def read_link_code(secret: str, purpose: Purpose, code: str) -> tuple[UUID, int] | None:
    """The request id and generation of a code; None for a code that we did not make.

    What a mail program took for a part of the link, such as the full stop behind it, is left out.
    """
    code = code.strip(_AROUND_LINKS)
    try:
        raw = urlsafe_b64decode(code + "=" * (-len(code) % 4))
        request_id = UUID(bytes=raw[:16])
    except (Base64Error, ValueError):
        return None
    generation = int.from_bytes(raw[16:-_MAC_BYTES], "big")
    expected = link_code(secret, purpose, request_id, generation)
    # Compared as text, so that each code has exactly one spelling.
    return (request_id, generation) if hmac.compare_digest(expected.encode(), code.encode()) else None


def digit_code(secret: str, purpose: Purpose, request_id: UUID, generation: int) -> str:
    """A 6-digit code to type. The caller must limit how often it can be tried."""
    number = int.from_bytes(_mac(secret, purpose, request_id, generation)[:8], "big") % 1_000_000
    return f"{number:06d}"


def same_code(expected: str, given: str) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(expected.encode(), given.encode())
