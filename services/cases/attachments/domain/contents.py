"""How a content is recognised as what real programs, scanners and machines write.

A look at a few bytes can only narrow what comes in: a file may be two things at once. What makes downloads harmless is
that they are only ever downloads. So what is refused is disguise, and never what is merely old, odd or cut short.
"""

import re
import unicodedata
import zipfile
import zlib
from io import BytesIO

_PNG, _JPEG, _OLE = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_GIF = (b"GIF87a", b"GIF89a")
# The second is an archive without files in it, the others one that was made for several disks and fits on one.
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08PK\x03\x04", b"PK00PK\x03\x04")
_PROGRAM = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_DOS_PROGRAM, _WINDOWS_PROGRAM, _WINDOWS_PROGRAM_WITHIN = b"MZ", b"PE\0\0", 4096
_NEVER_TEXT = (_PNG, _JPEG, _OLE, *_GIF, *_ZIP, *_PROGRAM, b"%PDF-")

_HEIC = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1")

_PDF = re.compile(rb"%PDF-|%!PS-Adobe-\d\.\d PDF-")
_BEFORE_PDF_BYTES = 1024  # as Acrobat reads them: scanners and web servers write some of their own there
_MARKUP_OR_SCRIPT = (b"<", b"#!")

_BMP_HEADER_BYTES, _BMP_KIND = 26, slice(14, 18)  # the length of the second header tells its kind
_BMP_KINDS = {12, *range(16, 65), 108, 124}

# Word 2, and Word for DOS.
_OLD_WORD = (b"\xdb\xa5-\0", b"1\xbe\0\0")
_RTF = b"{\\rtf"
# Pages and XML that Word, and programs in its place, save as .doc.
_WORD_MARKUP = (b"schemas-microsoft-com:office:word", b"schemas.microsoft.com/office/word/2003/wordml")
_MARKUP_WITHIN = 64 * 1024
_ENCRYPTED_DOCX = "EncryptedPackage".encode("utf-16-le")
_PARTS_LIST = "[content_types].xml"
_IN_DIRECTORY, _MOST_PARTS = b"PK\x01\x02", 5_000  # to read the names of a crowded archive takes long
_PARTS_LIST_BYTES = 1024 * 1024  # as much of it as is unpacked
_WORD_DOCUMENT = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_WORD_WITH_MACROS = b"application/vnd.ms-word.document.macroenabled.main+xml"

# The others are hardly in texts, but for a device's protocol, and all over other files. A crash leaves blocks of zeros
# in any log.
_USUAL_CONTROLS = "\a\b\t\n\v\f\r\x1a\x1b"
_CONTROLS = bytes(sorted(set(range(1, 32)) - set(_USUAL_CONTROLS.encode())))
_NO_LETTERS = frozenset({"Cc", "Cn", "Co", "Cs"})
_ONE_IN = 16
_SAMPLED = 10_000
_BEFORE_MARKUP = b"\xef\xbb\xbf\xff\xfe \t\r\n\v\f\x85"


def is_jpeg(content: bytes) -> bool:
    """Of cameras and programs, also cut short."""
    return content.startswith(_JPEG)


def is_png(content: bytes) -> bool:
    """Also one that moves."""
    return content.startswith(_PNG)


def is_gif(content: bytes) -> bool:
    """Of both versions."""
    return content.startswith(_GIF)


def is_bmp(content: bytes) -> bool:
    """Of every version of Windows and OS/2, whatever stands in the fields that nobody reads."""
    if not content.startswith(b"BM") or len(content) < _BMP_HEADER_BYTES:
        return False
    return int.from_bytes(content[_BMP_KIND], "little") in _BMP_KINDS


def is_webp(content: bytes) -> bool:
    """As web pages save images, often under another name."""
    return content.startswith(b"RIFF") and content[8:12] == b"WEBP"


def is_heic(content: bytes) -> bool:
    """As telephones take photos."""
    return content[4:12] in _HEIC


