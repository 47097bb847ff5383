"""The kinds of files that may be attached, and whether a content is what its name says.

A look at a few bytes can only narrow what comes in: a file may be two things at once. What makes downloads harmless is
that they are only ever downloads.
"""

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

_PNG, _JPEG, _PDF, _OLE = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"%PDF-", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_GIF = (b"GIF87a", b"GIF89a")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the second is one without files in it
_NEVER_TEXT = (_PNG, _JPEG, _PDF, _OLE, *_GIF, *_ZIP)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_BMP_RESERVED = slice(6, 10)
_BMP_HEADER_BYTES = 26
_PARTS_LIST, _WORD_PART = "[Content_Types].xml", "word/document.xml"
_PARTS_LIST_BYTES = 64 * 1024  # as much of it as is unpacked
# What old encodings of text do not contain, but nearly every binary file does.
_NO_TEXT = frozenset(range(32)) - frozenset(b"\b\t\n\v\f\r\x1a\x1b")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file extension stands for."""

    content_type: str
    agrees: Callable[[bytes], bool]  # with a content


def _starts(*signatures: bytes) -> Callable[[bytes], bool]:
    return lambda content: content.startswith(signatures)


def _is_bmp(content: bytes) -> bool:
    return content.startswith(b"BM") and len(content) >= _BMP_HEADER_BYTES and not any(content[_BMP_RESERVED])


def _is_zip(content: bytes) -> bool:
    return content.startswith(_ZIP) and zipfile.is_zipfile(BytesIO(content))


def _is_docx(content: bytes) -> bool:
    """A package whose main part is a Word document; only its list of parts is unpacked, and only so far."""
    if not _is_zip(content):
        return False
    try:
        with zipfile.ZipFile(BytesIO(content)) as package:
            names = package.namelist()
            if _WORD_PART in names:
                return True
            if _PARTS_LIST not in names:
                return False
            with package.open(_PARTS_LIST) as parts:
                return _WORD_PART.encode() in parts.read(_PARTS_LIST_BYTES)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, zlib.error):
        return False


def read_text(content: bytes) -> str | None:
    """A content as text, None when it is none: UTF-8, UTF-16 with its mark, or what Windows wrote before them."""
    if content.startswith(_NEVER_TEXT):
        return None
    try:
        text = content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError:
        return _read_old_text(content)
    return None if "\0" in text else text


def _read_old_text(content: bytes) -> str | None:
    if content.startswith(_UTF_16) or not _NO_TEXT.isdisjoint(content):
        return None
    return content.decode("cp1252", errors="replace")


def _is_text(content: bytes) -> bool:
    return read_text(content) is not None


def _is_xml(content: bytes) -> bool:
    text = read_text(content)
    return text is not None and text.lstrip().startswith("<")


_JPG = Kind("image/jpeg", _starts(_JPEG))
_PLAIN = Kind("text/plain", _is_text)

KINDS: dict[str, Kind] = {
    "jpg": _JPG,
    "jpeg": _JPG,
    "png": Kind("image/png", _starts(_PNG)),
    "gif": Kind("image/gif", _starts(*_GIF)),
    "bmp": Kind("image/bmp", _is_bmp),
    "doc": Kind("application/msword", _starts(_OLE)),
    "docx": Kind("application/vnd.openxmlformats-officedocument.wordprocessingml.document", _is_docx),
    "pdf": Kind("application/pdf", _starts(_PDF)),
    "zip": Kind("application/zip", _is_zip),
    "txt": _PLAIN,
    "log": _PLAIN,
    "xml": Kind("application/xml", _is_xml),
}
