"""Actions on a case, by both sides and by agents.

An action is a row of `domain.actions`. It takes the fields of its body by their names.
"""

from contextlib import suppress
from typing import Any, Literal
from uuid import UUID

from services.cases.attachments import handlers as attaching
from services.cases.attachments.domain.files import Limits
from services.cases.cases import store
from services.cases.cases.domain.actions import ACTIONS, AGENT_ACTIONS, Action, Addition, refuse_unless_vendor
from services.cases.cases.domain.case import Case
from services.cases.cases.domain.refusals import Unchanged
from services.cases.cases.domain.values import Change, Person, Window
from services.cases.cases.handlers.contacts import find_contact
from services.cases.cases.handlers.places import address_of, find_place
from services.cases.cases.store.citations import entry_of
from services.cases.copies import store as copies
from shared.actor import VENDOR_ROLES
from shared.errors import Conflict, NotYetKnown, StaleVersion
from shared.mongo import Database
from shared.quotas import Quota
from shared.schemas.case_actions import (
    AgentActionUnion,
    AssignAction,
    CaseActionUnion,
    ChangeCallbackAction,
    ChangeContactAction,
    ChangePartsAddressAction,
    ChangeSecondaryContactAction,
    ChangeSiteAction,
    ConfirmCallbackAction,
    FitsAnyVersion,
    RequestCallbackAction,
)
from shared.schemas.case_parts import WindowBody

_Body = CaseActionUnion | AgentActionUnion
# Writers to one case take turns within this replica: only those of other replicas come in between.
_TRIES = 10


async def act(
    db: Database, number: str, body: CaseActionUnion, change: Change, *, limits: Limits, quota: Quota
) -> None:
    """Does an action of both sides, once for each key. A value that the case already has changes nothing.

    Raises NotFound, Forbidden for a case that the actor sees but may not change, a refusal of the action's rules,
    StaleVersion with the current state, TooManyEntries, Invalid for files that cannot be cited, and
    IdempotencyKeyReused for a key that made a follow-up of the case.
    """
    # A follow-up leaves no entry in this case: whether the key has made one, the new case tells.
    await store.CASES.find_made_with(db, change.key)
    await _act_once(db, number, ACTIONS[body.action], body, change, limits=limits, quota=quota)


async def act_as_agent(
    db: Database, number: str, body: AgentActionUnion, change: Change, *, limits: Limits, quota: Quota
) -> None:
    """Does an action of agents; otherwise as `act`. Raises Forbidden for customers, even if there is no such case."""
    refuse_unless_vendor(change.by)
    await _act_once(db, number, AGENT_ACTIONS[body.action], body, change, limits=limits, quota=quota)


async def _act_once(
    db: Database, number: str, action: Action, body: _Body, change: Change, *, limits: Limits, quota: Quota
) -> None:
    """Does nothing if the same request did it before, or does it at this moment and is faster."""
    if await store.find_entry(db, change.by, number, change.key):
        return
    try:
        async with quota.taken(db, change.by, now=change.at):
            case = await store.get_case(db, change.by, number)
            if isinstance(action, Addition):
                await _append(db, case, action, body, change, limits=limits)
            elif isinstance(body, FitsAnyVersion) or body.version is None:
                await _save_at_any_version(db, case, action, body, change)
            else:
                await _save(db, case, action, body, change, limits=limits)
    except Unchanged:
        return
    except Conflict:
        if not await store.find_entry(db, change.by, number, change.key):
            raise


async def _save(db: Database, case: Case, action: Action, body: _Body, change: Change, *, limits: Limits) -> None:
    # Comes first: StaleVersion would ask for another try, which would be forbidden too.
    action.refuse_without_right(case, change.by)
    if body.version != case.version:
        raise StaleVersion(state=case.current)
    fields = await _fields(db, case, body)
    file_ids = fields.pop("attachment_ids", ())
    changed = action.perform(case, change, **fields)
    owner = entry_of(case.id, change.key.id)
    async with attaching.claimed(db, change.by, file_ids, limits, owner=owner, digest=change.key.digest) as files:
        try:
            await store.save_case(db, changed.with_files(files), before=case)
        except StaleVersion as error:
            if file_ids and await store.find_entry(db, change.by, case.number, change.key):
                # An equal request was faster: to refuse this one would give back the files of its entry.
                return
            raise StaleVersion(state=(await store.get_case(db, change.by, case.number)).current) from error


async def _save_at_any_version(db: Database, case: Case, action: Action, body: _Body, change: Change) -> None:
    """Changes the case as it is by then. Its rules refuse what another change has made impossible meanwhile."""
    fields = await _fields(db, case, body)
    async with store.turn_at(case.number):
        for _ in range(_TRIES):
            case = await store.get_case(db, change.by, case.number)
            with suppress(StaleVersion):
                await store.save_case(db, action.perform(case, change, **fields), before=case)
                return
    raise StaleVersion(state=case.current)


async def _append(db: Database, case: Case, addition: Addition, body: _Body, change: Change, *, limits: Limits) -> None:
    fields = await _fields(db, case, body)
    file_ids = fields.pop("attachment_ids", ())
    changed = addition.perform(case, change, **fields)
    # Files are claimed last, when only a race can still refuse the entry.
    owner = entry_of(case.id, change.key.id)
    async with attaching.claimed(db, change.by, file_ids, limits, owner=owner, digest=change.key.digest) as files:
        is_written = await store.append_entry(db, change.by, changed.with_files(files), addition)
        # Where an equal request was faster, the files are its entry's: to refuse this one here would give them back.
        if not is_written and not await store.find_entry(db, change.by, case.number, change.key):
            now = await store.get_case(db, change.by, case.number)
            raise addition.refusal(now, change.by, change.at) or StaleVersion(state=now.current)
    if not is_written:
        raise Unchanged


async def _fields(db: Database, case: Case, body: _Body) -> dict[str, Any]:
    """The arguments of the action: the fields of the body, with the people, places and times that they stand for."""
    fields = {name: value for name, value in body if name not in {"action", "version"}}
    match body:
        case AssignAction():
            fields = {"agent": await _find_agent(db, body.agent_id)}
        case ChangeContactAction() | ChangeSecondaryContactAction():
            fields["contact"] = await find_contact(db, case.company_id, body.contact) if body.contact else None
        case ChangeSiteAction():
            fields = {"place": await find_place(db, case, body)}
        case ChangePartsAddressAction():
            fields["parts_address"] = address_of(body.parts_address) if body.parts_address else None
        case RequestCallbackAction() | ChangeCallbackAction() | ConfirmCallbackAction():
            fields["at"] = _window(body.at)
    return fields


def _window(at: WindowBody | Literal["now"] | None) -> Window | None:
    return Window(at.start, at.end) if isinstance(at, WindowBody) else None


async def _find_agent(db: Database, agent_id: UUID) -> Person:
    roles = {"$in": sorted(VENDOR_ROLES)}
    user = await copies.find_copy(db, copies.USERS, {"_id": agent_id, "active": True, "role": roles})
    if user is None:
        raise NotYetKnown("agent_id")
    return Person(user["_id"], user["name"], user["contact_email"], user["language"])