def is_tif(content: bytes) -> bool:
    """As scanners and fax machines write pages."""
    return content.startswith((b"II*\0", b"MM\0*"))


def is_pdf(content: bytes) -> bool:
    """Also behind what a scanner or a web server wrote before it, unless that is a page, a script or another file."""
    found = _PDF.search(content[: _BEFORE_PDF_BYTES + len(b"%!PS-Adobe-3.0 PDF-")])
    if found is None or found.start() > _BEFORE_PDF_BYTES:
        return False
    before = content[: found.start()].lstrip(_BEFORE_MARKUP)
    if not before:
        return True
    return b"obj" in content and not before.startswith((*_MARKUP_OR_SCRIPT, *_NEVER_TEXT, _DOS_PROGRAM))


def is_zip(content: bytes) -> bool:
    """Whole, with its directory."""
    return content.startswith(_ZIP) and zipfile.is_zipfile(BytesIO(content))


def is_docx(content: bytes) -> bool:
    """A package that says it is a Word document without macros, or one that Word has put under a password."""
    if content.startswith(_OLE):
        return _ENCRYPTED_DOCX in content
    return _WORD_DOCUMENT in _list_of_parts(content)


def is_docm(content: bytes) -> bool:
    """A package that says it is a Word document with macros."""
    return _WORD_WITH_MACROS in _list_of_parts(content)


def _list_of_parts(content: bytes) -> bytes:
    """What a package says of its parts, which programs name as they like; empty for another archive.

    Only this list is unpacked, and only so far.
    """
    if not is_zip(content) or content.count(_IN_DIRECTORY) > _MOST_PARTS:
        return b""
    try:
        with zipfile.ZipFile(BytesIO(content)) as package:
            listed = next((name for name in package.namelist() if name.lower() == _PARTS_LIST), None)
            if listed is None:
                return b""
            with package.open(listed) as parts:
                # Without zeros UTF-16 reads as UTF-8 does.
                return parts.read(_PARTS_LIST_BYTES).replace(b"\0", b"").lower()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, zlib.error):
        return b""


def is_doc(content: bytes) -> bool:
    """Of every Word before 2007, and what Word and other programs save as .doc: RTF, and markup of Word's own."""
    if content.startswith((_OLE, *_OLD_WORD, _RTF)):
        return True
    return is_text(content) and any(name in content[:_MARKUP_WITHIN].replace(b"\0", b"") for name in _WORD_MARKUP)


def is_text(content: bytes) -> bool:
    """Text in whatever encoding, as a terminal or a device wrote it, also of a machine that crashed while it wrote."""
    if content.startswith(_NEVER_TEXT) or is_bmp(content) or _is_windows_program(content):
        return False
    return _is_text_of_bytes(content) or _is_utf_16(content)


def is_xml(content: bytes) -> bool:
    """Text that begins with markup."""
    # Without zeros UTF-16 reads as UTF-8 does.
    return content.replace(b"\0", b"").lstrip(_BEFORE_MARKUP).startswith(b"<") and is_text(content)


def _is_windows_program(content: bytes) -> bool:
    return content.startswith(_DOS_PROGRAM) and _WINDOWS_PROGRAM in content[:_WINDOWS_PROGRAM_WITHIN]


def _is_text_of_bytes(content: bytes) -> bool:
    seen = content.translate(None, b"\0")
    return (len(seen) - len(seen.translate(None, _CONTROLS))) * _ONE_IN <= len(seen)


def _is_utf_16(content: bytes) -> bool:
    """By its mark or, without one, by the half of each pair in which the zeros are."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        first, second = content[::2].count(0), content[1::2].count(0)
        if first == second:
            return False
        encoding = "utf-16-le" if second > first else "utf-16-be"
    text = content.decode(encoding, errors="replace").replace("\0", "")
    sample = text[:: len(text) // _SAMPLED + 1]
    odd = sum(unicodedata.category(each) in _NO_LETTERS and each not in _USUAL_CONTROLS for each in sample)
    return odd * _ONE_IN <= len(sample)
