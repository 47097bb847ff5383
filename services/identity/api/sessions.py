"""HTTP of sign-in sessions."""

import asyncio
from uuid import UUID, uuid5

from aiohttp import hdrs, web

from services.identity import answers
from services.identity.api.app_keys import PASSWORDS, SECRET
from services.identity.handlers import sessions
from shared.codes import subkey
from shared.errors import NotSignedIn
from shared.logging import origin
from shared.schemas.identity import (
    ResolvedSession,
    SessionToken,
    SignIn,
    SwitchSession,
)
from shared.schemas.sessions import AskedSession, AskedSessions, ResolvedSessions
from shared.web.app import CLOCK, DATABASE
from shared.web.headers import DEVICE_HEADER, IDEMPOTENCY_HEADER, SESSION_HEADER
from shared.web.requests import read_body
from shared.web.responses import answer

routes = web.RouteTableDef()

_SIGN_INS = UUID("5a0c8d52-0f5e-4c38-9a6e-3f4b7d1f6c02")


@routes.post("/session")
async def sign_in(request: web.Request) -> web.Response:
    """201 with the session's token, for the gateway's cookie; 401, or 429 after many failures."""
    body = await read_body(request, SignIn)
    signed_in, proofs = await sessions.sign_in(
        request.app[DATABASE],
        request.app[PASSWORDS],
        email=body.email,
        password=body.password.get_secret_value(),
        browser=sessions.Browser(
            origin.get().address,
            proofs=request.headers.get(DEVICE_HEADER, ""),
            token=request.headers.get(SESSION_HEADER, ""),
            user_agent=request.headers.get(hdrs.USER_AGENT, ""),
        ),
        device_key=subkey(request.app[SECRET], "device"),
        key=_sign_in_idempotency_key(request, body.email),
        now=request.app[CLOCK](),
    )
    return answer(answers.new_session(signed_in, proofs, secret=request.app[SECRET]), status=201)


@routes.post("/session/resolve")
async def resolve_session(request: web.Request) -> web.Response:
    """Who has this token; for the gateway only."""
    body = await read_body(request, SessionToken)
    return answer(await _resolve(request, AskedSession(token=body.token, address=origin.get().address)))


@routes.post("/sessions/resolve")
async def resolve_sessions(request: web.Request) -> web.Response:
    """Who has each of these tokens; for the gateway only."""
    body = await read_body(request, AskedSessions)

    async def found(asked: AskedSession) -> ResolvedSession | None:
        try:
            return await _resolve(request, asked)
        except NotSignedIn:
            return None

    return answer(ResolvedSessions(sessions=tuple(await asyncio.gather(*map(found, body.sessions)))))


@routes.post("/session/switch")
async def switch_session(request: web.Request) -> web.Response:
    """The session goes on in another company of its login; where the one it leaves is suspended, too."""
    body, now = await read_body(request, SwitchSession), request.app[CLOCK]()
    token = request.headers.get(SESSION_HEADER, "")
    signed_in = await sessions.switch_session(request.app[DATABASE], token, body.user_id, now)
    return answer(answers.session_answer(signed_in, secret=request.app[SECRET]))


@routes.post("/session/end")
async def end_session(request: web.Request) -> web.Response:
    """204 whether or not there was a session; for the gateway only."""
    body = await read_body(request, SessionToken)
    await sessions.end_session(request.app[DATABASE], body.token.get_secret_value(), request.app[CLOCK]())
    return web.Response(status=204)


async def _resolve(request: web.Request, asked: AskedSession) -> ResolvedSession:
    db, secret, now = request.app[DATABASE], request.app[SECRET], request.app[CLOCK]()
    token = asked.token.get_secret_value()
    signed_in = await sessions.resolve_session(db, token, address=asked.address, now=now)
    return answers.resolved_session(signed_in, secret=secret, address=asked.address, now=now)


def _sign_in_idempotency_key(request: web.Request, email: str) -> UUID | None:
    key = request.headers.get(IDEMPOTENCY_HEADER)
    return None if key is None else uuid5(_SIGN_INS, f"{email}\n{key}")
