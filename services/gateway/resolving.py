"""Asking identity whose sessions these are: one request for all that are asked about at the same time."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.gateway.clients import Reply, Services, ServiceUnavailable
from services.gateway.visitor import Visitor
from shared import errors
from shared.logging import Origin, origin
from shared.schemas.identity import ResolvedSession
from shared.schemas.sessions import ResolvedSessions
from shared.web.headers import IDEMPOTENCY_HEADER

RESOLVED_WITHIN_S = 3.0  # what was asked for then still has its own 5 s, and all of it is answered within 10


@dataclass(frozen=True, slots=True)
class Question:
    """Whose session a token is, asked for a client at this network address."""

    token: str = field(repr=False)
    address: str
    request_id: str = field(compare=False)


async def resolve(services: Services, questions: Sequence[Question]) -> list[Visitor | Exception | None]:
    """Whose each session is, in their order: None for an unknown one, ServiceUnavailable when identity is away.

    It is the work of `Batches`: what fails otherwise is asked again one by one.
    """
    origin.set(Origin(questions[0].request_id, "", questions[0].address))
    asked = list(dict.fromkeys(questions))
    try:
        found = await (_resolve_one(services, asked[0]) if len(asked) == 1 else _resolve_many(services, asked))
    except errors.Unavailable as away:
        return [away for _ in questions]  # one by one they would wait as long again
    told = dict(zip(asked, found, strict=True))
    return [told[question] for question in questions]


async def _resolve_one(services: Services, asked: Question) -> list[Visitor | None]:
    reply = await _call(services, "/session/resolve", {"token": asked.token})
    if reply.status == errors.NotSignedIn.status:
        return [None]
    if not reply.ok:
        raise ServiceUnavailable("identity")
    return [_visitor(asked, ResolvedSession.model_validate_json(reply.body))]


async def _resolve_many(services: Services, asked: Sequence[Question]) -> list[Visitor | None]:
    sessions = [{"token": each.token, "address": each.address} for each in asked]
    reply = await _call(services, "/sessions/resolve", {"sessions": sessions})
    if reply.status == errors.Unavailable.status:
        raise ServiceUnavailable("identity")
    if not reply.ok:
        # One session that breaks identity must not stop the others; and an older identity knows no such path.
        raise errors.Broken
    found = ResolvedSessions.model_validate_json(reply.body).sessions
    return [None if session is None else _visitor(each, session) for each, session in zip(asked, found, strict=True)]


async def _call(services: Services, path: str, body: object) -> Reply:
    # Resolving changes nothing, so it may be repeated: the key says so to the client.
    once = {IDEMPOTENCY_HEADER: secrets.token_urlsafe(16)}
    return await services.call(
        "identity", "POST", path, visitor=None, json=body, headers=once, within_s=RESOLVED_WITHIN_S
    )


def _visitor(asked: Question, session: ResolvedSession) -> Visitor:
    return Visitor(
        token=asked.token,
        actor=session.actor,
        user=session.user,
        csrf_token=session.csrf_token,
        memberships=session.memberships,
    )
