"""What a browser keeps beside its session, for identity: proofs that somebody signed in there before."""

import re

from aiohttp import web

from services.gateway.session import SESSIONS
from shared.web import DEVICE_HEADER, SESSION_HEADER

_YEAR_S = 365 * 24 * 3600
_DEVICE = "portico-device"
_PROOFS = re.compile(r"[A-Za-z0-9_.-]{1,400}")


def known_by(request: web.Request) -> dict[str, str]:
    """Headers for a sign-in: what the browser has of earlier ones."""
    sessions = request.app[SESSIONS]
    proofs, token = request.cookies.get(sessions.named(_DEVICE), ""), sessions.token_of(request)
    headers = {DEVICE_HEADER: proofs} if _PROOFS.fullmatch(proofs) else {}
    return headers | ({SESSION_HEADER: token} if token else {})


def remember_device(request: web.Request, response: web.StreamResponse, proofs: str) -> None:
    """The browser keeps the proofs over every sign-out."""
    if proofs:
        _keep(request, response, _DEVICE, proofs, max_age_s=_YEAR_S)


def _keep(request: web.Request, response: web.StreamResponse, name: str, value: str, *, max_age_s: int) -> None:
    sessions = request.app[SESSIONS]
    response.set_cookie(
        sessions.named(name),
        value,
        max_age=max_age_s,
        path="/",
        secure=sessions.secure,
        httponly=True,
        samesite="Lax",
    )
