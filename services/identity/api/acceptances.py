"""HTTP of accepting an invitation and proving the address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from services.identity import answers
from services.identity.api.app_keys import PASSWORDS, SECRET
from services.identity.handlers import acceptances, verifications
from shared.schemas.identity import (
    Accepted,
    AcceptedInvitation,
    AcceptInvitation,
    ResendVerification,
    VerifiedRegistration,
    VerifyRegistration,
)
from shared.signing import ACTOR_HEADER
from shared.web.app import CLOCK, DATABASE
from shared.web.headers import BROWSER_HEADER, SESSION_HEADER
from shared.web.requests import actor_of, read_body
from shared.web.responses import answer

routes = web.RouteTableDef()

_EVEN_S = 0.02


@routes.get("/invitations/{code}")
async def open_invitation(request: web.Request) -> web.Response:
    """What the holder of a code may accept."""
    db = request.app[DATABASE]
    opened = await acceptances.open_invitation(
        db, request.app[SECRET], request.match_info["code"], browser=_browser_of(request), now=request.app[CLOCK]()
    )
    return answer(answers.invitation_view(opened))


@routes.post("/invitations/{code}/accept")
async def accept_invitation(request: web.Request) -> web.Response:
    """202 for a newcomer, who gets a 6-digit code; 200 for a signed-in login, whose session goes on there."""
    db, secret, code = request.app[DATABASE], request.app[SECRET], request.match_info["code"]
    actor = actor_of(request) if ACTOR_HEADER in request.headers else None
    body, now = await read_body(request, AcceptInvitation), request.app[CLOCK]()
    if actor is not None:
        token = request.headers.get(SESSION_HEADER)
        invitation = await acceptances.accept_as_user(db, actor, secret, code, token=token, now=now)
        return answer(AcceptedInvitation(state="active", email=invitation.email))
    invitation = await acceptances.accept_as_newcomer(
        db, request.app[PASSWORDS], secret, code, body, browser=_browser_of(request), now=now
    )
    return answer(AcceptedInvitation(state="verify", email=invitation.email), status=202)


@routes.post("/registrations/verify")
async def verify_address(request: web.Request) -> web.Response:
    """The account is active; this does not sign in."""
    body = await read_body(request, VerifyRegistration)
    async with _in_even_time():
        await verifications.verify_address(
            request.app[DATABASE],
            request.app[SECRET],
            email=body.email,
            code=body.code,
            browser=_browser_of(request),
            now=request.app[CLOCK](),
        )
    return answer(VerifiedRegistration(state="active"))


@routes.post("/registrations/resend")
async def send_code_again(request: web.Request) -> web.Response:
    """202 always: nobody is told whether the address waits for a code."""
    body = await read_body(request, ResendVerification)
    async with _in_even_time():
        await verifications.send_code_again(
            request.app[DATABASE], body.email, browser=_browser_of(request), now=request.app[CLOCK]()
        )
    return answer(Accepted(), status=202)


def _browser_of(request: web.Request) -> str:
    return request.headers.get(BROWSER_HEADER, "")


@asynccontextmanager
async def _in_even_time() -> AsyncIterator[None]:
    """The answer leaves at a multiple of 20 ms: what little is left of a difference in work does not show."""
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        yield
    finally:
        await asyncio.sleep(_EVEN_S - (clock() - began) % _EVEN_S)
