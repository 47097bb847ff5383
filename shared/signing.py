"""Signs the actor that identity vouches for, and verifies it in every service."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import jwt
from pydantic import TypeAdapter

from shared.actor import Actor
from shared.codes import subkey
from shared.errors import NotSignedIn

ACTOR_HEADER = "X-Portico-Actor"
LIFETIME = timedelta(seconds=60)

Verify = Callable[[str], Actor]

_ACTOR = TypeAdapter(Actor)
_AUDIENCE = "portico-services"


def actor_key(secret: str) -> bytes:
    """The key for signing actors, derived from PORTICO_SECRET_KEY."""
    return subkey(secret, "actor")


def sign(actor: Actor, *, key: bytes, now: datetime) -> str:
    """A token that proves for 60 seconds who acts."""
    claims = {"act": _ACTOR.dump_python(actor, mode="json"), "aud": _AUDIENCE, "exp": now + LIFETIME}
    return jwt.encode(claims, key, algorithm="HS256")


def verify(token: str, *, key: bytes) -> Actor:
    """The actor in a token; NotSignedIn when it is forged, expired or none."""
    try:
        claims = jwt.decode(token, key, algorithms=["HS256"], audience=_AUDIENCE, options={"require": ["exp", "aud"]})
        return _ACTOR.validate_python(claims["act"])
    except (jwt.InvalidTokenError, KeyError, ValueError) as error:
        raise NotSignedIn from error


def verifier(secret: str) -> Verify:
    """`verify` with the key of this installation."""
    return partial(verify, key=actor_key(secret))
