"""Forms with files: each file is sent on to cases as it comes in; a refused file loses neither fields nor other files.

With JavaScript the files were sent before the form; then, and in a form without files, only the fields are read.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import BodyPartReader, MultipartReader, hdrs, web

from services.gateway.clients import SERVICES, Reply
from services.gateway.fields import FormSpec
from services.gateway.forms import Form, FormData, read_problem, refused
from services.gateway.limits import Limits, not_now, why_refused
from services.gateway.messages import of_field
from services.gateway.pages.backend import ServiceRefusal, fetch, optional
from services.gateway.pages.requests import FORM_TYPE, LONG_FORM_BYTES, TYPED, new_idempotency_key, read_pairs
from services.gateway.session import OldForm, Visitor, refuse_cross_site, refuse_without_csrf
from services.gateway.texts import _
from shared import errors
from shared.bodies import SlowestRate, TooManyBodies, hold_bytes, hold_file, receiving, too_large
from shared.multipart import UNREADABLE, read_disposition, read_parts, write_disposition
from shared.web.headers import IDEMPOTENCY_HEADER

_FORM_WITH_FILES = "multipart/form-data"
_DEADLINE_S = 60.0
# Far more than all files of a message: what is too large is read past, so that the fields behind it are not lost.
_MOST_BYTES = 32 * 1024 * 1024
_MOST_PARTS = 200
_CHUNK_BYTES = 64 * 1024
_FILE_FIELD = "file"
LOST_FILES = "lost_files"
IDS, _NAME = "attachment_ids", "attachment_name."
_PLACE_OF_FILE = re.compile(rf"{IDS}\.(\d{{1,3}})$")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True, slots=True)
class Posted:
    """A posted form. `attachment_ids` in `typed` names every file that cases has, separated by blanks."""

    typed: FormData
    refused: tuple[str, ...] = ()  # a sentence for each file that was not accepted

    def form(self, spec: FormSpec) -> Form:
        """To be shown again when a file was refused: everything typed, and what is wrong with each file."""
        return with_fresh_upload_key(Form(spec, self.typed, {IDS: "\n".join(self.refused)} if self.refused else {}))


class KnownLimits:
    """The latest answer of cases: limits are a setting, so they still hold while cases is unavailable."""

    latest: Limits | None = None


KNOWN_LIMITS = web.AppKey("known_limits", KnownLimits)


async def limits_of(request: web.Request, visitor: Visitor) -> Limits | None:
    """What may be attached; None before cases has answered once: then files cannot be sent either."""
    known = request.app[KNOWN_LIMITS]
    try:
        told = await optional(fetch(request, visitor, "cases", "/attachment-limits"))
    except ServiceRefusal:
        return None
    if told:
        known.latest = Limits.of(told)
    return known.latest


def refused_with_files(spec: FormSpec, typed: FormData, problem: Mapping[str, Any]) -> Form:
    """The form as `refused` gives it; each file that can no longer be attached is named, and all else stays."""
    form = with_fresh_upload_key(refused(spec, typed, problem))
    ids = typed.get(IDS, "").split()
    named: list[str] = []
    for error in problem.get("errors", ()):
        place = _PLACE_OF_FILE.search(str(error["field"]))
        if place is not None and int(place[1]) < len(ids):
            name = typed.get(_NAME + ids[int(place[1])]) or _("File")
            named.append(_("%(file)s: %(reason)s") % {"file": name, "reason": of_field(error)})
    return replace(form, errors={**form.errors, IDS: "\n".join(named)}) if named else form


def names_of_files(typed: FormData) -> list[str]:
    """What the files that a form cites are called."""
    return [typed.get(_NAME + file) or _("File") for file in typed.get(IDS, "").split()]


def with_fresh_upload_key(form: Form) -> Form:
    """A form sent twice has its files once; one that is shown again may bring others."""
    return form.with_values(upload_key=new_idempotency_key())


async def read_form_with_files(request: web.Request, visitor: Visitor) -> Posted:
    """A form of this visitor with its files, those that were accepted before included.

    Nothing is sent to cases before the form's token was checked: CrossSiteRequest, or OldForm. The
    page has `attachments.html` for its files, and its hidden fields before them.
    """
    refuse_cross_site(request)
    if request.content_type == FORM_TYPE:
        return _meant(request, visitor, Posted(await _plain_fields(request)))
    incoming = _Incoming.of(request)
    request[TYPED] = incoming.typed
    refused: list[str] = []
    try:
        async with receiving(request, _DEADLINE_S):
            file = await incoming.next_file()
            if file is not None and _is_meant(request, visitor, incoming.typed):
                refused = await _Uploading(request, visitor, incoming).all_from(file)
            while file is not None:
                file = await incoming.next_file()
    except TooManyBodies:
        incoming.typed[LOST_FILES] = "yes"
        raise
    return _meant(request, visitor, Posted(incoming.typed, tuple(refused)))


async def read_unproven_fields(request: web.Request) -> FormData:
    """The fields of a form that is not proven to be meant, to be shown again; its files are skipped (`LOST_FILES`)."""
    if request.content_type == FORM_TYPE:
        return await _plain_fields(request)
    incoming = _Incoming.of(request)
    async with receiving(request, _DEADLINE_S):
        while await incoming.next_file() is not None:
            incoming.typed[LOST_FILES] = "yes"
    return incoming.typed


async def _plain_fields(request: web.Request) -> FormData:
    typed: dict[str, str] = {}
    for name, text in await read_pairs(request, at_most=LONG_FORM_BYTES):
        _note(typed, name, text)
    request[TYPED] = typed
    return typed


def _note(typed: dict[str, str], name: str, text: str) -> None:
    """Of a repeated field the first counts; of files, all."""
    if name != IDS:
        typed.setdefault(name, text)
    elif _ID.fullmatch(text):
        typed[IDS] = f"{typed.get(IDS, '')} {text}".strip()


def _is_meant(request: web.Request, visitor: Visitor, typed: FormData) -> bool:
    try:
        refuse_without_csrf(request, visitor, typed.get("csrf_token"))
    except OldForm:
        return False
    return True


def _meant(request: web.Request, visitor: Visitor, posted: Posted) -> Posted:
    refuse_without_csrf(request, visitor, posted.typed.get("csrf_token"))
    return posted


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the form, as its browser names it, and what is read of it already."""

    part: BodyPartReader
    name: str
    begun: bytes

    @property
    def shown_name(self) -> str:
        """For a sentence about it."""
        name = self.name.replace("\\", "/").rpartition("/")[2]
        return name[:150].encode(errors="replace").decode() or _("File")


