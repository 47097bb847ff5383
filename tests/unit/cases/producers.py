"""Files as real programs, scanners and machines write them, and what only calls itself so; made here, byte by byte."""

import io
import struct
import zipfile
from collections.abc import Mapping

from tests.service.cases.files import BMP, DOCX, GIF, JPEG, OLE, PDF, PNG, ZIP, a_word_document, an_archive

MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_STREAM_OF_WORD = "WordDocument".encode("utf-16-le")


class _OneWay(io.BytesIO):
    """A connection: what was written cannot be gone back to, so sizes come behind the contents."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError


def streamed(members: Mapping[str, str]) -> bytes:
    made = _OneWay()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return made.getvalue()


def with_zip64(members: Mapping[str, str]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in members.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(text.encode())
    return made.getvalue()


def encrypted(archive: bytes) -> bytes:
    """Of one member: the bit is set that says so."""
    made = bytearray(archive)
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        made[made.index(signature) + at] |= 1
    return bytes(made)


def a_bitmap(header: int, *, reserved: bytes = b"\0\0\0\0") -> bytes:
    """With a second header of so many bytes, as each version of Windows and OS/2 has its own."""
    of_file = b"BM" + struct.pack("<I", 14 + header + 16) + reserved + struct.pack("<I", 14 + header)
    return of_file + struct.pack("<I", header) + b"\1" * (header - 4) + b"\xff\x10" * 8


def a_package(content_type: str, *, parts_list: str = "[Content_Types].xml", encoding: str = "utf-8") -> bytes:
    made = io.BytesIO()
    types = f'<Types><Override PartName="/word/document.xml" ContentType="{content_type}"/></Types>'
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(parts_list, types.encode(encoding))
        archive.writestr("word/document.xml", "<w:document/>")
    return made.getvalue()


LINES = "08:15:00 Fach 3: Papierstau\r\n08:15:02 Fach 3: geöffnet\r\n"
RUSSIAN, JAPANESE, CHINESE = "08:15 Замятие бумаги\r\n", "08:15 紙詰まり\r\n", "08:15 卡纸 请检查\r\n"
WORD_HTML = '<html xmlns:w="urn:schemas-microsoft-com:office:word"><body>Papierstau</body></html>'
WORD_2003 = '<w:wordDocument xmlns:w="http://schemas.microsoft.com/office/word/2003/wordml"/>'
PARTS = {
    "[Content_Types].xml": f'<Types><Override ContentType="{MAIN}"/></Types>',
    "word/document.xml": "<w:document/>",
}

# Extension, who wrote it, content.
HONEST: list[tuple[str, str, bytes]] = [
    ("jpg", "JFIF of a program", JPEG),
    ("jpg", "Exif of a camera", b"\xff\xd8\xff\xe1\x1c\x45Exif\0\0II*\0"),
    ("jpeg", "Adobe, without JFIF", b"\xff\xd8\xff\xee\0\x0eAdobe\0d\0\0\0\0\0"),
    ("jpeg", "a webcam, with tables first", b"\xff\xd8\xff\xdb\0\x43\0" + b"\x10" * 64),
    ("jpg", "a transfer that broke off", JPEG[:20]),
    ("png", "a screenshot", PNG),
    ("png", "one that moves", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 17 + b"\0\0\0\x08acTL"),
    ("png", "Xcode", b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI\x50\0\x20\6"),
    ("gif", "87a", b"GIF87a" + b"\0" * 32),
    ("gif", "89a", GIF),
    ("bmp", "Windows 3 and later", BMP),
    ("bmp", "OS/2 1 and Windows 2", a_bitmap(12)),
    ("bmp", "OS/2 2", a_bitmap(64)),
    ("bmp", "OS/2 2, with a short header", a_bitmap(16)),
    ("bmp", "Adobe", a_bitmap(56)),
    ("bmp", "Windows 95", a_bitmap(108)),
    ("bmp", "Windows 98 and later", a_bitmap(124)),
    ("bmp", "a scanner that writes into unused fields", a_bitmap(40, reserved=b"SCAN")),
    ("doc", "Word 97-2003", OLE + _STREAM_OF_WORD),
    ("doc", "Word 2", b"\xdb\xa5-\0\0\0\x09\x04" + b"\0" * 32),
    ("doc", "Word for DOS", b"1\xbe\0\0\0\xab" + b"\0" * 32),
    ("doc", "WordPad, as RTF", b"{\\rtf1\\ansi\\deff0 Papierstau}"),
    ("doc", "a web application, as Word's HTML", WORD_HTML.encode()),
    ("doc", "Word's HTML in UTF-16", WORD_HTML.encode("utf-16")),
    ("doc", "a wiki, as a web archive", b"MIME-Version: 1.0\nContent-Type: text/html\n\n" + WORD_HTML.encode()),
    ("doc", "Word 2003, as XML", WORD_2003.encode()),
    ("docx", "Word", DOCX),
    ("docx", "Word Online", a_word_document("word/document2.xml")),
    ("docx", "SharePoint", a_word_document("word/document22.xml")),
    ("docx", "LibreOffice, with the list of parts last", an_archive(dict(reversed(PARTS.items())))),
    ("docx", "Google Docs, streamed", streamed(PARTS)),
    ("docx", "a long document, with zip64", with_zip64(PARTS)),
    ("docx", "a list of parts in UTF-16", a_package(MAIN, encoding="utf-16")),
    ("docx", "a list of parts in small letters", a_package(MAIN, parts_list="[content_types].xml")),
    ("docx", "another case of letters", a_package(MAIN.upper())),
    ("docx", "parts in another folder", a_word_document("main.xml")),
    ("docx", "a list of very many parts", a_word_document(*(f"word/p{n}.xml" for n in range(3000)), "word/d.xml")),
    ("docx", "Word, with a password", OLE + "EncryptedPackage".encode("utf-16-le") + b"\0" * 64),
    ("pdf", "Acrobat", PDF),
    ("pdf", "the web, linearised", b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n7 0 obj\n<</Linearized 1/L 9>>\nendobj"),
    ("pdf", "a mark of UTF-8 first", b"\xef\xbb\xbf" + PDF),
    ("pdf", "blank lines first", b"\r\n\r\n" + PDF),
    ("pdf", "a printer's job language first", b'\x1b%-12345X@PJL JOB NAME="scan"\r\n@PJL\r\n' + PDF),
    ("pdf", "headers of a web server first", b"Content-Type: application/pdf\r\nX-A: 1\r\n\r\n" + PDF),
    ("pdf", "a scanner that fills a block first", b"\0" * 1024 + PDF),
    ("pdf", "a Mac, with its own header first", b"\0\x08scan.pdf" + b"\0" * 118 + PDF),
    ("pdf", "an old Distiller", b"%!PS-Adobe-3.0 PDF-1.2\n1 0 obj\nendobj\n"),
    ("pdf", "a transfer that broke off", PDF[:12]),
    ("zip", "a program", ZIP),
    ("zip", "no files in it", an_archive()),
    ("zip", "made for disks", b"PK00" + ZIP),
    ("zip", "made for disks that were enough", b"PK\x07\x08" + ZIP),
    ("zip", "streamed", streamed({"log.txt": LINES})),
    ("zip", "zip64", with_zip64({"log.txt": LINES})),
    ("zip", "a password", encrypted(an_archive({"log.txt": LINES}))),
    ("zip", "a Mac", an_archive({"log.txt": LINES, "__MACOSX/._log.txt": "\0"})),
    ("zip", "Windows, with backslashes", an_archive({"logs\\a.txt": LINES})),
    ("zip", "zeros behind it", ZIP + b"\0" * 512),
    ("txt", "UTF-8", LINES.encode()),
    ("txt", "UTF-8 with a mark", LINES.encode("utf-8-sig")),
    ("txt", "PowerShell", LINES.encode("utf-16")),
    ("txt", "UTF-16, the other way round", b"\xfe\xff" + LINES.encode("utf-16-be")),
    ("log", "a device, in UTF-16 without a mark", LINES.encode("utf-16-le")),
    ("log", "a device, the other way round", LINES.encode("utf-16-be")),
    ("log", "Russian in UTF-16 without a mark", RUSSIAN.encode("utf-16-le")),
    ("log", "Chinese in UTF-16 without a mark", CHINESE.encode("utf-16-le")),
    ("log", "PowerShell's lines behind those of another", LINES.encode() + LINES.encode("utf-16-le")),
    ("log", "UTF-16 that ends within a letter", LINES.encode("utf-16")[:-1]),
    ("txt", "UTF-32", LINES.encode("utf-32")),
    ("txt", "Windows", LINES.encode("cp1252")),
    ("txt", "DOS", LINES.encode("cp850")),
    ("txt", "a Mac", LINES.encode("mac_roman")),
    ("log", "Russian in KOI8-R", RUSSIAN.encode("koi8_r")),
    ("log", "Russian of Windows", RUSSIAN.encode("cp1251")),
    ("log", "Japanese in Shift-JIS", JAPANESE.encode("shift_jis")),
    ("log", "Japanese in ISO-2022-JP", JAPANESE.encode("iso2022_jp")),
    ("log", "Chinese in GBK", CHINESE.encode("gbk")),
    ("log", "a mainframe, in EBCDIC", (LINES * 5).encode("cp1140").replace(b"\r", b"\x15")),
    ("log", "a power cut, with zeros at the end", LINES.encode() + b"\0" * 4096),
    ("log", "a power cut in the middle", LINES.encode() + b"\0" * 512 + LINES.encode()),
    ("log", "a power cut that left zeros only", b"\0" * 4096),
    ("log", "UTF-8 that ends within a letter", "geöffnet, später geö".encode()[:-1]),
    ("log", "colours of a terminal", b"\x1b[31mFach 3\x1b[0m\x07\r\n\f"),
    ("log", "frames of a laboratory device", b"\x021H|\\^&|||Analyser^01|||||Host||P|1|20261130081500\r\x03E5\r\n" * 9),
    ("log", "a printer's protocol", b'\x1b%-12345X@PJL INFO STATUS\r\nCODE=10001\r\nDISPLAY="Ready"\r\n\f'),
    ("log", "HL7 with its frame", b"\x0bMSH|^~\\&|LAB|HOSP|ADT|HOSP|20261130||ADT^A01|1|P|2.3\r\x1c\r"),
    ("log", "one very long line", b"x" * 1_000_000),
    ("log", "what quotes a PDF", b"08:15 job begins: %PDF-1.4 obj\n"),
    ("txt", "a name that begins like a program's", b"MZ-5 drivers\r\n"),
    ("xml", "an export", b'<?xml version="1.0"?>\n<log/>\n'),
    ("xml", "no declaration", b"<log/>"),
    ("xml", "a mark and blank lines first", b"\xef\xbb\xbf\r\n\r\n<log/>"),
    ("xml", "a remark first", b"<!-- Fach 3 -->\n<log/>"),
    ("xml", "DOCTYPE", b"<!DOCTYPE log SYSTEM 'log.dtd'><log/>"),
    ("xml", "Windows, in UTF-16", '<?xml version="1.0" encoding="UTF-16"?><log/>'.encode("utf-16")),
    ("xml", "UTF-16 without a mark", '<?xml version="1.0" encoding="UTF-16LE"?><log/>'.encode("utf-16-le")),
    ("xml", "the other way round", "<log/>".encode("utf-16-be")),
    ("xml", "Japanese", f'<?xml version="1.0" encoding="Shift_JIS"?><log>{JAPANESE}</log>'.encode("shift_jis")),
    ("xml", "events without a root", b"<event/>\n<event/>\n"),
    ("xml", "a power cut", b"<log><event/>" + b"\0" * 4096),
]

PROGRAM = b"MZ\x90\0\x03\0\0\0" + b"\0" * 120 + b"PE\0\0" + b"This program cannot be run in DOS mode." * 9
HTML, SVG = b"<!doctype html><script>alert(1)</script>", b'<svg xmlns="http://www.w3.org/2000/svg"/>'
# About as many controls as in anything packed.
PACKED = bytes(range(256)) * 16
MACROS = "application/vnd.ms-word.document.macroEnabled.main+xml"
TEMPLATE = "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"

DISGUISED: list[tuple[str, str, bytes]] = [
    *((ending, "a program", PROGRAM) for ending in ("jpg", "png", "gif", "bmp", "doc", "docx", "pdf", "zip", "xml")),
    *((ending, "a page", HTML) for ending in ("jpg", "png", "gif", "bmp", "doc", "docx", "pdf", "zip")),
    *((ending, "a drawing", SVG) for ending in ("jpg", "png", "gif", "bmp", "doc", "docx", "pdf", "zip")),
    *((ending, "a script", b"#!/bin/sh\nrm -r /\n") for ending in ("png", "doc", "docx", "pdf", "zip", "xml")),
    ("txt", "a program", PROGRAM),
    ("log", "a program of Linux", b"\x7fELF\x02\x01\x01" + b"\0" * 200),
    ("log", "something packed", PACKED),
    ("log", "something packed, with zeros", PACKED + b"\0" * 8192),
    ("log", "something packed that claims to be UTF-16", b"\xff\xfe" + bytes(range(255, -1, -1)) * 64),
    ("txt", "an image", GIF),
    ("txt", "a bitmap", BMP),
    ("xml", "an archive", ZIP),
    ("docx", "a Word document with macros", a_package(MACROS)),
    ("docx", "a template", a_package(TEMPLATE)),
    ("docx", "a sheet", a_package(SHEET)),
    ("docx", "more parts than a document has", an_archive(PARTS | {f"word/{n}": "" for n in range(5000)})),
    ("docx", "an archive", an_archive({"word/document.xml": "<w:document/>"})),
    ("docx", "a program in an archive", an_archive({"setup.exe": "MZ"})),
    ("docx", "an old Word document", OLE + _STREAM_OF_WORD),
    ("doc", "a new Word document", DOCX),
    ("pdf", "a page that speaks of PDF", b"<html>%PDF-1.7 obj</html>"),
    ("pdf", "a script that speaks of PDF", b"#!/bin/sh\n# %PDF-1.7 obj\n"),
    ("pdf", "a program with a PDF in it", PROGRAM[:200] + PDF),
    ("pdf", "an image with a PDF in it", PNG + PDF),
    ("pdf", "a text that speaks of PDF", b"It begins with %PDF-1.4, as you see.\n"),
    ("pdf", "a PDF that begins too late", b"\0" * 1025 + PDF),
    ("bmp", "a text", b"BMW drivers print a lot, and this is text."),
    ("zip", "half an archive", ZIP[: len(ZIP) // 2]),
    ("zip", "a program that unpacks itself", PROGRAM + ZIP),
    ("xml", "a text", b"08:15 <log/>\n"),
]

# Under a name that is accepted: what it is in truth.
OTHERS: list[tuple[str, bytes, str]] = [
    ("a.jpg", b"RIFF\x24\0\0\0WEBPVP8 " + b"\0" * 16, "webp"),
    ("a.png", b"RIFF\x24\0\0\0WEBPVP8L" + b"\0" * 16, "webp"),
    ("a.jpg", b"\0\0\0\x24ftypheic\0\0\0\0mif1heic", "heic"),
    ("a.jpeg", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heic"),
    ("a.jpg", b"II*\0\x08\0\0\0", "tif"),
    ("a.pdf", b"MM\0*\0\0\0\x08", "tif"),
    ("a.docx", a_package(MACROS), "docm"),
]
