"""Files for tests: one of each kind, multipart bodies, and a user of the cases service who uploads them."""

import io
import secrets
import zipfile
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.actor import Actor
from tests.builders import Json
from tests.client import Answer
from tests.service.cases.conftest import CasesApi

MIB = 1024 * 1024
BOUNDARY = "----portico-test"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0" + b"\0" * 32
GIF = b"GIF89a" + b"\0" * 32
BMP = b"BM" + (70).to_bytes(4, "little") + b"\0" * 4 + b"\x36\0\0\0\x28\0\0\0" + b"\0" * 52
PDF = b"%PDF-1.7\n1 0 obj\nendobj\n%%EOF\n"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504
TEXT = "Le papier est coincé à 8 h 15.\n".encode()
XML = b'<?xml version="1.0"?>\n<log/>\n'

Part = tuple[str, bytes]


def an_archive(members: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """A zip of texts, by name."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return made.getvalue()


def a_word_document(*parts: str) -> bytes:
    """With these parts, the last of which is the main one."""
    begin = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    types = [f'<Override PartName="/{part}" ContentType="{begin}.footer+xml"/>' for part in parts[:-1]]
    types.append(f'<Override PartName="/{parts[-1]}" ContentType="{begin}.document.main+xml"/>')
    return an_archive({"[Content_Types].xml": f"<Types>{''.join(types)}</Types>", parts[-1]: "<w:document/>"})


ZIP = an_archive({"readme.txt": "hello"})
DOCX = a_word_document("word/document.xml")


def a_part(name: str, content: bytes, *, field: str = "file", headers: bytes = b"") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{field}"; filename="{name}"'.encode()
    return b"--%s\r\n%s\r\n%s\r\n%s\r\n" % (BOUNDARY.encode(), disposition, headers, content)


def a_form(*parts: Part) -> bytes:
    """A whole multipart body."""
    return b"".join(a_part(name, content) for name, content in parts) + f"--{BOUNDARY}--\r\n".encode()


async def upload(cases: CasesApi, by: Actor | None, *parts: Part, key: str | None = None) -> Answer:
    return await cases.call("POST", "/attachments", by, key=key, data=io.BytesIO(a_form(*parts)), headers=FORM)


async def uploaded(cases: CasesApi, by: Actor, name: str = "jam.txt", content: bytes = TEXT) -> str:
    """The id of a file that can be cited."""
    answer = await upload(cases, by, (name, content))
    assert answer.status == 201, answer.body
    return str(answer.body["items"][0]["id"])


async def download(cases: CasesApi, file_id: str, by: Actor | None) -> Answer:
    return await cases.call("GET", f"/attachments/{file_id}", by)


async def stored(cases: CasesApi, file_id: str) -> Json | None:
    """The document as it stands in the database."""
    return await cases.db["attachments"].find_one({"_id": file_id})


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


def a_key() -> str:
    return secrets.token_hex(8)
