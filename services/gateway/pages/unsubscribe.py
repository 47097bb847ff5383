"""Stops e-mails by the link that came with one, without signing in."""

import secrets
from urllib.parse import parse_qsl

from aiohttp import web
from pydantic import ValidationError

from services.gateway.clients import SERVICES, ServiceUnavailable, fill
from services.gateway.pages.backend import optional
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import FORM_TYPE
from services.gateway.session import visitor_if_known
from shared import errors
from shared.bodies import read_bytes
from shared.schemas.notifications import UnsubscribeAnswer
from shared.web.headers import IDEMPOTENCY_HEADER

pages = web.RouteTableDef()


def _path(request: web.Request) -> str:
    return fill("/unsubscribe/{token}", token=request.match_info["token"])


@pages.get("/unsubscribe/{token}")
async def unsubscribe_form(request: web.Request) -> web.Response:
    """What the link would stop, and a button. Changes nothing: mail scanners open every link of a mail."""
    found = await _find(request)
    if found is None:
        return await _page(request, "broken", status=errors.NotFound.status)
    return await _page(request, "ask", found=found)


async def _find(request: web.Request) -> UnsubscribeAnswer | None:
    """What the link stops, and for whom; None for a link that is none."""
    reply = await request.app[SERVICES].call("notifications", "GET", _path(request), visitor=None)
    if reply.status == errors.NotFound.status:
        return None
    if not reply.ok:
        raise ServiceUnavailable("notifications")
    try:
        return UnsubscribeAnswer.model_validate_json(reply.body)
    except ValidationError as error:  # of a version that does not say what the link stops
        raise ServiceUnavailable("notifications") from error


async def _page(
    request: web.Request, step: str, *, found: UnsubscribeAnswer | None = None, status: int = 200
) -> web.Response:
    """`somebody` is signed in, perhaps not the one whose link it is; nobody has to be, and identity may be away."""
    somebody = await visitor_if_known(request)
    return render(
        "unsubscribe.html",
        visitor=None,
        status=status,
        step=step,
        found=found,
        path=request.path,
        somebody=somebody.user.email if somebody else "",
    )


@pages.post("/unsubscribe/{token}")
async def unsubscribe(request: web.Request) -> web.Response:
    """Stops it, for people and for their mail providers (RFC 8058); the answer is the same for every token."""
    # No session and no CSRF proof: the token itself shows that the sender got the mail. A provider has neither, and
    # sends its form from its own site.
    reply = await request.app[SERVICES].call(
        "notifications",
        "POST",
        _path(request),
        visitor=None,
        json={"scope": await _wanted_scope(request)},
        # Asking twice changes nothing, so it may be asked again.
        headers={IDEMPOTENCY_HEADER: secrets.token_urlsafe(16)},
    )
    if not reply.ok:
        raise ServiceUnavailable("notifications")
    return await _page(request, "done", found=await optional(_find(request)))


async def _wanted_scope(request: web.Request) -> str:
    """What the page's form chose; a provider's form, of whichever type, means the kind of its mail."""
    body = await read_bytes(request)
    if request.content_type != FORM_TYPE:
        return "kind"
    typed = dict(parse_qsl(body.decode(errors="replace")))
    return "case_emails" if typed.get("scope") == "case_emails" else "kind"
