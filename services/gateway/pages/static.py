"""The stylesheet and the icon, kept in memory and addressed by their content."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

_FOLDER = Path(__file__).parents[1] / "static"
_TYPES = {".css": "text/css", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"
_CHECK_FIRST = "no-cache"


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    content_type: str
    version: str


def _read(path: Path) -> _File:
    body = path.read_bytes()
    return _File(body, _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:12])


_FILES = {path.name: _read(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}


def static_url(name: str) -> str:
    """The address of a file: another content, another address."""
    return f"/static/{name}?v={_FILES[name].version}"


async def _file(request: web.Request) -> web.Response:
    file = _FILES.get(request.match_info["name"])
    if file is None:
        raise web.HTTPNotFound
    response = web.Response(body=file.body, content_type=file.content_type, charset="utf-8")
    response.headers["Cache-Control"] = _FOR_EVER if request.query.get("v") == file.version else _CHECK_FIRST
    response.headers["Vary"] = "Accept-Encoding"
    response.enable_compression()
    return response


async def _icon(_request: web.Request) -> web.Response:
    raise web.HTTPMovedPermanently(static_url("favicon.svg"))


def add_static(app: web.Application) -> None:
    """Serves the files below `/static`."""
    app.router.add_get("/static/{name}", _file)
    app.router.add_get("/favicon.ico", _icon)
