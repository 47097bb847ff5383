"""Attachments as the API shows them."""

from collections.abc import Sequence
from urllib.parse import quote

from services.cases.attachments.domain.files import Attachment, RefusedUpload
from shared.schemas.attachments import AttachmentAnswer, RefusedFile, UploadAnswer


def upload(kept: Sequence[Attachment], refused: Sequence[RefusedUpload]) -> UploadAnswer:
    """What became of uploaded files."""
    return UploadAnswer(
        items=[
            AttachmentAnswer(
                id=file.id, name=file.name, size=file.size, content_type=file.content_type, state=file.state.value
            )
            for file in kept
        ],
        refused=[
            RefusedFile.model_validate(
                {
                    "name": file.name,
                    "code": file.code,
                    "message": file.message,
                    "params": file.params,
                    "limit": file.limit,
                }
            )
            for file in refused
        ],
    )


def download_headers(file: Attachment) -> dict[str, str]:
    """A download and nothing else, whatever is in it: no guessing at its type, and a sandbox should it be shown."""
    plain = "".join(char if char.isascii() and char.isprintable() and char not in '"\\%' else "_" for char in file.name)
    return {
        "Content-Type": file.content_type,
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-store",
    }
