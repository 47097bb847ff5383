"""Identity signs the actor, every service verifies the signature."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import jwt
from jwt.types import Options
from pydantic import TypeAdapter

from shared.actor import Actor
from shared.codes import subkey
from shared.errors import NotSignedIn

ACTOR_HEADER = "X-Portico-Actor"
LIFETIME = timedelta(seconds=60)
# The clocks of two machines may differ by this much. A token is valid for at most both times together.
LEEWAY = timedelta(seconds=60)
_REMEMBERED = 1_000  # the tokens of a minute: the same one comes with each request of a page

Verify = Callable[[str], Actor]

_ACTOR = TypeAdapter(Actor)
_AUDIENCE = "portico-services"
_WITHOUT_CLOCK: Options = {"require": ["exp", "aud"], "verify_exp": False}


def actor_key(secret: str) -> bytes:
    """The key for signing actors, derived from PORTICO_SECRET_KEY."""
    return subkey(secret, "actor")


def sign(actor: Actor, *, key: bytes, now: datetime) -> str:
    """A token that proves who acts: for 60 seconds, and 60 more wherever the clocks agree."""
    claims = {"act": _ACTOR.dump_python(actor, mode="json"), "aud": _AUDIENCE, "exp": now + LIFETIME}
    return jwt.encode(claims, key, algorithm="HS256")


def verify(token: str, *, key: bytes, now: datetime) -> Actor:
    """The actor in a token; NotSignedIn when it is forged, expired or none."""
    try:
        actor, expires_at = _read(token, key)
    except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise NotSignedIn from error
    if now - expires_at >= LEEWAY:
        raise NotSignedIn
    return actor


def same_actor(one: str, other: str) -> bool:
    """Whether two tokens speak of the same actor, whenever they were signed. Nobody's signature is verified here."""
    try:
        return one == other or _unverified(one) == _unverified(other)
    except (jwt.InvalidTokenError, KeyError, ValueError):
        return False


def _unverified(token: str) -> Actor:
    claims = jwt.decode(token, options={"verify_signature": False})
    return _ACTOR.validate_python(claims["act"])


@lru_cache(maxsize=_REMEMBERED)
def _read(token: str, key: bytes) -> tuple[Actor, datetime]:
    """The actor in a token of whatever time, and when it expires: of a token these never change."""
    claims = jwt.decode(token, key, algorithms=["HS256"], audience=_AUDIENCE, options=_WITHOUT_CLOCK)
    return _ACTOR.validate_python(claims["act"]), datetime.fromtimestamp(claims["exp"], UTC)


def verifier(secret: str, clock: Callable[[], datetime]) -> Verify:
    """`verify` with the key of this installation, at the time that `clock` tells."""
    key = actor_key(secret)
    return lambda token: verify(token, key=key, now=clock())
