"""What holds for every request from outside: its true address, and headers that no answer goes without."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import web

from shared.errors import WrongMediaType
from shared.logging import origin
from shared.web import Handler

API = "/api/v1"

Networks = Sequence[IPv4Network | IPv6Network]
TRUSTED_PROXIES: web.AppKey[Networks] = web.AppKey("trusted_proxies", Sequence)


def add_edge(app: web.Application, trusted_proxies: Networks) -> None:
    """Guards every route of the public application."""
    app[TRUSTED_PROXIES] = trusted_proxies
    app.middlewares.extend((_know_the_address, _refuse_packed_bodies))
    app.on_response_prepare.append(_add_headers)


def is_api(request: web.Request) -> bool:
    """A program is asking, so the answer is JSON, refusals included."""
    return request.path == "/api" or request.path.startswith("/api/")


def _is_for_anybody(request: web.Request) -> bool:
    """Stylesheets, modules and icons: the same for everybody, so caches may keep them."""
    return request.path.startswith("/static/") or request.path == "/favicon.ico"


@web.middleware
async def _refuse_packed_bodies(request: web.Request, handler: Handler) -> web.StreamResponse:
    # Nobody needs them, and a few bytes of one can unpack to a gigabyte.
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise WrongMediaType("Send the body without Content-Encoding.")
    return await handler(request)


@web.middleware
async def _know_the_address(request: web.Request, handler: Handler) -> web.StreamResponse:
    # Whatever a client says of its own address or identity in X-Portico-* is overwritten here.
    address = client_address(
        request.remote or "", request.headers.getall("X-Forwarded-For", []), request.app[TRUSTED_PROXIES]
    )
    origin.set(replace(origin.get(), address=address, actor=""))
    return await handler(request)


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Networks) -> str:
    """The last hop that no proxy of ours stands for: what lies before it, anybody may have written."""
    hops = [hop.strip() for header in forwarded_for for hop in header.split(",")]
    address = peer
    while hops and _is_trusted(address, trusted):
        hop = _parsed(hops.pop())
        if hop is None:
            break
        address = str(hop)
    return address


def _is_trusted(address: str, trusted: Networks) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("X-Frame-Options", "DENY")
    if not _is_for_anybody(request):
        response.headers.setdefault("Cache-Control", "no-store")
    if is_api(request):
        response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
