"""The HTTP bodies of attachments: uploading, limits, citing."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, FailFast, Field, StringConstraints
from pydantic_core import PydanticCustomError

from shared.schemas.base import Answer

FileStateName = Literal["ready", "scanning", "infected"]


def _unique(ids: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(ids)) < len(ids):
        raise PydanticCustomError("unique", "Name each file once.")
    return ids


# How many there may be is a setting; this many are read at all. No person makes them, so one wrong one is told.
AttachmentIds = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=64)], ...],
    Field(max_length=20),
    FailFast(),
    AfterValidator(_unique),
]


class AttachmentAnswer(Answer):
    """A file; `content_type` follows from its extension. Only a `ready` one can be downloaded."""

    id: str
    name: str
    size: int  # bytes
    content_type: str
    state: FileStateName


class RefusedFile(Answer):
    """A file that was not taken: the rule it broke (`code`), and that rule's limit."""

    name: str
    code: Literal["file_type", "content_mismatch", "empty", "too_large", "too_large_together", "too_many"]
    message: str
    params: dict[str, Any] = Field(default_factory=dict)  # the values in the message
    limit: int | tuple[str, ...] | None = None


class UploadAnswer(Answer):
    """`POST /attachments`: what can be cited now, for a day; and what was refused."""

    items: list[AttachmentAnswer]
    refused: list[RefusedFile]


class AttachmentLimits(Answer):
    """`GET /attachment-limits`: for one message."""

    max_files: int
    max_file_bytes: int
    max_total_bytes: int
    extensions: tuple[str, ...]
