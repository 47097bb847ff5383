"""What a case says is allowed, held against what the service then does, and against what the database judges."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from services.cases.cases import store
from services.cases.cases.domain.numbers import case_number
from services.cases.cases.domain.refusals import REOPEN_WITHIN
from services.cases.cases.domain.visibility import CONFIDENTIAL
from services.cases.cases.store.history import AS_FILTER
from shared.actor import Actor, Role
from tests.builders import Json, a_contact, an_actor, an_address
from tests.events import site_changed, user_changed
from tests.service.cases.conftest import CasesApi

MIB = 1024 * 1024
NUMBERS = count(900_000_000)  # the service never comes so far
OTHER_AGENT = {"user_id": uuid7(), "name": "Other Agent", "email": "other@example.com", "language": "en"}
NOW = datetime.now(UTC)
SOMEBODY = {"user_id": uuid7(), "name": "Ana Duarte", "email": "ana@example.com", "language": "en"}
CALLBACK = {
    "window": None,
    "due_at": NOW,
    "phone": "+33472000000",
    "requested_by": SOMEBODY,
    "requested_at": NOW,
    "confirmed_at": None,
}
ESCALATION = {
    "state": "requested",
    "reason": "Nothing has worked since Monday.",
    "requested_by": SOMEBODY,
    "requested_at": NOW,
    "decided_by": None,
    "decided_at": None,
    "answer": "",
}
ENDED: Json = {"closed_at": datetime.now(UTC), "turn_since": None}
STATES: dict[str, Json] = {
    "new": {},
    "in progress and taken": {"status": "in_progress", "assignee": OTHER_AGENT},
    "waiting for the customer": {"status": "waiting_customer"},
    "full of entries": {"entries": 1_000},
    "full of text": {"text": "x" * 8 * MIB},
    "closed": {"status": "closed", **ENDED},
    "closed long ago": {
        "status": "closed",
        **ENDED,
        "closed_at": datetime.now(UTC) - REOPEN_WITHIN - timedelta(hours=1),
    },
    "cancelled": {"status": "cancelled", **ENDED},
    "waited for": {"status": "in_progress", "callback": CALLBACK, "escalation": ESCALATION},
    "answered": {
        "status": "in_progress",
        "callback": {**CALLBACK, "confirmed_at": NOW},
        "escalation": {**ESCALATION, "state": "accepted"},
    },
    "declined": {"status": "in_progress", "escalation": {**ESCALATION, "state": "declined"}},
    "confidential": {"confidential": True},
}
BOTH_SIDES: dict[str, Json] = {
    "comment": {"text": "Here is the log."},
    "change_contact": {"contact": a_contact(first_name="Nina")},
    "change_secondary_contact": {"contact": a_contact(first_name="Nina")},
    "change_site": {"equipment_address": an_address(city="Nice")},
    "change_parts_address": {"parts_address": an_address(city="Nice")},
    "change_severity": {"severity": 1},
    "request_callback": {"phone": "+33472000000"},
    "change_callback": {"at": "now", "phone": "+33472000001"},
    "cancel_callback": {},
    "request_escalation": {"reason": "It stands still."},
    "mark_confidential": {},
    "unmark_confidential": {},
    "close": {"reason": "It prints.", "resolved": True},
    "cancel": {"reason": "Wrong device."},
    "reopen": {"reason": "It jams again."},
    "follow_up": {"description": "It jams again, now in the second tray."},
}
AGENTS: dict[str, Json] = {
    "take": {},
    "assign": {},
    "reply": {"text": "Please send the log."},
    "note": {"text": "Called them."},
    "set_status": {},
    "confirm_callback": {},
    "finish_callback": {},
    "accept_escalation": {},
    "decline_escalation": {"text": "An engineer is on the way."},
    "close": {"resolution": "Replaced the roller."},
}


async def stored(cases: CasesApi, number: str) -> Json:
    document = await cases.db["cases"].find_one({"number": number})
    assert document is not None
    return document


async def a_copy(cases: CasesApi, number: str, *, entries: int = 1, text: str = "", **fields: Any) -> str:
    """The number of another case that is like this one, but for these fields and the length of its history."""
    document = await stored(cases, number)
    copied = case_number(next(NUMBERS))
    first = document["history"][0] | {"text": text}
    new: Json = {"_id": uuid7(), "number": copied, "history": [first] * entries}
    if fields.get("confidential"):
        new["readers"] = [*document["own_ids"], CONFIDENTIAL]
    await cases.db["cases"].insert_one(document | new | fields)
    return copied


async def do(cases: CasesApi, number: str, actor: Actor, action: str, fields: Json, *, as_agent: bool) -> bool:
    """Whether the service has done it: whatever it refuses, or leaves as it is, adds no entry and makes no case."""
    before = await stored(cases, number)
    call = cases.agent_act if as_agent else cases.act
    answer = await call(number, actor, action=action, version=before["version"], **fields)
    after = await stored(cases, number)
    is_done = len(after["history"]) > len(before["history"]) or answer.status == 201
    # To mark what is marked already leaves it as it is, as everything that two people do in the same moment.
    is_unchanged = action in ("mark_confidential", "unmark_confidential") and answer.status == 200
    assert answer.status in (200, 201) if is_done else answer.status in (403, 409) or is_unchanged, (
        action,
        answer.body,
    )
    return is_done


# Who sees the case: also where it is confidential, only where it is not, and never. The limited ones are limited to
# another site, those of the site to this one, and those from elsewhere are of another company.
ALWAYS = ("owner", "contact", "administrator", "agent", "limited owner", "limited contact")
IN_COMPANY = ("manager", "colleague", "manager of the site", "colleague of the site")
NEVER = ("limited manager", "limited colleague", "administrator from elsewhere")


def a_person(who: str, company_id: UUID, site_id: UUID) -> Actor:
    """Of the company, unless they are from elsewhere."""
    role = Role.MEMBER
    if "manager" in who:
        role = Role.CASE_MANAGER
    elif "administrator" in who:
        role = Role.COMPANY_ADMIN
    limits = {"of the site": frozenset({site_id}), "limited": frozenset({uuid7()})}
    site_ids = next((ids for words, ids in limits.items() if words in who), None)
    return an_actor(role, company_id=uuid7() if "elsewhere" in who else company_id, site_ids=site_ids)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("who", [*ALWAYS, *IN_COMPANY, *NEVER])
async def test_the_service_does_exactly_what_the_case_says_is_allowed(
    cases: CasesApi, agent: Actor, who: str, state: str
) -> None:
    site = site_changed(uuid7())
    await cases.hear(site)
    owner, contact = (
        a_person(name if who == name else name.split()[-1], site.company_id, site.site_id)
        for name in ("limited owner", "limited contact")
    )
    people = {"agent": agent, "owner": owner, "limited owner": owner, "contact": contact, "limited contact": contact}
    actor = people.get(who) or a_person(who, site.company_id, site.site_id)
    await cases.hear(user_changed(contact))
    await cases.hear(user_changed(agent))
    contact_body = a_contact(user_id=str(contact.user_id), email=contact.email)
    like = (await cases.submitted(owner, contact=contact_body, site_id=str(site.site_id)))["number"]
    answer = await cases.get(await a_copy(cases, like, **STATES[state]), actor)
    assert answer.status == (200 if who in ALWAYS or (who in IN_COMPANY and state != "confidential") else 404)
    if answer.status != 200:
        number = await a_copy(cases, like, **STATES[state])
        for call, actions, status in ((cases.act, BOTH_SIDES, 404), (cases.agent_act, AGENTS, 403)):
            for name, fields in actions.items():
                sent = {"assign": {"agent_id": str(agent.user_id)}, "set_status": {"status": "waiting_parts"}}
                refused = await call(number, actor, action=name, version=1, **sent.get(name, fields))
                assert refused.status == status, (name, refused.body)
        left = await stored(cases, number)
        assert (left["version"], len(left["history"])) == (1, STATES[state].get("entries", 1))
        return
    seen = answer.body
    agents = AGENTS | {
        "assign": {"agent_id": str(agent.user_id)},
        "set_status": {"status": "in_progress" if seen["status"] == "new" else "waiting_parts"},
    }
    for allowed, actions, as_agent in (
        (seen["allowed_actions"], BOTH_SIDES, False),
        (seen["allowed_agent_actions"], agents, True),
    ):
        done = [
            name
            for name, fields in actions.items()
            if await do(cases, await a_copy(cases, like, **STATES[state]), actor, name, fields, as_agent=as_agent)
        ]
        assert done == [name for name in allowed if name in actions]
        assert ("attach" in allowed) is ("comment" in done)


@pytest.mark.parametrize("state", STATES)
async def test_the_database_judges_a_race_as_the_rules_do(cases: CasesApi, agent: Actor, state: str) -> None:
    like = (await cases.submitted(an_actor()))["number"]
    number = await a_copy(cases, like, **STATES[state])
    case = await store.get_case(cases.db, agent, number)
    for rule, fits in AS_FILTER.items():
        refusal = rule(case, agent, datetime.now(UTC))
        found = await cases.db["cases"].count_documents({"number": number, **fits})
        assert found == (refusal is None), rule


async def test_the_last_entry_that_fits_is_written_and_the_next_is_not(cases: CasesApi, agent: Actor) -> None:
    like = (await cases.submitted(an_actor()))["number"]
    number = await a_copy(cases, like, entries=999)
    assert "note" in (await cases.get(number, agent)).body["allowed_agent_actions"]
    assert await do(cases, number, agent, "note", AGENTS["note"], as_agent=True)
    assert "note" not in (await cases.get(number, agent)).body["allowed_agent_actions"]
    assert not await do(cases, number, agent, "note", AGENTS["note"], as_agent=True)
