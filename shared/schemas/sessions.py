"""The HTTP bodies of questions about many sessions at once: between gateway and identity only."""

from pydantic import Field

from shared.schemas.base import Answer, Request
from shared.schemas.identity import ResolvedSession, Token

MOST_RESOLVED = 64  # sessions in one question of the gateway


class AskedSession(Request):
    """A session token that the gateway was shown by a client at this network address."""

    token: Token
    address: str


class AskedSessions(Request):
    """`POST /sessions/resolve`."""

    sessions: tuple[AskedSession, ...] = Field(min_length=1, max_length=MOST_RESOLVED)


class ResolvedSessions(Answer):
    """Whose sessions were asked about, in their order; null for an unknown one."""

    sessions: tuple[ResolvedSession | None, ...]
