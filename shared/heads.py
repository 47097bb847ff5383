"""The head of a request: how long its line, its path and its headers may be before anything reads them further."""

from aiohttp import hdrs, web
from aiohttp.http_exceptions import LineTooLong

from shared import errors

# Of the first line: somebody may paste a page of text into a search, and each of its bytes may take three.
LINE_BYTES = 64 * 1024
# Of the path in it: aiohttp looks for a route by each of its beginnings, and reads each of them anew.
_PATH_BYTES = 4 * 1024
# Python reads a Content-Type in a time that grows with the square of its length. Browsers write about 100 bytes.
_CONTENT_TYPE_BYTES = 128
_USUAL_HEADER_BYTES = 8 * 1024  # of all others but the cookies


def refusal_of(request: web.BaseRequest) -> errors.Refusal | None:
    """What must not come to the routes or to any middleware, which would take long or repeat it."""
    if len(request.rel_url.raw_path) > _PATH_BYTES:
        return errors.AddressTooLong()
    # aiohttp would answer to another `Expect` itself, and repeat the value.
    if request.headers.get(hdrs.EXPECT, "100-continue").lower() != "100-continue":
        return errors.Malformed()
    for name, value in request.headers.items():
        most = _CONTENT_TYPE_BYTES if name.lower() == "content-type" else _USUAL_HEADER_BYTES
        if len(value) > most and name.lower() != "cookie":
            return errors.Malformed()
    return None


def refusal_of_unreadable(error: BaseException | None) -> errors.Refusal:
    """Why aiohttp has not read a head."""
    if not isinstance(error, LineTooLong):
        return errors.Malformed()
    _, limit, _ = error.args
    return errors.AddressTooLong() if limit == LINE_BYTES else errors.HeaderTooLong()
