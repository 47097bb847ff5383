"""Multipart forms: limits for aiohttp's reader, and the `Content-Disposition` header of a part.

aiohttp looks for the first boundary line by line, and lets nobody else go on while there are lines: they are counted.

It splits that header at semicolons first, and then knows neither name nor file. Browsers follow WHATWG: what is between
the quotes is the name, with `%22`, `%0D` and `%0A` for the three characters that cannot stand there. So no file is lost
by its name.
"""

import asyncio
import re
import warnings
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, unquote

from aiohttp import BadContentDispositionHeader, BadContentDispositionParam, MultipartReader, StreamReader, web
from aiohttp.http_exceptions import BadHttpMessage

from shared import errors
from shared.bodies import BoundedBody, SlowestRate

# aiohttp parses the first part's header too, and warns about what is parsed here.
for _complaint in (BadContentDispositionHeader, BadContentDispositionParam):
    warnings.simplefilter("ignore", _complaint)
# It uses what it tells others not to use.
warnings.filterwarnings("ignore", "unread_data", DeprecationWarning)

# Raised by the reader for a form that cannot be parsed.
UNREADABLE = (ValueError, RuntimeError, AssertionError, BadHttpMessage, web.RequestPayloadError)

_MOST_HEADERS = 8  # of a part; browsers write two
_MOST_LINES = _MOST_HEADERS + 3  # of a part: its boundary, the empty line behind its headers, the end of its content
_MOST_BYTES_BEFORE_THE_FIRST = 1024  # browsers write nothing there
_LINES_AT_ONCE = 100  # then other tasks may run

_PARAMETER = re.compile(r";\s*([^\s=;\"]+)\s*=\s*")
# A quote with a backslash before it, or with more than a semicolon behind it, is part of the text.
_QUOTED = re.compile(r'"((?:[^"\\]|\\.|"(?!\s*(?:;|$)))*)"\s*(?=;|$)', re.DOTALL)
_LAST_QUOTE = re.compile(r'"(.*)"', re.DOTALL)
_FORBIDDEN = re.compile(r'["\r\n]')
_ESCAPED = re.compile(r"%(22|0D|0A)", re.IGNORECASE)
_CONTINUED = re.compile(r"filename\*\d+\*?")


class _BoundedLines:
    """The body for aiohttp's reader: limits its bytes, its lines and the time it takes."""

    def __init__(self, content: StreamReader, body: BoundedBody, *, most_lines: int) -> None:
        self._content = content
        self._body = body
        self._lines_left = most_lines
        self._before_the_first = True

    async def read(self, size: int = -1) -> bytes:
        return await self._body.take(self._content.read(size))

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        line = await self._body.take(self._content.readline(max_line_length=max_line_length))
        # Only the headers of a part are read with a limit.
        self._before_the_first = self._before_the_first and max_line_length is None
        self._lines_left -= 1
        if self._lines_left < 0 or (self._before_the_first and self._body.came > _MOST_BYTES_BEFORE_THE_FIRST):
            raise ValueError("Too many lines")
        if not self._lines_left % _LINES_AT_ONCE:
            await asyncio.sleep(0)
        return line

    def at_eof(self) -> bool:
        return self._content.at_eof()

    def unread_data(self, chunk: bytes) -> None:
        self._body.give_back(len(chunk))
        self._content.unread_data(chunk)


def read_parts(
    request: web.Request, rate: SlowestRate, *, most_parts: int, at_most: int, too_large: errors.TooLarge
) -> MultipartReader:
    """Reads the parts of a body of at most `at_most` bytes as they arrive.

    ValueError, and later any of UNREADABLE; TimeoutError from `rate`; `too_large`.
    """
    body = BoundedBody(request, rate, at_most=at_most, too_large=too_large)
    lines = _BoundedLines(request.content, body, most_lines=(most_parts + 1) * _MOST_LINES)
    return MultipartReader(request.headers, cast("StreamReader", lines), max_headers=_MOST_HEADERS)


@dataclass(frozen=True, slots=True)
class Disposition:
    """A part's `Content-Disposition`. `name` may be empty; `filename` is None for a part that is no file."""

    name: str
    filename: str | None

    @property
    def is_unclear(self) -> bool:
        """Whether the header is too broken to tell what the part is."""
        return not self.name and self.filename is None


def read_disposition(header: str | None) -> Disposition:
    """Parses `Content-Disposition` as aiohttp gives it. A part with anything like a file name counts as a file."""
    told = _parameters(_as_text(header or ""))
    continued = "".join(text for name, text in told.items() if _CONTINUED.fullmatch(name))
    names = [name for name in told if name.startswith("filename")]
    filename = told.get("filename*") or told.get("filename") or continued
    return Disposition(told.get("name", ""), filename if names else None)


def write_disposition(name: str, filename: str) -> bytes:
    """The header's value for a file, as a browser would write it."""
    escaped = _FORBIDDEN.sub(lambda found: quote(found[0]), filename)
    return f'form-data; name="{name}"; filename="{escaped}"'.encode(errors="replace")


def _as_text(header: str) -> str:
    """Text that is not UTF-8 comes from an old Windows program."""
    raw = header.encode(errors="surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _parameters(header: str) -> dict[str, str]:
    found: dict[str, str] = {}
    place = 0
    while (parameter := _PARAMETER.search(header, place)) is not None:
        name = parameter[1].lower()
        text, place = _value(header, parameter.end())
        # The first one counts when a parameter comes twice.
        found.setdefault(name, _extended(text) if name.endswith("*") else text)
    return found


def _value(header: str, start: int) -> tuple[str, int]:
    """A parameter's text, and where it ends."""
    if quoted := _QUOTED.match(header, start) or _LAST_QUOTE.match(header, start):
        text = quoted[1].replace('\\"', '"')
        return _ESCAPED.sub(lambda escape: unquote(escape[0]), text), quoted.end()
    behind = _PARAMETER.search(header, start)
    end = behind.start() if behind else len(header)
    return header[start:end].rstrip("; \t"), end


def _extended(text: str) -> str:
    """RFC 5987: `utf-8''name`. Empty where it cannot be read, so that the plain name counts."""
    charset, mark, rest = text.partition("'")
    if not mark:
        return ""
    try:
        return unquote(rest.partition("'")[2], charset or "utf-8", errors="strict")
    except (LookupError, UnicodeDecodeError):
        return ""
