"""The few rows with code of their own: the session's cookie, and coverage with the open cases of a device."""

from http import HTTPStatus

from aiohttp import web

from services.gateway.browsers import name_of, newcomer_headers, remember_device, remember_newcomer, sign_in_headers
from services.gateway.clients import SERVICES, Query, Reply, Services
from services.gateway.forwarding import Route, allowed_user, allowed_visitor, answer_of, inner_path, passed_on
from services.gateway.session import SESSIONS, Visitor, clear_session_cookie, end_session, set_session_cookie
from shared import errors
from shared.bodies import read_bytes
from shared.schemas.contracts import CoverageAnswer
from shared.schemas.identity import NewSession, SessionAnswer
from shared.web.headers import BROWSER_HEADER, SESSION_HEADER
from shared.web.responses import answer

_MOST_OPEN_CASES = 200


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
    """Who is signed in, as identity vouched for it a moment ago."""
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
        "POST",
        inner_path(request, route),
        visitor=None,
        body=await read_bytes(request, at_most=route.max_body_bytes),
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


async def read_coverage(request: web.Request, _route: Route) -> web.Response:
    """Coverage by contracts, open cases by cases."""
    visitor = await allowed_user(request)
    query = request.rel_url.raw_query_string
    return answer_of(await coverage_of(request.app[SERVICES], visitor, query, serial=request.query.get("serial")))


async def coverage_of(services: Services, visitor: Visitor, query: Query, *, serial: str | None) -> Reply:
    """What contracts says, with the numbers of the open cases of the device that the visitor may see.

    Coverage is worth having without them: with cases away the list is empty.
    """
    reply = await services.call("contracts", "GET", "/coverage", visitor=visitor, query=query)
    if not reply.ok or serial is None:
        return reply
    coverage = CoverageAnswer.model_validate_json(reply.body)
    known = coverage.device.serial if coverage.device is not None else serial
    stitched = coverage.model_copy(update={"open_cases": await _open_cases(services, visitor, known)})
    return Reply(reply.status, stitched.model_dump_json().encode(), reply.headers)


async def _open_cases(services: Services, visitor: Visitor, serial: str) -> list[str]:
    query = {"serial": serial, "status": "open", "limit": _MOST_OPEN_CASES}
    try:
        reply = await services.call("cases", "GET", "/cases", visitor=visitor, query=query)
    except errors.Unavailable:
        return []
    return [row["number"] for row in reply.json()["items"]] if reply.ok else []