class _Incoming:
    """A posted form, read part by part and counted: fields are noted, files handed out as they come."""

    def __init__(self, request: web.Request, parts: MultipartReader) -> None:
        self.typed: dict[str, str] = {}
        self._request = request
        self._parts = parts
        self._part: BodyPartReader | None = None
        self._text_left = LONG_FORM_BYTES
        self._parts_left = _MOST_PARTS

    @classmethod
    def of(cls, request: web.Request) -> "_Incoming":
        if request.content_type != _FORM_WITH_FILES:
            raise errors.WrongMediaType(f"Send {_FORM_WITH_FILES} or {FORM_TYPE}.")
        try:
            parts = read_parts(
                request, SlowestRate(), most_parts=_MOST_PARTS, at_most=_MOST_BYTES, too_large=_too_much()
            )
            return cls(request, parts)
        except ValueError as error:
            raise errors.EndedEarly from error

    async def next_file(self) -> _File | None:
        """The next file that was chosen; what is unread of the one before is read past."""
        while (part := await self._next_part()) is not None:
            told = read_disposition(part.headers.get(hdrs.CONTENT_DISPOSITION))
            # A part that is unclear is not skipped: it is refused as a file without a name is.
            if told.filename is None and told.name not in ("", _FILE_FIELD):
                await self._note_field(part, told.name)
                continue
            # A field for files in which none was chosen has neither a name nor anything in it.
            begun = await self._chunk(part)
            if told.filename or begun:
                return _File(part, told.filename or "", begun)
        return None

    async def content(self, file: _File, *, at_most: int) -> bytes:
        """The first bytes of a file; the rest is read past."""
        kept = bytearray(file.begun[:at_most])
        while chunk := await self._chunk(file.part):
            kept += chunk[: at_most - len(kept)]
        return bytes(kept)

    async def _note_field(self, part: BodyPartReader, name: str) -> None:
        text = bytearray()
        while chunk := await self._chunk(part):
            self._text_left -= len(chunk)
            if self._text_left < 0:
                raise too_large(LONG_FORM_BYTES)
            hold_bytes(self._request, len(chunk))
            text += chunk
        _note(self.typed, name, text.decode(errors="replace"))

    async def _next_part(self) -> BodyPartReader | None:
        while self._part is not None and await self._chunk(self._part):
            pass
        self._parts_left -= 1
        if self._parts_left < 0:
            raise _too_much()
        try:
            part = await self._parts.next()
        except UNREADABLE as error:
            raise errors.EndedEarly from error
        if isinstance(part, MultipartReader):
            raise errors.EndedEarly
        self._part = part
        return part

    async def _chunk(self, part: BodyPartReader) -> bytes:
        try:
            return await part.read_chunk(_CHUNK_BYTES)
        except UNREADABLE as error:
            raise errors.EndedEarly from error


