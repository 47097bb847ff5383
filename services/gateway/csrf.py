"""The session's token as pages carry it: masked, so that compressing a page tells nothing about it by the size."""

import binascii
import hmac
import secrets
from base64 import b64decode, urlsafe_b64encode


def masked(token: str) -> str:
    """The token in another shape each time: a random pad, and the token under it."""
    plain = token.encode()
    pad = secrets.token_bytes(len(plain))
    return urlsafe_b64encode(pad + _under(pad, plain)).decode()


def unmasked(given: str) -> str:
    """The token of `masked`; something that is no token for any other text."""
    try:
        both = b64decode(given.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return ""
    pad, hidden = both[: len(both) // 2], both[len(both) // 2 :]
    return _under(pad, hidden).decode(errors="replace") if len(pad) == len(hidden) else ""


def proves(given: str, token: str) -> bool:
    """Whether this is the token, masked by a page or plain as the API tells it to programs."""
    if not token:
        return False
    plain, under_mask = (
        hmac.compare_digest(text.encode(errors="replace"), token.encode()) for text in (given, unmasked(given))
    )
    return plain or under_mask


def _under(pad: bytes, text: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(pad, text, strict=True))
