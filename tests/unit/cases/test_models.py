"""A case and the rule of who sees it, held against models of them over whatever may happen in whatever order."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from services.cases.cases.domain.actions import ACTIONS, AGENT_ACTIONS, OFFERS, allowed_actions
from services.cases.cases.domain.values import Contact, Place, PostalAddress, Status, Window, person_of
from services.cases.cases.domain.visibility import readers_of, reads_as, sees
from shared.actor import Actor, Role, Visibility
from shared.errors import Refusal
from shared.events.cases import CaseChanged, CaseClosed
from tests.builders import an_actor
from tests.unit.cases.acting import NOW, a_case, a_change, as_stored
from tests.unit.cases.models import SETTINGS, WHO, Model, Reader

OWNER = an_actor(Role.MEMBER)
PEOPLE: Mapping[str, Actor] = {
    "owner": OWNER,
    "contact": an_actor(Role.MEMBER, company_id=OWNER.company_id),
    "manager": an_actor(Role.CASE_MANAGER, company_id=OWNER.company_id),
    "admin": an_actor(Role.COMPANY_ADMIN, company_id=OWNER.company_id),
    "colleague": an_actor(Role.MEMBER, company_id=OWNER.company_id),
    "agent": an_actor(Role.AGENT),
}
STATUSES = ("in_progress", "waiting_customer", "waiting_parts")
STEPS: list[tuple[str, bool]] = [(name, False) for name in ACTIONS] + [(name, True) for name in AGENT_ACTIONS]


Step = tuple[str, bool]  # the name of an action, and whether it is one of agents
NOT_GOING_ON = {"close", "cancel", "follow_up"}
# Also nearly, and just more than, the time within which a case is reopened.
HOURS = st.sampled_from([0, 1, 24, 335, 337])


class Machine(RuleBasedStateMachine):
    """Anybody tries anything at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.steps = 0
        self.model = Model()
        contact = Contact("Luc", "Petit", "luc@example.com", "+33472000000", user_id=PEOPLE["contact"].user_id)
        self.case = replace(a_case(OWNER), contact=contact)

    def _fields(self, action: str, *, as_agent: bool, status: str) -> dict[str, Any]:
        """Each time other ones, so that every action that is allowed changes something."""
        self.steps += 1
        address = PostalAddress("Acme", f"{self.steps} quai du Port", "Marseille", "13002", "FR")
        at = Window(self.now + timedelta(hours=1), self.now + timedelta(hours=2, minutes=self.steps))
        # Who is the contact decides who may comment: it stays the same person.
        contact = replace(self.case.contact, phone=f"+3347200{self.steps:04}")
        of: dict[str, dict[str, Any]] = {
            "comment": {"text": "Here is the log."},
            "change_contact": {"contact": contact},
            "change_secondary_contact": {"contact": replace(contact, user_id=None)},
            "change_site": {"place": Place(None, "", address, None, "")},
            "change_parts_address": {"parts_address": address},
            "change_severity": {"severity": self.case.problem.severity % 4 + 1},
            "request_callback": {"at": None, "phone": "+33472000000"},
            "change_callback": {"at": at, "phone": "+33472000000"},
            "request_escalation": {"reason": "It is urgent."},
            "close": {"reason": "It prints.", "resolved": True},
            "cancel": {"reason": "Wrong device."},
            "reopen": {"reason": "It jams again."},
        }
        of_agents: dict[str, dict[str, Any]] = {
            "assign": {"agent": person_of(an_actor(Role.AGENT))},
            "reply": {"text": "Please send the log.", "status": None},
            "note": {"text": "Called them."},
            "set_status": {"status": status},
            "confirm_callback": {"at": None},
            "finish_callback": {"text": ""},
            "accept_escalation": {"text": ""},
            "decline_escalation": {"text": "Not now."},
            "close": {"resolution": "Replaced the roller."},
        }
        return (of_agents if as_agent else of).get(action, {})

    def _settable(self, status: str) -> str:
        """A new case can only begin; what it is in already would change nothing."""
        others = [each for each in STATUSES if each != self.model.status]
        return "in_progress" if self.model.status == "new" else status if status in others else others[0]

    @rule(step=st.sampled_from(STEPS), who=st.sampled_from(WHO), hours=HOURS, wanted=st.sampled_from(STATUSES))
    def anybody_tries_anything(self, step: Step, who: str, hours: int, wanted: str) -> None:
        """What the model allows is done, and what it does not allow is refused."""
        self.now += timedelta(hours=hours)
        self._try(step, who, wanted)

    @rule(data=st.data(), hours=HOURS, wanted=st.sampled_from(STATUSES))
    def somebody_goes_on(self, data: st.DataObject, hours: int, wanted: str) -> None:
        """With something that is allowed and does not end the case, so that much happens to it."""
        self.now += timedelta(hours=hours)
        who_may: dict[Step, list[str]] = {}
        for who in WHO:
            for names, as_agent in (
                (self.model.allowed(who, self.now), False),
                (self.model.allowed_to_agents(who), True),
            ):
                for name in sorted(names - NOT_GOING_ON):
                    who_may.setdefault((name, as_agent), []).append(who)
        if who_may:
            step = data.draw(st.sampled_from([*who_may]))
            self._try(step, data.draw(st.sampled_from(who_may[step])), wanted)

    def _try(self, step: Step, who: str, wanted: str) -> None:
        action, as_agent = step
        status = self._settable(wanted)
        fields = self._fields(action, as_agent=as_agent, status=status)
        allowed = self.model.allowed_to_agents(who) if as_agent else self.model.allowed(who, self.now)
        change = a_change(PEOPLE[who], at=self.now)
        try:
            changed = (AGENT_ACTIONS if as_agent else ACTIONS)[action].perform(self.case, change, **fields)
        except Refusal:
            assert action not in allowed
            return
        assert action in allowed
        before, self.model = self.model, self.model.after(action, who, self.now, status)
        (entry,) = changed.new_entries
        assert (entry.kind.value, entry.by_vendor) == (self.model.history[-1], who == "agent")
        has_turned = (before.turn is None) is not (self.model.turn is None)
        assert [type(event) for event in changed.events if isinstance(event, CaseChanged)] == [CaseChanged] * has_turned
        ends = self.model.turn is None and has_turned
        assert [type(event) for event in changed.events if isinstance(event, CaseClosed)] == [CaseClosed] * ends
        self.case = replace(as_stored(changed), version=self.case.version + 1)

    @invariant()
    def the_case_is_as_its_model(self) -> None:
        """In each thing that the model knows of."""
        case, model = self.case, self.model
        assert (case.status.value, case.turn, case.closed_at) == (model.status, model.turn, model.closed_at)
        assert (case.confidential, case.assignee is not None) == (model.confidential, model.taken)
        confirmed = case.callback is not None and case.callback.confirmed_at is not None
        assert ("confirmed" if confirmed else "asked" if case.callback else "") == model.call
        assert (case.escalation.state.value if case.escalation else "") == model.escalation
        if case.status in (Status.CLOSED, Status.CANCELLED):
            assert (case.callback, case.escalation) == (None, None)

    @invariant()
    def what_is_offered_is_what_the_model_allows(self) -> None:
        """To everybody, at every moment."""
        for who, actor in PEOPLE.items():
            assert set(allowed_actions(OFFERS, self.case, actor, self.now)) == self.model.allowed(who, self.now), who
            assert set(allowed_actions(AGENT_ACTIONS, self.case, actor, self.now)) == self.model.allowed_to_agents(who)


