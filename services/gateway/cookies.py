"""The portal's cookies: what they are called, which of those that a browser sends are ours, and how they are kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from re import Pattern
from urllib.parse import urlsplit

from aiohttp import hdrs, web


@dataclass(frozen=True, slots=True)
class Cookies:
    """The cookies of one portal.

    A browser keeps cookies of a host together, whatever the port. So the port of the portal's address is in their
    names: several portals on one host leave each other's sessions alone.
    """

    secure: bool
    port: int | None

    @classmethod
    def of(cls, base_url: str) -> "Cookies":
        """Of the portal at this address; with https they are for TLS only."""
        return cls(secure=base_url.startswith("https://"), port=urlsplit(base_url).port)

    def name(self, cookie: str) -> str:
        """A cookie's whole name: with TLS no neighbouring host can set it."""
        name = cookie if self.port is None else f"{cookie}-{self.port}"
        return f"__Host-{name}" if self.secure else name

    def read(self, request: web.Request, cookie: str, shape: Pattern[str]) -> str:
        """The first value of this name that has the shape of ours; empty without one.

        Not by aiohttp, which follows quotation marks: one that a neighbour's cookie leaves open would swallow ours.
        """
        name = self.name(cookie)
        return next((value for key, value in _pairs(request) if key == name and shape.fullmatch(value)), "")

    def keep(self, response: web.StreamResponse, cookie: str, value: str, *, max_age_s: int) -> None:
        """The browser keeps it for so long; no script can read it."""
        response.set_cookie(
            self.name(cookie),
            value,
            max_age=max_age_s,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="Lax",
        )

    def forget(self, response: web.StreamResponse, cookie: str) -> None:
        """The browser keeps it no longer."""
        response.del_cookie(self.name(cookie), path="/", secure=self.secure, httponly=True, samesite="Lax")


COOKIES = web.AppKey("cookies", Cookies)


def _pairs(request: web.Request) -> Iterator[tuple[str, str]]:
    """As browsers write them: no value of theirs has a semicolon. A proxy may write several headers."""
    for header in request.headers.getall(hdrs.COOKIE, ()):
        for pair in header.split(";"):
            name, _, value = pair.partition("=")
            yield name.strip(), value.strip()
