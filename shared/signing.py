"""Identity signs the actor, every service verifies the signature."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

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
        claims = jwt.decode(token, key, algorithms=["HS256"], audience=_AUDIENCE, options=_WITHOUT_CLOCK)
        if now - datetime.fromtimestamp(claims["exp"], UTC) >= LEEWAY:
            raise NotSignedIn
        return _ACTOR.validate_python(claims["act"])
    except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise NotSignedIn from error


def verifier(secret: str, clock: Callable[[], datetime]) -> Verify:
    """`verify` with the key of this installation, at the time that `clock` tells."""
    key = actor_key(secret)
    return lambda token: verify(token, key=key, now=clock())