def test_a_case_does_what_its_model_says_whoever_acts_in_whatever_order() -> None:
    run_state_machine_as_test(Machine, settings=settings(SETTINGS, max_examples=60, stateful_step_count=40))


IDS = [UUID(int=number) for number in range(1, 10)]
USERS, COMPANIES, SITES = IDS[:3], IDS[3:5], IDS[5:8]
maybe_a_site = st.sampled_from([None, *SITES])
readers = st.builds(
    Reader,
    user=st.sampled_from(USERS),
    company=st.sampled_from(COMPANIES),
    role=st.sampled_from([role.value for role in Role]),
    visibility=st.sampled_from([visibility.value for visibility in Visibility]),
    scope=st.none() | st.frozensets(st.sampled_from(SITES)),
    main_site=maybe_a_site,
)


def actor_of(reader: Reader) -> Actor:
    # A company's administrators are never limited.
    return an_actor(
        Role(reader.role),
        company_id=reader.company,
        user_id=reader.user,
        visibility=reader.visibility,
        site_ids=None if reader.role == "company_admin" else reader.scope,
        main_site_id=reader.main_site,
    )


@settings(SETTINGS, max_examples=400)
@given(
    reader=readers,
    company=st.sampled_from(COMPANIES),
    own=st.lists(st.sampled_from([None, *USERS]), min_size=3, max_size=3),
    site=maybe_a_site,
    confidential=st.booleans(),
)
def test_the_rule_of_who_sees_a_case_and_the_readers_in_the_database_are_what_the_model_says(
    reader: Reader, company: UUID, own: list[UUID | None], site: UUID | None, *, confidential: bool
) -> None:
    owner, contact, secondary = own
    by = an_actor(company_id=company)
    case = a_case(by, site_id=site, confidential=confidential)
    people = [Contact("Luc", "Petit", "luc@example.com", "+33472000000", user_id=user) for user in (contact, secondary)]
    case = replace(case, contact=people[0], secondary_contact=people[1] if secondary else None)
    if owner is not None:
        case = replace(case, owner=replace(case.owner, user_id=owner))
    owners = {each for each in (case.owner.user_id, contact, secondary) if each}
    expected = reader.sees(company=company, own=owners, site=site, confidential=confidential)
    actor = actor_of(reader)
    assert sees(actor, case) is expected
    if not actor.is_vendor:
        is_found = actor.company_id == case.company_id and bool({*reads_as(actor)} & {*readers_of(case)})
        assert is_found is expected
