"""Rows of the API that read or set the session's cookie and those of the browser."""

from http import HTTPStatus

from aiohttp import web

from services.gateway.browsers import name_of, newcomer_headers, remember_device, remember_newcomer, sign_in_headers
from services.gateway.clients import SERVICES
from services.gateway.forwarding import Route, allowed_user, allowed_visitor, answer_of, inner_path, passed_on
from services.gateway.session import SESSIONS, Visitor, clear_session_cookie, end_session, set_session_cookie
from shared.bodies import read_bytes
from shared.schemas.identity import NewSession, SessionAnswer
from shared.web.headers import BROWSER_HEADER, SESSION_HEADER
from shared.web.responses import answer


async def sign_in(request: web.Request, route: Route) -> web.Response:
    """The session's token goes into the cookie and nowhere else, and so do the proofs for the next sign-in."""
    await allowed_visitor(request, route)
    headers = passed_on(request) | sign_in_headers(request)
    reply = await request.app[SERVICES].call(
        "identity",
        "POST",
        "/session",
        visitor=None,
        body=await read_bytes(request, at_most=route.max_body_bytes),
        headers=headers,
    )
    if not reply.ok:
        return answer_of(reply)
    session = NewSession.model_validate_json(reply.body)
    response = answer(_answer_of(session), status=reply.status)
    set_session_cookie(request, response, session.session_token)
    remember_device(request, response, session.device_proofs)
    return response


async def read_session(request: web.Request, _route: Route) -> web.Response:
    """Who is signed in, as identity confirmed it a moment ago."""
    visitor = await allowed_user(request)
    return answer(_answer_of(visitor))


async def move_session(request: web.Request, route: Route) -> web.Response:
    """Identity learns which session asks, because it may go on as another user of its login."""
    return await _move_session(request, route, {})


async def accept_invitation(request: web.Request, route: Route) -> web.Response:
    """As `move_session`; a newcomer's browser is known again when the code is typed."""
    name = name_of(request)
    response = await _move_session(request, route, {BROWSER_HEADER: name})
    if response.status == HTTPStatus.ACCEPTED:
        remember_newcomer(request, response, name)
    return response


async def _move_session(request: web.Request, route: Route, headers: dict[str, str]) -> web.Response:
    visitor = await allowed_visitor(request, route)
    if visitor is not None:
        headers = headers | {SESSION_HEADER: visitor.token}
    reply = await request.app[SERVICES].call(
        "identity",
        "POST",
        inner_path(request, route),
        visitor=visitor,
        body=await read_bytes(request, at_most=route.max_body_bytes),
        headers=passed_on(request) | headers,
    )
    if visitor is not None and reply.ok:
        request.app[SESSIONS].forget(visitor.token)
    return answer_of(reply)


async def ask_as_newcomer(request: web.Request, route: Route) -> web.Response:
    """Identity learns whether the browser is the one that asked for the code."""
    await allowed_visitor(request, route)
    reply = await request.app[SERVICES].call(
        "identity",
        route.method,
        inner_path(request, route),
        visitor=None,
        body=None if route.method == "GET" else await read_bytes(request, at_most=route.max_body_bytes),
        headers=passed_on(request) | newcomer_headers(request),
    )
    return answer_of(reply)


async def sign_out(request: web.Request, route: Route) -> web.Response:
    """The session is over, here at once and everywhere within seconds."""
    await end_session(request, await allowed_user(request))
    response = web.Response(status=route.status)
    clear_session_cookie(request, response)
    return response


def _answer_of(session: NewSession | Visitor) -> SessionAnswer:
    return SessionAnswer(user=session.user, csrf_token=session.csrf_token, memberships=session.memberships)
