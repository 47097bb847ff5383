"""The stylesheets, scripts and the icon: kept in memory, with addresses made of their content."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from services.gateway.brand import BRAND

_FOLDER = Path(__file__).parents[1] / "static"
_STATIC, _FAVICON = "/static/{name}", "/favicon.ico"
STATIC_ROUTES = frozenset({_STATIC, _FAVICON})
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_BRAND = "brand.css"
_FOR_EVER = "public, max-age=31536000, immutable"
_CHECK_FIRST = "no-cache"
_COMMENTS = re.compile(rb"^[ \t]*(?://[^\n]*|/\*[^*]*\*/)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    content_type: str
    version: str


def _file(body: bytes, suffix: str) -> _File:
    return _File(body, _TYPES[suffix], hashlib.sha256(body).hexdigest()[:12])


def _without_comments(content: bytes) -> bytes:
    """Those on lines of their own, which no browser needs to fetch."""
    return _COMMENTS.sub(b"", content)


_FILES = {
    path.name: _file(_without_comments(path.read_bytes()), path.suffix)
    for path in sorted(_FOLDER.iterdir())
    if path.suffix in _TYPES
}


def static_url(name: str) -> str:
    """The address of a file: another content, another address."""
    return f"/static/{name}?v={_FILES[name].version}"


def brand_url(stylesheet: str) -> str:
    """The address of the brand's colours."""
    return f"/static/{_BRAND}?v={_file(stylesheet.encode(), '.css').version}"


async def _serve(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    file = _file(request.app[BRAND].css.encode(), ".css") if name == _BRAND else _FILES.get(name)
    if file is None:
        raise web.HTTPNotFound
    response = web.Response(body=file.body, content_type=file.content_type, charset="utf-8")
    response.headers["Cache-Control"] = _FOR_EVER if request.query.get("v") == file.version else _CHECK_FIRST
    response.headers["Vary"] = "Accept-Encoding"
    response.enable_compression()
    return response


async def _icon(_request: web.Request) -> web.Response:
    return web.Response(status=301, headers={"Location": static_url("favicon.svg")})


def add_static(app: web.Application) -> None:
    """Serves the files below `/static`."""
    app.router.add_get(_STATIC, _serve)
    app.router.add_get(_FAVICON, _icon)
