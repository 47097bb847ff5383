"""The stylesheets, scripts, lists and the brand's pictures: kept in memory, with addresses made of their content."""

import re
from pathlib import Path

import orjson
from aiohttp import web

from services.gateway.assets import Asset
from services.gateway.brand import BRAND
from services.gateway.countries import countries_in
from services.gateway.labels import languages

_FOLDER = Path(__file__).parents[1] / "static"
_STATIC, _FAVICON = "/static/{name}", "/favicon.ico"
STATIC_ROUTES = frozenset({_STATIC, _FAVICON})
_TYPES = {".css": "text/css", ".js": "text/javascript"}
_SVG, _JSON = "image/svg+xml", "application/json"
_TEXTS = frozenset((*_TYPES.values(), _SVG, _JSON))
_FOR_EVER = "public, max-age=31536000, immutable"
_CHECK_FIRST = "no-cache"
_COMMENTS = re.compile(rb"^[ \t]*(?://[^\n]*|/\*[^*]*\*/)\n", re.MULTILINE)
_INDENTATION = re.compile(rb"^[ \t]+", re.MULTILINE)
_BLANKS = re.compile(rb"\s*([{};:,])\s+")
# Whoever opens a picture by itself opens a document: the vendor's could have scripts, which then run nowhere.
_POLICY_OF_PICTURE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"


def _lean(path: Path) -> bytes:
    """Without what only people read: comments on lines of their own, indentation, blanks and line ends in styles."""
    content = _INDENTATION.sub(b"", _COMMENTS.sub(b"", path.read_bytes()))
    return _BLANKS.sub(rb"\1", content) if path.suffix == ".css" else content


_FILES = {
    path.name: Asset(path.name, _lean(path), _TYPES[path.suffix])
    for path in sorted(_FOLDER.iterdir())
    if path.suffix in _TYPES
}
# The lists that a page need not bring along (form.js).
_LISTS = {f"countries.{code}.json": orjson.dumps(countries_in(code)) for code, _name in languages}
_FILES |= {name: Asset(name, body, _JSON) for name, body in _LISTS.items()}


def static_url(name: str) -> str:
    """The address of a file of the portal's own."""
    return _FILES[name].url


async def _serve(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    asset = _FILES.get(name) or request.app[BRAND].assets.get(name)
    if asset is None:
        raise web.HTTPNotFound
    is_text = asset.content_type in _TEXTS
    response = web.Response(body=asset.body, content_type=asset.content_type, charset="utf-8" if is_text else None)
    response.headers["Cache-Control"] = _FOR_EVER if request.query.get("v") == asset.version else _CHECK_FIRST
    if asset.content_type == _SVG:
        response.headers["Content-Security-Policy"] = _POLICY_OF_PICTURE
    if is_text:
        response.headers["Vary"] = "Accept-Encoding"
        response.enable_compression()
    return response


async def _icon(request: web.Request) -> web.Response:
    return web.Response(status=301, headers={"Location": request.app[BRAND].icon.url})


def add_static(app: web.Application) -> None:
    """Serves the files below `/static`."""
    app.router.add_get(_STATIC, _serve)
    app.router.add_get(_FAVICON, _icon)
