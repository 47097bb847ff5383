"""Builders of cases and actions for tests of the rules, without I/O."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from uuid_utils.compat import uuid7

from services.cases.cases.domain.actions import ACTIONS, AGENT_ACTIONS
from services.cases.cases.domain.case import Case, Submission
from services.cases.cases.domain.numbers import case_number
from services.cases.cases.domain.values import Change, Contact, Equipment, PostalAddress, Problem, person_of
from shared.actor import Actor, Role
from shared.coverage import UNVERIFIED
from shared.idempotency import IdempotencyKey
from tests.builders import an_actor

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ANA = an_actor()
AGENT = an_actor(Role.AGENT)


def a_change(by: Actor = ANA, *, at: datetime = NOW) -> Change:
    return Change(by, at, IdempotencyKey(uuid7(), ""))


def a_case(by: Actor = ANA, **changes: Any) -> Case:
    submission = Submission(
        company_id=by.company_id,
        company_name=by.company_name,
        problem=Problem(title="Paper jam", description="It jams on every second page.", severity=3),
        equipment=Equipment("", None, "CN1", None, (), UNVERIFIED),
        submitter=person_of(by),
        contact=Contact("Luc", "Petit", "luc@example.com", "+33472000000"),
        secondary_contact=None,
        site_id=None,
        site_name="",
        equipment_address=PostalAddress("Acme", "1 rue de la Paix", "Lyon", "69001", "FR"),
        parts_address=None,
        confidential=False,
    )
    case = Case.submit(submission, a_change(by), number=case_number(100_000_000))
    return replace(case, events=(), new_entries=(), **changes)


def act(case: Case, action: str, by: Actor = ANA, *, at: datetime = NOW, **fields: object) -> Case:
    return ACTIONS[action].perform(case, a_change(by, at=at), **fields)


def act_as_agent(case: Case, action: str, by: Actor = AGENT, *, at: datetime = NOW, **fields: object) -> Case:
    return AGENT_ACTIONS[action].perform(case, a_change(by, at=at), **fields)


def closed(case: Case, reason: str = "done") -> Case:
    return act(case, "close", reason=reason, resolved=True)


def as_stored(case: Case) -> Case:
    return replace(case, events=(), new_entries=())
