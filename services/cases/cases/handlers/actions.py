"""Acting on a case: the customer's side and the vendor's."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter

from services.cases.attachments import handlers as attaching
from services.cases.attachments.domain.files import Limits
from services.cases.cases import store
from services.cases.cases.domain.case import Case
from services.cases.cases.domain.refusals import AlreadyTaken, CaseIsClosed, CaseIsFull
from services.cases.cases.domain.values import Entry, Person, Status, person_of
from services.cases.copies import store as copies
from shared.actor import VENDOR_ROLES, Actor
from shared.errors import Forbidden, NotYetKnown, StaleVersion
from shared.idempotency import IdempotencyKey
from shared.mongo import Database, Document
from shared.quotas import Quota
from shared.schemas.cases import (
    AgentActionUnion,
    AgentCloseAction,
    AssignAction,
    AttachAction,
    CancelAction,
    CaseActionUnion,
    ChangeSeverityAction,
    CloseAction,
    CommentAction,
    NoteAction,
    ReopenAction,
    ReplyAction,
    SetStatusAction,
    TakeAction,
)

_PERSON = TypeAdapter(Person)


async def act(
    db: Database,
    actor: Actor,
    number: str,
    action: CaseActionUnion,
    *,
    limits: Limits,
    quota: Quota,
    key: IdempotencyKey,
    now: datetime,
) -> None:
    """What the customer's side does with a case; a repeat with the same intent changes nothing.

    Forbidden for what is seen but not one's to change, CaseIsClosed, StaleVersion with the current state,
    TooManyEntries, Invalid for files that cannot be cited.
    """
    if await store.find_entry(db, actor, number, key):
        return
    async with quota.taken(db, actor, now=now):
        match action:
            case CommentAction():
                entry = Entry(
                    key.id,
                    "comment",
                    now,
                    person_of(actor),
                    actor.is_vendor,
                    text=action.text,
                    digest=key.digest,
                )
                await _comment(db, actor, number, entry, file_ids=action.attachment_ids, limits=limits)
            case AttachAction():
                entry = Entry(
                    key.id,
                    "attached",
                    now,
                    person_of(actor),
                    actor.is_vendor,
                    digest=key.digest,
                )
                await _comment(db, actor, number, entry, file_ids=action.attachment_ids, limits=limits)
            case _:
                async with _made_once(db, actor, number, key):
                    case = await _get_at_version(db, actor, number, action.version)
                    await _save(db, actor, _changed(case, actor, action, key=key, now=now))


def _changed(
    case: Case,
    actor: Actor,
    action: CloseAction | CancelAction | ReopenAction | ChangeSeverityAction,
    *,
    key: IdempotencyKey,
    now: datetime,
) -> Case:
    entry_id, digest = key.id, key.digest
    match action:
        case CloseAction(reason=reason, resolved=resolved):
            return case.close(
                by=actor,
                reason=reason,
                resolved=resolved,
                outcome=Status.CLOSED,
                entry_id=entry_id,
                digest=digest,
                now=now,
            )
        case CancelAction(reason=reason):
            return case.close(
                by=actor,
                reason=reason,
                resolved=None,
                outcome=Status.CANCELLED,
                entry_id=entry_id,
                digest=digest,
                now=now,
            )
        case ReopenAction(reason=reason):
            return case.reopen(by=actor, reason=reason, entry_id=entry_id, digest=digest, now=now)
        case ChangeSeverityAction(severity=severity):
            return case.change_severity(severity, by=actor, entry_id=entry_id, digest=digest, now=now)


async def act_as_agent(
    db: Database,
    actor: Actor,
    number: str,
    action: AgentActionUnion,
    *,
    limits: Limits,
    quota: Quota,
    key: IdempotencyKey,
    now: datetime,
) -> None:
    """What the vendor's side does with a case; a repeat with the same intent changes nothing.

    Forbidden for the customers' side, AlreadyTaken, CaseIsClosed, StaleVersion with the current state, TooManyEntries,
    Invalid for files that cannot be cited.
    """
    if not actor.is_vendor:
        # Seen or not: nothing about a case shows through this door.
        raise Forbidden
    if await store.find_entry(db, actor, number, key):
        return
    async with quota.taken(db, actor, now=now):
        match action:
            case TakeAction():
                await _take(db, actor, number, key=key, now=now)
            case ReplyAction():
                await _reply(db, actor, number, action, limits, key=key, now=now)
            case NoteAction():
                await _note(db, actor, number, action, limits, key=key, now=now)
            case _:
                async with _made_once(db, actor, number, key):
                    case = await _get_at_version(db, actor, number, action.version)
                    await _save(
                        db,
                        actor,
                        await _changed_by_agent(db, case, actor, action, key=key, now=now),
                    )


async def _changed_by_agent(
    db: Database,
    case: Case,
    actor: Actor,
    action: AssignAction | SetStatusAction | AgentCloseAction,
    *,
    key: IdempotencyKey,
    now: datetime,
) -> Case:
    entry_id, digest = key.id, key.digest
    match action:
        case AssignAction(agent_id=agent_id):
            agent = await _find_agent(db, agent_id)
            return case.assign(agent, by=actor, entry_id=entry_id, digest=digest, now=now)
        case SetStatusAction(status=status):
            return case.set_status(Status(status), by=actor, entry_id=entry_id, digest=digest, now=now)
        case AgentCloseAction(resolution=resolution):
            return case.close(
                by=actor,
                reason=resolution,
                resolved=True,
                outcome=Status.CLOSED,
                entry_id=entry_id,
                digest=digest,
                now=now,
            )


async def _find_agent(db: Database, agent_id: UUID) -> Person:
    roles = {"$in": sorted(VENDOR_ROLES)}
    user = await copies.find_copy(db, copies.USERS, {"_id": agent_id, "active": True, "role": roles})
    if user is None:
        raise NotYetKnown("agent_id")
    return Person(user["_id"], user["name"], user["contact_email"], user["language"])


async def _comment(
    db: Database, actor: Actor, number: str, entry: Entry, *, file_ids: Sequence[str], limits: Limits
) -> None:
    case = await store.get_case(db, actor, number)
    case.refuse_unless_commentable(actor)
    # A customer who answers, be it with a file only, gives the turn back.
    answered = {} if actor.is_vendor else {Status.WAITING_CUSTOMER: Status.IN_PROGRESS}
    changes = {"updated_at": entry.at} | (store.status_becomes(answered, now=entry.at) if answered else {})
    await _append_citing(db, actor, case, entry, file_ids=file_ids, limits=limits, changes=changes)


async def _take(db: Database, actor: Actor, number: str, *, key: IdempotencyKey, now: datetime) -> None:
    entry = Entry(key.id, "taken", now, person_of(actor), by_vendor=True, digest=key.digest)
    changes = {
        "assignee": {"$literal": _as_document(person_of(actor))},
        "updated_at": now,
        **store.status_becomes({Status.NEW: Status.IN_PROGRESS}, now=now),
    }
    if await store.append_entry(db, actor, number, entry, only={"assignee": None}, changes=changes):
        return
    case = await _why_not(db, actor, number, key)
    if case is not None and (case.assignee is None or case.assignee.user_id != actor.user_id):
        raise AlreadyTaken(state={"assignee": case.assignee.name if case.assignee else None, "version": case.version})


async def _reply(
    db: Database,
    actor: Actor,
    number: str,
    reply: ReplyAction,
    limits: Limits,
    *,
    key: IdempotencyKey,
    now: datetime,
) -> None:
    case = await store.get_case(db, actor, number)
    entry = Entry(
        key.id,
        "reply",
        now,
        person_of(actor),
        by_vendor=True,
        text=reply.text,
        digest=key.digest,
    )
    changes = {"updated_at": now, **store.status_becomes({Status.NEW: Status.IN_PROGRESS}, now=now)}
    await _append_citing(db, actor, case, entry, file_ids=reply.attachment_ids, limits=limits, changes=changes)


async def _note(
    db: Database,
    actor: Actor,
    number: str,
    note: NoteAction,
    limits: Limits,
    *,
    key: IdempotencyKey,
    now: datetime,
) -> None:
    case = await store.get_case(db, actor, number)
    entry = Entry(
        key.id,
        "note",
        now,
        person_of(actor),
        by_vendor=True,
        text=note.text,
        internal=True,
        digest=key.digest,
    )
    # Nothing that the customer can see has changed: neither the time of the last change, nor the version, by which a
    # change that is being written would be refused as stale.
    unseen = {"version": "$version"}
    await _append_citing(db, actor, case, entry, file_ids=note.attachment_ids, limits=limits, changes=unseen)


async def _append_citing(
    db: Database,
    actor: Actor,
    case: Case,
    entry: Entry,
    *,
    file_ids: Sequence[str],
    limits: Limits,
    changes: Document,
) -> None:
    """The files are claimed last, when nothing but a race can refuse the entry any more."""
    if not case.is_open:
        raise CaseIsClosed(state=_state(case))
    key = IdempotencyKey(entry.id, entry.digest or "")
    async with attaching.claimed(db, actor, file_ids, limits, case_id=case.id, key=key) as files:
        await _append(db, actor, case.number, replace(entry, attachments=files), changes=changes)


async def _append(db: Database, actor: Actor, number: str, entry: Entry, *, changes: Document) -> None:
    if not await store.append_entry(db, actor, number, entry, only=store.HAS_ROOM, changes=changes):
        key = IdempotencyKey(entry.id, entry.digest or "")
        if await _why_not(db, actor, number, key) is not None:
            raise CaseIsFull


async def _why_not(db: Database, actor: Actor, number: str, key: IdempotencyKey) -> Case | None:
    """Why an entry was not added: None when it stands there already, the case when it is open."""
    case = await store.get_case(db, actor, number)
    if await store.find_entry(db, actor, number, key):
        return None
    if not case.is_open:
        raise CaseIsClosed(state=_state(case))
    return case


@asynccontextmanager
async def _made_once(db: Database, actor: Actor, number: str, key: IdempotencyKey) -> AsyncIterator[None]:
    """A change that the same request has made a moment ago is no reason to refuse it."""
    try:
        yield
    except StaleVersion:
        if not await store.find_entry(db, actor, number, key):
            raise


async def _get_at_version(db: Database, actor: Actor, number: str, version: int) -> Case:
    case = await store.get_case(db, actor, number)
    if not case.may_change(actor):
        # Whoever may not change it is not told to read it again and come back.
        raise Forbidden
    if case.version != version:
        raise StaleVersion(state=_state(case))
    return case


async def _save(db: Database, actor: Actor, case: Case) -> None:
    try:
        await store.CASES.save(db, case)
    except StaleVersion as error:
        raise StaleVersion(state=_state(await store.get_case(db, actor, case.number))) from error


def _state(case: Case) -> dict[str, object]:
    return {
        "version": case.version,
        "status": case.status.value,
        "severity": case.problem.severity,
        "assignee": case.assignee.name if case.assignee else None,
    }


def _as_document(person: Person) -> Document:
    document: Document = _PERSON.dump_python(person)
    return document
