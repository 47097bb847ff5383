"""What is allowed and what is refused, over all roles, relations, states and actions."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any, get_args

import pytest

from services.cases.cases.domain.actions import (
    ACTIONS,
    AGENT_ACTIONS,
    OFFERS,
    Action,
    Addition,
    Offer,
    allowed_actions,
)
from services.cases.cases.domain.case import Case
from services.cases.cases.domain.refusals import REOPEN_WITHIN
from services.cases.cases.domain.values import (
    OPEN,
    Callback,
    Contact,
    EntryKind,
    Escalation,
    EscalationState,
    Person,
    Place,
    PostalAddress,
    Status,
    Window,
    person_of,
)
from services.cases.cases.store.history import AS_FILTER
from shared.actor import Actor, Role
from shared.errors import Forbidden, Refusal
from shared.schemas.case_actions import (
    AgentActionName,
    AgentActionUnion,
    CaseActionName,
    CaseActionUnion,
    EntryKindName,
)
from tests.builders import an_actor
from tests.unit.cases.acting import ANA, NOW, a_case, a_change

OTHER = an_actor(Role.AGENT, name="Other Agent")
NINA = Contact("Nina", "Roy", "nina@example.com", "+33472000001")
ELSEWHERE = PostalAddress("Acme", "2 quai du Port", "Marseille", "13002", "FR")
TOMORROW = Window(NOW + timedelta(days=1), NOW + timedelta(days=1, hours=2))
CALLBACK = Callback(None, NOW, "+33472000000", person_of(ANA), NOW)
ESCALATION = Escalation(EscalationState.REQUESTED, "It is urgent.", person_of(ANA), NOW)
# What people wait for: nothing, an answer, and what was answered.
WAITING: list[dict[str, Any]] = [
    {},
    {"callback": CALLBACK, "escalation": ESCALATION, "confidential": True},
    {
        "callback": replace(CALLBACK, confirmed_at=NOW),
        "escalation": replace(ESCALATION, state=EscalationState.ACCEPTED),
    },
    {"escalation": replace(ESCALATION, state=EscalationState.DECLINED)},
]
# Each action with fields that would change every case of `every_case`.
FIELDS: Mapping[str, Mapping[str, Any]] = {
    "comment": {"text": "Here is the log."},
    "attach": {},
    "change_contact": {"contact": NINA},
    "change_secondary_contact": {"contact": NINA},
    "change_site": {"place": Place(None, "", ELSEWHERE, None, "")},
    "change_parts_address": {"parts_address": ELSEWHERE},
    "change_severity": {"severity": 1},
    "request_callback": {"at": None, "phone": "+33472000000"},
    "change_callback": {"at": TOMORROW, "phone": "+33472000000"},
    "cancel_callback": {},
    "request_escalation": {"reason": "Nothing has worked since Monday."},
    "mark_confidential": {},
    "unmark_confidential": {},
    "close": {"reason": "It prints.", "resolved": True},
    "cancel": {"reason": "Wrong device."},
    "reopen": {"reason": "It jams again."},
}
AGENT_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "take": {},
    "assign": {"agent": person_of(an_actor(Role.AGENT))},
    "reply": {"text": "Please send the log."},
    "note": {"text": "Called them."},
    "set_status": {"status": Status.IN_PROGRESS},
    "confirm_callback": {"at": TOMORROW},
    "finish_callback": {"text": ""},
    "accept_escalation": {"text": ""},
    "decline_escalation": {"text": "An engineer is on the way."},
    "close": {"resolution": "Replaced the roller."},
}
BOTH = [(ACTIONS, FIELDS), (AGENT_ACTIONS, AGENT_FIELDS)]
RELATIONS = {
    Role.MEMBER: ("owner", "contact", "none"),
    Role.CASE_MANAGER: ("owner", "none"),
    Role.COMPANY_ADMIN: ("owner", "none"),
    Role.AGENT: ("none",),
    Role.VENDOR_ADMIN: ("none",),
}


def related(case: Case, actor: Actor, relation: str) -> Case:
    if relation == "owner":
        return replace(case, owner=person_of(actor))
    return replace(case, contact=replace(case.contact, user_id=actor.user_id)) if relation == "contact" else case


def assignees(actor: Actor) -> Iterator[Person | None]:
    yield None
    yield person_of(OTHER)
    if actor.is_vendor:
        yield person_of(actor)


def every_case() -> Iterator[tuple[Actor, Case]]:
    """Each role, related to the case in each way; the case in each state, full or not, and with what is waited for."""
    for role, relations in RELATIONS.items():
        actor = an_actor(role, company_id=ANA.company_id)
        for relation in relations:
            for status in Status:
                for age in (timedelta(0), REOPEN_WITHIN + timedelta(seconds=1)) if status is Status.CLOSED else (None,):
                    for assignee in assignees(actor):
                        for is_full, waiting in product((False, True), WAITING):
                            case = a_case(
                                status=status,
                                assignee=assignee,
                                is_full=is_full,
                                closed_at=None if age is None else NOW - age,
                                **waiting,
                            )
                            yield actor, related(case, actor, relation)


def _other(fields: Mapping[str, object], case: Case) -> Mapping[str, object]:
    """The fields with a status that the case does not have yet."""
    is_so = fields.get("status") is case.status
    return {**fields, "status": Status.WAITING_PARTS} if is_so else fields


def refusal_of(action: Action, case: Case, by: Actor, fields: Mapping[str, object]) -> Refusal | None:
    try:
        action.perform(case, a_change(by), **fields)
    except Refusal as refusal:
        return refusal
    return None


def test_an_action_is_allowed_exactly_when_it_is_not_refused() -> None:
    ever_allowed = set()
    for actor, case in every_case():
        for actions, fields in BOTH:
            allowed = allowed_actions(actions, case, actor, NOW)
            done = [
                name for name in actions if refusal_of(actions[name], case, actor, _other(fields[name], case)) is None
            ]
            assert allowed == done, (actor.role, case.status, case.assignee, case.is_full)
            ever_allowed.update(allowed)
    assert ever_allowed == {*ACTIONS, *AGENT_ACTIONS}


def test_without_the_right_every_action_is_forbidden() -> None:
    for actor, case in every_case():
        for actions, fields in BOTH:
            for name, action in actions.items():
                refusal = refusal_of(action, case, actor, fields[name])
                assert isinstance(refusal, Forbidden) is not action.right(case, actor), (actor.role, name)


CHANGES = [
    "change_contact",
    "change_secondary_contact",
    "change_site",
    "change_parts_address",
    "change_severity",
    "request_callback",
    "request_escalation",
]
UNMARKED = [*CHANGES, "close", "cancel"]
MARKED = [*CHANGES, "mark_confidential", "close", "cancel"]
WRITE = ["comment", "attach"]
BY_AGENT = ["take", "assign", "reply", "note", "set_status", "close"]
ON_CALLBACK = ["confirm_callback", "finish_callback"]
ON_ESCALATION = ["accept_escalation", "decline_escalation"]


@pytest.mark.parametrize(
    ("role", "relation", "allowed", "allowed_to_agents"),
    [
        (Role.MEMBER, "owner", [*WRITE, *MARKED], []),
        (Role.MEMBER, "contact", WRITE, []),
        (Role.MEMBER, "none", [], []),
        (Role.CASE_MANAGER, "none", [*WRITE, *UNMARKED], []),
        (Role.CASE_MANAGER, "owner", [*WRITE, *MARKED], []),
        (Role.COMPANY_ADMIN, "none", [*WRITE, *MARKED], []),
        (Role.AGENT, "none", [*WRITE, *MARKED], BY_AGENT),
        (Role.VENDOR_ADMIN, "none", [*WRITE, *MARKED], BY_AGENT),
    ],
)
@pytest.mark.parametrize("status", sorted(OPEN))
def test_what_each_role_may_do_with_an_open_case(
    role: Role, relation: str, status: Status, allowed: list[str], allowed_to_agents: list[str]
) -> None:
    actor = an_actor(role, company_id=ANA.company_id)
    case = related(a_case(status=status), actor, relation)
    assert allowed_actions(OFFERS, case, actor, NOW) == allowed
    assert allowed_actions(AGENT_ACTIONS, case, actor, NOW) == allowed_to_agents


@pytest.mark.parametrize(
    ("changes", "allowed", "allowed_to_agents"),
    [
        ({"status": Status.CLOSED, "closed_at": NOW}, ["mark_confidential", "reopen", "follow_up"], []),
        (
            {"status": Status.CLOSED, "closed_at": NOW - REOPEN_WITHIN - timedelta(seconds=1)},
            ["mark_confidential", "follow_up"],
            [],
        ),
        ({"status": Status.CANCELLED, "closed_at": NOW}, ["mark_confidential", "follow_up"], []),
        ({"is_full": True}, [*MARKED, "follow_up"], ["take", "assign", "set_status", "close"]),
        (
            {"is_full": True, "status": Status.CLOSED, "closed_at": NOW},
            ["mark_confidential", "reopen", "follow_up"],
            [],
        ),
        ({"assignee": person_of(OTHER)}, [*WRITE, *MARKED], ["assign", "reply", "note", "set_status", "close"]),
        (
            {"callback": CALLBACK, "escalation": ESCALATION, "confidential": True},
            [
                *WRITE,
                *CHANGES[:5],
                *("change_callback", "cancel_callback", "unmark_confidential", "close", "cancel"),
            ],
            [*BY_AGENT[:5], *ON_CALLBACK, *ON_ESCALATION, "close"],
        ),
        (
            {"callback": replace(CALLBACK, confirmed_at=NOW)},
            [
                *WRITE,
                *CHANGES[:5],
                *("change_callback", "cancel_callback", "request_escalation", "mark_confidential", "close", "cancel"),
            ],
            [*BY_AGENT[:5], "finish_callback", "close"],
        ),
    ],
    ids=[
        "closed",
        "closed long ago",
        "cancelled",
        "full",
        "full and closed",
        "taken",
        "waited for",
        "call confirmed",
    ],
)
def test_what_an_agent_may_do_in_each_state(
    changes: dict[str, Any], allowed: list[str], allowed_to_agents: list[str]
) -> None:
    agent = an_actor(Role.AGENT)
    assert allowed_actions(OFFERS, a_case(**changes), agent, NOW) == allowed
    assert allowed_actions(AGENT_ACTIONS, a_case(**changes), agent, NOW) == allowed_to_agents


# What is judged by the case as it is when it is written, whatever was seen of it before.
ANY_VERSION = {
    *("request_callback", "request_escalation", "mark_confidential", "unmark_confidential", "follow_up"),
    *("cancel_callback", "confirm_callback", "finish_callback", "accept_escalation", "decline_escalation"),
}
# What its handler makes of the fields of a body.
LOOKED_UP = {"agent_id": "agent", "site_id": "place", "equipment_address": "place", "pin": "place"}


@pytest.mark.parametrize(
    ("union", "offers"), [(CaseActionUnion, OFFERS), (AgentActionUnion, AGENT_ACTIONS)], ids=["both sides", "agents"]
)
def test_each_action_takes_the_fields_of_its_body(union: Any, offers: Mapping[str, Offer]) -> None:
    bodies = {get_args(body.model_fields["action"].annotation)[0]: body for body in get_args(get_args(union)[0])}
    assert list(bodies) == list(offers)
    by_handler = {"action", "version", "attachment_ids"}
    for name, body in bodies.items():
        action = offers[name]
        # Only what fits whatever else happens meanwhile may come without the version that its sender saw.
        is_free = isinstance(action, Addition) or name in ANY_VERSION
        assert is_free is not body.model_fields["version"].is_required(), name
        if isinstance(action, Action):
            given = {LOOKED_UP.get(field, field) for field in body.model_fields if field not in by_handler}
            parameters = inspect.signature(action.change).parameters.values()
            assert given == {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}, name


def test_the_database_judges_every_rule_of_an_addition() -> None:
    additions = [action for action in (*ACTIONS.values(), *AGENT_ACTIONS.values()) if isinstance(action, Addition)]
    assert {rule for addition in additions for rule in addition.rules} == set(AS_FILTER)


def test_the_api_names_every_action_and_every_kind_of_entry() -> None:
    assert list(get_args(CaseActionName)) == list(OFFERS)
    assert list(get_args(AgentActionName)) == list(AGENT_ACTIONS)
    assert set(get_args(EntryKindName)) == set(EntryKind)
