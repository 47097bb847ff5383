"""The kinds of files that may be attached, and how each is recognised."""

from collections.abc import Callable
from dataclasses import dataclass

from services.cases.attachments.domain import contents


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file extension stands for."""

    content_type: str
    expected: str  # in words
    agrees: Callable[[bytes], bool]  # with a content


_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_JPEG = Kind("image/jpeg", "a JPEG image", contents.is_jpeg)
_TEXT = Kind("text/plain", "a text", contents.is_text)

KINDS: dict[str, Kind] = {
    "jpg": _JPEG,
    "jpeg": _JPEG,
    "png": Kind("image/png", "a PNG image", contents.is_png),
    "gif": Kind("image/gif", "a GIF image", contents.is_gif),
    "bmp": Kind("image/bmp", "a Windows bitmap", contents.is_bmp),
    "doc": Kind("application/msword", "a document of Word 97-2003, or RTF", contents.is_doc),
    "docx": Kind(_DOCX, "a Word document without macros", contents.is_docx),
    "pdf": Kind("application/pdf", "a PDF document", contents.is_pdf),
    "zip": Kind("application/zip", "a whole zip archive", contents.is_zip),
    "txt": _TEXT,
    "log": _TEXT,
    "xml": Kind("application/xml", "a text that begins with <", contents.is_xml),
}
# What is taken for one of them. Whose other contents are nobody can say: many programs write archives or text.
_UNMISTAKABLE: dict[str, Callable[[bytes], bool]] = {
    **{extension: KINDS[extension].agrees for extension in ("jpg", "png", "gif", "bmp", "pdf", "docx")},
    "webp": contents.is_webp,
    "heic": contents.is_heic,
    "tif": contents.is_tif,
    "docm": contents.is_docm,
}


def true_extension(content: bytes) -> str | None:
    """The extension that a content should have, where that is beyond doubt."""
    return next((extension for extension, agrees in _UNMISTAKABLE.items() if agrees(content)), None)
