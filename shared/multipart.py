"""The one header of a part of a posted form, as browsers write it and as others do: no file is lost by its name.

Browsers follow WHATWG: what is between the quotes is the name, with `%22`, `%0D` and `%0A` for the three characters
that cannot stand there. aiohttp's own reader splits it at semicolons first, and then knows neither name nor file.
"""

import re
import warnings
from dataclasses import dataclass
from urllib.parse import quote, unquote

from aiohttp import BadContentDispositionHeader, BadContentDispositionParam

# aiohttp reads the header of the first part too, and complains of what is read here.
for _complaint in (BadContentDispositionHeader, BadContentDispositionParam):
    warnings.simplefilter("ignore", _complaint)

_PARAMETER = re.compile(r";\s*([^\s=;\"]+)\s*=\s*")
# A quote with a backslash before it, or with more than a semicolon behind it, is part of the text.
_QUOTED = re.compile(r'"((?:[^"\\]|\\.|"(?!\s*(?:;|$)))*)"\s*(?=;|$)', re.DOTALL)
_LAST_QUOTE = re.compile(r'"(.*)"', re.DOTALL)
_FORBIDDEN = re.compile(r'["\r\n]')
_ESCAPED = re.compile(r"%(22|0D|0A)", re.IGNORECASE)
_CONTINUED = re.compile(r"filename\*\d+\*?")


@dataclass(frozen=True, slots=True)
class Disposition:
    """What a part says of itself. `name` is empty where it says none; `filename` is None where it is no file."""

    name: str
    filename: str | None

    @property
    def is_unclear(self) -> bool:
        """Whether nobody can tell what the part is meant to be."""
        return not self.name and self.filename is None


def read_disposition(header: str | None) -> Disposition:
    """Reads `Content-Disposition` of a part, as aiohttp gives it. Whatever could be the name of a file makes it one."""
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
    """What is no UTF-8 comes from an old Windows program."""
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
        # Of one that comes twice the first counts.
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
