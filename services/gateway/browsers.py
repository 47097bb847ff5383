"""What a browser keeps beside its session, for identity: that somebody signed in there before, or asked for a code."""

import re
import secrets

from aiohttp import hdrs, web

from services.gateway.cookies import COOKIES
from services.gateway.session import token_of
from shared.web.headers import BROWSER_HEADER, DEVICE_HEADER, SESSION_HEADER

_DAY_S = 24 * 3600
_DEVICE, _NEWCOMER = "portico-device", "portico-newcomer"
_PROOFS = re.compile(r"[A-Za-z0-9_.-]{1,400}")
_NAME = re.compile(r"[A-Za-z0-9_-]{43}")
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
_LONGEST_USER_AGENT = 300


def sign_in_headers(request: web.Request) -> dict[str, str]:
    """Headers for a sign-in: what the browser says of itself, and what it has of earlier sign-ins."""
    proofs, token = request.app[COOKIES].read(request, _DEVICE, _PROOFS), token_of(request)
    headers: dict[str, str] = {hdrs.USER_AGENT: _user_agent(request)}
    headers |= {DEVICE_HEADER: proofs} if proofs else {}
    return headers | ({SESSION_HEADER: token} if token else {})


def remember_device(request: web.Request, response: web.StreamResponse, proofs: str) -> None:
    """The browser keeps the proofs over every sign-out."""
    if proofs:
        request.app[COOKIES].keep(response, _DEVICE, proofs, max_age_s=365 * _DAY_S)


def name_of(request: web.Request) -> str:
    """By what identity knows the browser that asked for a code; a new name where it has none."""
    return _newcomer(request) or secrets.token_urlsafe(32)


def newcomer_headers(request: web.Request) -> dict[str, str]:
    """The header that says which browser types a code, where it asked for one."""
    name = _newcomer(request)
    return {BROWSER_HEADER: name} if name else {}


def remember_newcomer(request: web.Request, response: web.StreamResponse, name: str) -> None:
    """The browser keeps its name for as long as new codes are sent."""
    request.app[COOKIES].keep(response, _NEWCOMER, name, max_age_s=7 * _DAY_S)


def _user_agent(request: web.Request) -> str:
    """Its beginning, in characters that are allowed in a header."""
    return _NOT_PRINTABLE.sub("", request.headers.get(hdrs.USER_AGENT, ""))[:_LONGEST_USER_AGENT]


def _newcomer(request: web.Request) -> str:
    return request.app[COOKIES].read(request, _NEWCOMER, _NAME)
