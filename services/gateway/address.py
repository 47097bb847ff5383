"""The address of the portal, PORTICO_BASE_URL, and what to do where people open it at another one."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from aiohttp import hdrs, web
from yarl import URL

from services.gateway.client_address import hops_of

_OWN_MACHINE = {"localhost": "localhost", "127.0.0.1": "127.0.0.1", "::1": "[::1]"}
_HOUR_S = 3600.0

_log = structlog.get_logger()


class Address:
    """Where people are meant to open the portal."""

    def __init__(self, base_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        """One in every process."""
        self.base_url = base_url
        self.is_secure = base_url.startswith("https://")
        self._origins = _origins_of(base_url)
        self._clock = clock
        self._quiet_until = -_HOUR_S

    def is_own_origin(self, source: str) -> bool:
        """Whether a browser that names this origin shows a page of the portal."""
        return _normal(source) in self._origins

    def note_not_in_use(self, request: web.Request) -> None:
        """Tells the operator, at most once an hour: whoever opens it elsewhere can cause this."""
        now = self._clock()
        if now >= self._quiet_until:
            self._quiet_until = now + _HOUR_S
            hint = "Open the portal at this address, or set it to the one that people open."
            _log.warning(
                "base_url_not_in_use", setting="PORTICO_BASE_URL", base_url=self.base_url, used=request.host, hint=hint
            )

    def is_surely_elsewhere(self, request: web.Request) -> bool:
        """Whether a browser at this page would keep no cookie of ours: it came to another host, and without TLS.

        False where a proxy may stand between, which need not pass on the host that people see.
        """
        if not self.is_secure or "Sec-Fetch-Site" in request.headers or hops_of(request.headers):
            return False  # browsers send that header where they keep such cookies, and only there
        forwarded = [name for name in request.headers if name.lower().startswith("x-forwarded-") or name == hdrs.VIA]
        return not forwarded and _normal(f"https://{request.host}") not in self._origins


ADDRESS = web.AppKey("address", Address)


def _origins_of(base_url: str) -> frozenset[str]:
    """How a browser names this site; on one's own machine by whichever of its names was typed."""
    parts = urlsplit(base_url.lower())
    if parts.hostname not in _OWN_MACHINE:
        return frozenset({_normal(base_url)})
    port = "" if parts.port is None else f":{parts.port}"
    return frozenset(f"{parts.scheme}://{name}{port}" for name in _OWN_MACHINE.values())


def _normal(origin: str) -> str:
    """As browsers write it: names in small ASCII letters, no usual port; a dot at the end says nothing."""
    try:
        url = URL(origin).origin()
    except ValueError:
        return origin
    host = (url.raw_host or "").rstrip(".")
    return str(url.with_host(host)) if host and host != url.raw_host else str(url)
