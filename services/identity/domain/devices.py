"""Devices: browsers in which somebody has signed in before. The browser keeps the proof, no database does."""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta

VALID_FOR = timedelta(days=365)
_MOST_IN_ONE_BROWSER = 5
_NONCE_BYTES, _TIME_BYTES, _MAC_BYTES = 12, 4, 16
_PROOF = re.compile(r"[A-Za-z0-9_-]{43}")


def known_device(proofs: str, email: str, *, key: bytes, now: datetime) -> str | None:
    """The device's name, where one of the proofs was made for this address within a year."""
    for proof in _read(proofs):
        raw = urlsafe_b64decode(proof + "=")
        claim, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        made_at = int.from_bytes(claim[:_TIME_BYTES], "big")
        if hmac.compare_digest(_mac(claim, email, key), mac) and now.timestamp() - made_at < VALID_FOR.total_seconds():
            return claim.hex()
    return None


def with_device(proofs: str, email: str, *, nonce: bytes, key: bytes, now: datetime) -> str:
    """The proofs after a sign-in: a new one for this address, then those for others that use the same browser."""
    claim = int(now.timestamp()).to_bytes(_TIME_BYTES, "big") + nonce[:_NONCE_BYTES]
    new = urlsafe_b64encode(claim + _mac(claim, email, key)).decode().rstrip("=")
    others = [proof for proof in _read(proofs) if known_device(proof, email, key=key, now=now) is None]
    return ".".join([new, *others][:_MOST_IN_ONE_BROWSER])


def _read(proofs: str) -> list[str]:
    return [proof for proof in proofs.split(".")[:_MOST_IN_ONE_BROWSER] if _PROOF.fullmatch(proof)]


def _mac(claim: bytes, email: str, key: bytes) -> bytes:
    return hmac.digest(key, claim + email.encode(), "sha256")[:_MAC_BYTES]
