"""Attachments: their names, their limits, and what may be done with one."""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from services.cases.attachments.domain.file_types import KINDS, true_extension
from shared import text
from shared.errors import Conflict, Params

MAX_NAME_CHARS = 150
_ENOUGH_CHARS = 4 * MAX_NAME_CHARS

_EDGES = string.whitespace + "."
_IDLE_AT_END = string.whitespace + "\u200c\u200d"
_STEPS = re.compile(r"[/\\]")


class FileState(StrEnum):
    """Whether a file can be had."""

    READY = "ready"
    SCANNING = "scanning"  # the virus scanner has not spoken yet
    INFECTED = "infected"


@dataclass(frozen=True, slots=True)
class Owner:
    """The entry that cites a file, and what it is an entry of: a case, a chat, an order."""

    kind: str
    id: UUID
    entry_id: UUID


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file as an entry of the history names it."""

    id: str
    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that was uploaded; what it contains is read by itself."""

    id: str
    name: str
    size: int
    content_type: str
    state: FileState

    @property
    def as_attached(self) -> AttachedFile:
        """How an entry of the history names it."""
        return AttachedFile(self.id, self.name, self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one message may have attached."""

    max_files: int = 3
    max_file_bytes: int = 2 * 1024 * 1024
    max_total_bytes: int = 6 * 1024 * 1024
    extensions: tuple[str, ...] = tuple(KINDS)


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a request, as it came. `content` is None where it was longer than a file may be."""

    index: int
    name: str
    content: bytes | None
    sha256: str  # of all of it


@dataclass(frozen=True, slots=True)
class RefusedUpload:
    """The rule that a file broke, and its limit."""

    index: int
    name: str
    code: str
    message: str
    params: Params
    limit: int | tuple[str, ...] | None = None


class StillScanning(Conflict):
    """Not before the scanner has spoken."""

    code = "scanning"
    title = "This file is still being checked for viruses. Please try again in a moment."


class Infected(Conflict):
    """The scanner found something; nobody gets it."""

    code = "infected"
    title = "A virus was found in this file, so it cannot be downloaded."


def clean_name(given: str) -> str:
    """A file name that is safe to show and to save under; its extension stays when it has to be shortened."""
    name = _STEPS.split(given)[-1]
    # What is in the middle of so long a name is cut in any case.
    if len(name) > 2 * _ENOUGH_CHARS:
        name = name[:_ENOUGH_CHARS] + name[-_ENOUGH_CHARS:]
    name = text.cleaned_anyhow(name, text.clean_line)
    name = name.replace("\n", "").strip(_EDGES) if text.is_seen(name) else ""
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) >= MAX_NAME_CHARS:
        return text.beginning(name, MAX_NAME_CHARS).rstrip(_IDLE_AT_END)
    # A joiner or a blank that stood in the middle may be the end now.
    return text.beginning(stem, MAX_NAME_CHARS - len(extension) - 1).rstrip(_IDLE_AT_END) + dot + extension


def extension_of(name: str) -> str:
    """What follows the last dot, in small letters; empty for none."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def content_type_of(name: str) -> str:
    """By extension: what a client says of a file counts for nothing."""
    kind = KINDS.get(extension_of(name))
    return kind.content_type if kind else "application/octet-stream"


def sort_out(uploads: Sequence[Upload], limits: Limits) -> tuple[list[Upload], list[RefusedUpload]]:
    """The files that can be kept, and the rest with the rule that each broke."""
    kept: list[Upload] = []
    refused: list[RefusedUpload] = []
    for upload in uploads:
        problem = _own_problem(upload, limits) or _problem_beside(kept, upload, limits)
        if problem is None:
            kept.append(upload)
        else:
            refused.append(problem)
    return kept, refused


def _own_problem(upload: Upload, limits: Limits) -> RefusedUpload | None:
    """What is wrong with a file by itself."""
    extension = extension_of(upload.name)
    if extension not in limits.extensions:
        accepted = ", ".join(limits.extensions)
        message = f"Files of this kind are not accepted. Accepted: {accepted}."
        return _refused(upload, "file_type", message, {"allowed": limits.extensions}, limits.extensions)
    if upload.content is None:
        message = f"The file is too large. A file may have at most {in_words(limits.max_file_bytes)}."
        params = {"reason": "file", "limit_bytes": limits.max_file_bytes}
        return _refused(upload, "too_large", message, params, limits.max_file_bytes)
    if not upload.content:
        return _refused(upload, "empty", "The file is empty.")
    if not KINDS[extension].agrees(upload.content):
        return _mismatch(upload, upload.content, extension, limits)
    return None


def _mismatch(upload: Upload, content: bytes, extension: str, limits: Limits) -> RefusedUpload:
    message = f"This is not {KINDS[extension].expected}, though its name ends in .{extension}."
    params = {"extension": extension}
    if found := true_extension(content):
        is_accepted = found in limits.extensions
        params |= {"found": found, "reason": "other_ending" if is_accepted else "other_kind"}
        rest = (
            ": change the ending of its name, then attach it again." if is_accepted else ", and these are not accepted."
        )
        message += f" It is a .{found} file{rest}"
    return _refused(upload, "content_mismatch", message, params)


def _problem_beside(kept: Sequence[Upload], upload: Upload, limits: Limits) -> RefusedUpload | None:
    """What is wrong with a file beside those which came before it."""
    if len(kept) >= limits.max_files:
        message = f"At most {limits.max_files} files can be attached at once."
        return _refused(upload, "too_many", message, {"limit": limits.max_files}, limits.max_files)
    if sum(len(each.content or b"") for each in (*kept, upload)) > limits.max_total_bytes:
        message = f"The files may have at most {in_words(limits.max_total_bytes)} together."
        params = {"limit_bytes": limits.max_total_bytes}
        return _refused(upload, "too_large_together", message, params, limits.max_total_bytes)
    return None


def _refused(
    upload: Upload, code: str, message: str, params: Params | None = None, limit: int | tuple[str, ...] | None = None
) -> RefusedUpload:
    return RefusedUpload(upload.index, upload.name, code, message, params or {}, limit)


def in_words(size: int) -> str:
    """A number of bytes for people: 2 MiB, 1.5 MiB, 800 bytes."""
    for unit, length in (("MiB", 1024 * 1024), ("KiB", 1024)):
        if size >= length:
            return f"{size / length:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} bytes"
