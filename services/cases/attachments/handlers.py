"""Attaching files: taking them in, citing them, handing them out."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime

from services.cases.attachments.domain.files import (
    AttachedFile,
    Attachment,
    FileState,
    Infected,
    Limits,
    Owner,
    RefusedUpload,
    StillScanning,
    Upload,
    in_words,
    sort_out,
)
from services.cases.attachments.store import files as store
from services.cases.attachments.store import uncited
from services.cases.attachments.store.files import Claim
from services.cases.attachments.store.owners import Owners
from services.cases.quotas import Quotas
from shared.actor import Actor
from shared.errors import FieldError, Invalid, Refusal, TooManyRequests
from shared.idempotency import IdempotencyKey
from shared.mongo import Database

_FIELD = "attachment_ids"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say about attachments."""

    limits: Limits
    scanned: bool  # whether there is a virus scanner


async def refuse_if_full(db: Database, actor: Actor, quotas: Quotas, *, key: IdempotencyKey, now: datetime) -> None:
    """Before any file is read: TooManyUncited or TooManyUploads where none would be kept, unless it is a repeat."""
    try:
        await uncited.refuse_if_full(db, actor, quotas.uncited, key)
        await quotas.uploads.refuse_if_full(db, actor, now=now)
    except TooManyRequests:
        if not await store.find_made_with(db, key):
            raise


async def take_in(
    db: Database,
    actor: Actor,
    uploads: Sequence[Upload],
    policy: Policy,
    *,
    quotas: Quotas,
    key: IdempotencyKey,
    now: datetime,
) -> tuple[list[Attachment], list[RefusedUpload]]:
    """Keeps the files that break no rule, for a day unless they are cited; a repeat gets the same ones.

    Invalid, with each file named, when there is none to keep; TooManyUncited, TooManyUploads.
    """
    # In a thread: reading the table of a crowded archive takes a while.
    kept, refused = await asyncio.to_thread(sort_out, uploads, policy.limits)
    if not kept:
        raise Invalid(errors=tuple(_field_error(file) for file in refused) or (_NO_FILE,))
    begun = await store.find_made_with(db, key)
    state = FileState.SCANNING if policy.scanned else FileState.READY
    sizes = [len(upload.content or b"") for upload in kept]
    async with nullcontext() if begun else quotas.uploads.taken(db, actor, sum(sizes), now=now):
        if not begun:
            await uncited.hold(db, actor, quotas.uncited, key, sizes=sizes)
        for index, upload in enumerate(kept):
            await store.insert_once(db, actor, upload, upload.content or b"", index=index, state=state, key=key)
    return await store.find_made_with(db, key), refused


_NO_FILE = FieldError("file", "missing", "Send at least one file, in parts named file.", {"reason": "no_file"})


def _field_error(file: RefusedUpload) -> FieldError:
    message = f"{file.name}: {file.message}" if file.name else file.message
    return FieldError(f"file.{file.index}", file.code, message, {"name": file.name, **file.params})


@asynccontextmanager
async def claimed(
    db: Database, actor: Actor, ids: Sequence[str], limits: Limits, *, owner: Owner, digest: str
) -> AsyncIterator[tuple[AttachedFile, ...]]:
    """The files for the entry that is about to be written by the request with this digest.

    They are given back when the entry is refused. Invalid for files that are not the actor's, or that another entry
    has. When it is not known whether the entry was written, the files stay claimed: the same request may try again,
    and the sweeper removes those that no entry cites.
    """
    if not ids:
        yield ()
        return
    claim = Claim.of(owner, digest)
    files = await _claim(db, actor, ids, limits, claim)
    try:
        yield tuple(file.as_attached for file in files)
    except Refusal:
        await store.release_files(db, ids, claim)
        raise


async def _claim(db: Database, actor: Actor, ids: Sequence[str], limits: Limits, claim: Claim) -> list[Attachment]:
    if len(ids) > limits.max_files:
        sentence = f"At most {limits.max_files} files can be attached at once."
        raise Invalid.at(_FIELD, "too_many", sentence, {"limit": limits.max_files})
    files = await store.find_claimable(db, actor, ids, claim)
    _refuse_unless_fit(files, ids, limits)
    if not await store.claim_files(db, actor, ids, claim):
        # Somebody was faster with one of them.
        await store.release_files(db, ids, claim)
        raise Invalid(errors=(_not_yours(_FIELD),))
    return files


def _refuse_unless_fit(files: Sequence[Attachment], ids: Sequence[str], limits: Limits) -> None:
    found = {file.id for file in files}
    if missing := [place for place, wanted in enumerate(ids) if wanted not in found]:
        raise Invalid(errors=tuple(_not_yours(f"{_FIELD}.{place}") for place in missing))
    if sum(file.size for file in files) > limits.max_total_bytes:
        sentence = f"The files may have at most {in_words(limits.max_total_bytes)} together."
        raise Invalid.at(_FIELD, "too_large_together", sentence, {"limit_bytes": limits.max_total_bytes})


def _not_yours(field: str) -> FieldError:
    # Not there, somebody else's, or in use: the three are never told apart.
    return FieldError(field, "not_yours", "This file is not there any more, or is attached already.")


async def hand_out(db: Database, owners: Owners, actor: Actor, file_id: str) -> tuple[Attachment, bytes]:
    """A file that the actor may see, with its bytes; StillScanning or Infected when nobody may have it."""
    file = await store.get_file(db, owners, actor, file_id)
    if file.state is FileState.SCANNING:
        raise StillScanning
    if file.state is FileState.INFECTED:
        raise Infected
    return file, await store.read_content(db, file.id)
