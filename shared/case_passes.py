"""A pass: cases signs that somebody sees a case just now, for the service that keeps something else about it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import jwt
from jwt.types import Options
from pydantic import TypeAdapter

from shared.actor import Actor
from shared.codes import subkey
from shared.errors import NotFound
from shared.signing import LEEWAY, LIFETIME

CASE_HEADER = "X-Portico-Case"

_AUDIENCE = "portico-case"
_WITHOUT_CLOCK: Options = {"require": ["exp", "aud"], "verify_exp": False}


@dataclass(frozen=True, slots=True)
class CasePass:
    """That this user sees this case of this company, and on it these addresses, in small letters."""

    user_id: UUID
    company_id: UUID
    number: str
    emails: frozenset[str]


_PASS = TypeAdapter(CasePass)


def pass_key(secret: str) -> bytes:
    """The key for signing passes, derived from PORTICO_SECRET_KEY."""
    return subkey(secret, "case-pass")


def sign_pass(granted: CasePass, *, key: bytes, now: datetime) -> str:
    """A token for as long as one of an actor is valid (`shared.signing`)."""
    claims = {"case": _PASS.dump_python(granted, mode="json"), "aud": _AUDIENCE, "exp": now + LIFETIME}
    return jwt.encode(claims, key, algorithm="HS256")


def read_pass(token: str, actor: Actor, number: str, *, key: bytes, now: datetime) -> CasePass:
    """The pass in a token; NotFound where it is none, has run out, or is somebody else's or another case's."""
    try:
        claims = jwt.decode(token, key, algorithms=["HS256"], audience=_AUDIENCE, options=_WITHOUT_CLOCK)
        granted, expires_at_s = _PASS.validate_python(claims["case"]), float(claims["exp"])
    except (jwt.InvalidTokenError, KeyError, ValueError, TypeError) as error:
        raise NotFound from error
    is_for_this = (granted.user_id, granted.number) == (actor.user_id, number)
    if not is_for_this or now.timestamp() - expires_at_s >= LEEWAY.total_seconds():
        raise NotFound
    # Rows are read of this company: whatever was signed, it is none that the actor may not read of.
    actor.company_to_read(granted.company_id)
    return granted