def _too_much() -> errors.TooLarge:
    params = {"reason": "files", "limit_bytes": _MOST_BYTES}
    return errors.TooLarge("The form with its files is too large.", params=params)


class _Uploading:
    """The files of one form on their way to cases, one at a time: no more than one is ever held in memory."""

    def __init__(self, request: web.Request, visitor: Visitor, incoming: _Incoming) -> None:
        self._request = request
        self._visitor = visitor
        self._incoming = incoming
        key = incoming.typed.get("upload_key", "")
        self._key = key if _KEY.fullmatch(key) else new_idempotency_key()

    async def all_from(self, file: _File | None) -> list[str]:
        """Uploads this file and those behind it; answers a sentence for each that was refused."""
        limits = await limits_of(self._request, self._visitor)
        refused: list[str] = []
        place = 0
        while file is not None:
            name = file.shown_name
            if limits is None:
                sentence = not_now()
            elif len(self._incoming.typed.get(IDS, "").split()) >= limits.most_files:
                sentence = limits.sentences()["too_many"]
            else:
                sentence = await self._upload(file, name, limits, f"{self._key}.{place}")
            if sentence:
                refused.append(_("%(file)s: %(reason)s") % {"file": name, "reason": sentence})
            place += 1
            file = await self._incoming.next_file()
        return refused

    async def _upload(self, file: _File, name: str, limits: Limits, key: str) -> str:
        """Empty, or why it was refused."""
        try:
            with hold_file(self._request, limits.most_file_bytes):
                return await self._send(file, name, limits, key)
        except errors.Unavailable:
            return not_now()

    async def _send(self, file: _File, name: str, limits: Limits, key: str) -> str:
        # One byte more than allowed lets cases see that it is too large.
        content = await self._incoming.content(file, at_most=limits.most_file_bytes + 1)
        body, content_type = _as_form(file.name, content)
        reply = await self._request.app[SERVICES].call(
            "cases",
            "POST",
            "/attachments",
            visitor=self._visitor,
            body=body,
            headers={hdrs.CONTENT_TYPE: content_type, IDEMPOTENCY_HEADER: key},
        )
        return self._accept(reply, name) if reply.ok else why_refused(read_problem(reply.body))

    def _accept(self, reply: Reply, name: str) -> str:
        for item in reply.json()["items"]:
            _note(self._incoming.typed, IDS, item["id"])
            self._incoming.typed[_NAME + item["id"]] = str(item.get("name") or name)
        return ""


def _as_form(name: str, content: bytes) -> tuple[bytes, str]:
    """A form with this one file, named as the browser named it."""
    boundary = secrets.token_hex(16)
    disposition = write_disposition(_FILE_FIELD, name)
    head = b"--%s\r\nContent-Disposition: %s\r\n\r\n" % (boundary.encode(), disposition)
    return head + content + f"\r\n--{boundary}--\r\n".encode(), f"{_FORM_WITH_FILES}; boundary={boundary}"
