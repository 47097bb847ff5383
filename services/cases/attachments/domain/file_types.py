"""The kinds of files that may be attached, and how each is recognised."""

from collections.abc import Callable, Collection
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
# Of the others nobody can say for whose files the content is: other programs' files are archives or text, too.
_UNMISTAKABLE = ("jpg", "png", "gif", "bmp", "docx", "pdf")


def extension_that_fits(content: bytes, among: Collection[str]) -> str | None:
    """Which of these extensions the content belongs to, where that is beyond doubt."""
    return next((each for each in _UNMISTAKABLE if each in among and KINDS[each].agrees(content)), None)
