"""Many people who act on one case, at once or in any order: nothing is lost, and nobody sees more."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.cases.cases import store
from services.cases.cases.domain.case import Case
from services.cases.cases.store import history
from shared.actor import Actor, Role
from shared.mongo import Database
from tests.builders import Json, a_contact, an_actor, an_address
from tests.client import Answer
from tests.events import site_changed, user_changed
from tests.service.cases.conftest import CasesApi, a_replica
from tests.service.cases.files import uploaded
from tests.unbounded import UNBOUNDED
from tests.unit.cases.models import SETTINGS, Reader

CANARY = "CANARY-7431"
PHONE = "+33472000000"


async def until_done(cases: CasesApi, number: str, by: Actor, **change: Any) -> Answer:
    """As a person would: whoever is told that the case was changed looks at it and decides again."""
    while True:
        version = (await cases.get(number, by)).body["version"]
        answer = await cases.act(number, by, version=version, **change)
        if answer.status == 200 or answer.code != "stale":
            return answer


async def test_twenty_who_write_to_one_case_at_once_over_two_replicas_lose_nothing(mongo_url: str) -> None:
    ana, agent = an_actor(), an_actor(Role.AGENT)
    async with a_replica(mongo_url, **UNBOUNDED) as one, a_replica(mongo_url, **UNBOUNDED) as two:
        number = (await one.submitted(ana))["number"]
        files = [await uploaded(one, ana, f"log-{n}.txt") for n in range(2)]
        site = site_changed(ana.company_id, name="Nice")
        await one.hear(site)
        writing = [
            *([one, two][n % 2].act(number, ana, action="comment", text=f"comment {n}") for n in range(4)),
            *([one, two][n % 2].agent_act(number, agent, action="reply", text=f"reply {n}") for n in range(3)),
            *([one, two][n % 2].agent_act(number, agent, action="note", text=f"note {n}") for n in range(3)),
            *([one, two][n].act(number, ana, action="attach", attachment_ids=[files[n]]) for n in range(2)),
            one.act(number, ana, action="request_callback", phone=PHONE),
            two.act(number, ana, action="request_escalation", reason="It is urgent."),
            one.act(number, ana, action="mark_confidential"),
            until_done(two, number, ana, action="change_severity", severity=1),
            until_done(one, number, ana, action="change_contact", contact=a_contact(first_name="Nina")),
            until_done(two, number, ana, action="change_site", site_id=str(site.site_id)),
            until_done(one, number, ana, action="change_parts_address", parts_address=an_address(city="Metz")),
            two.agent_act(number, agent, action="take"),
        ]
        assert len(writing) == 20
        answers = await asyncio.gather(*writing)
        seen = (await one.get(number, agent)).body
    assert {answer.status for answer in answers} == {200}
    kinds = Counter(entry["kind"] for entry in seen["history"])
    assert kinds == {
        "created": 1,
        "comment": 4,
        "reply": 3,
        "note": 3,
        "attached": 2,
        "taken": 1,
        "callback_requested": 1,
        "escalation_requested": 1,
        "marked_confidential": 1,
        "severity_changed": 1,
        "contact_changed": 1,
        "site_changed": 1,
        "parts_address_changed": 1,
    }
    texts = {entry["text"] for entry in seen["history"]}
    assert {f"{kind} {n}" for kind in ("comment", "reply", "note") for n in range(3)} <= texts
    assert (seen["severity"], seen["contact"]["first_name"], seen["site_name"]) == (1, "Nina", "Nice")
    assert (seen["parts_address"]["city"], seen["confidential"]) == ("Metz", True)
    assert (seen["callback"]["phone"], seen["escalation"]["state"]) == (PHONE, "requested")
    assert (seen["assignee"]["user_id"], seen["status"]) == (str(agent.user_id), "in_progress")
    # Each change that the customer sees counts, and notes do not.
    assert seen["version"] == len(seen["history"]) - 3


@pytest.mark.parametrize(("changes", "status"), [(1, 200), (9, 200), (10, 409)])
async def test_a_request_is_tried_again_on_the_case_as_it_has_become(
    cases: CasesApi, changes: int, status: int
) -> None:
    ana, other = an_actor(), an_actor(Role.AGENT)
    number = (await cases.submitted(ana))["number"]
    read, left = store.get_case, [changes]

    async def read_before_a_change(db: Database, actor: Actor, number: str) -> Case:
        """Each time that the case is read under its turn, another replica changes it before it is written."""
        case = await read(db, actor, number)
        if left[0] and number in history._turns:
            left[0] -= 1
            await db["cases"].update_one({"number": number}, {"$inc": {"version": 1}})
        return case

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "get_case", read_before_a_change)
        answer = await cases.act(number, ana, action="request_callback", phone=PHONE)
    assert (answer.status, left) == (status, [0])
    seen = (await cases.get(number, other)).body
    if status == 200:
        assert (seen["callback"]["phone"], seen["version"]) == (PHONE, 2 + changes)
    else:
        assert (answer.code, seen["callback"], seen["version"]) == ("stale", None, 1 + changes)


async def test_a_stale_change_is_told_all_that_others_may_have_changed_as_the_case_says_it(cases: CasesApi) -> None:
    ana, agent = an_actor(), an_actor(Role.AGENT)
    number = (await cases.submitted(ana))["number"]
    site = site_changed(ana.company_id, name="Nice")
    await cases.hear(site)
    day = (datetime.now(UTC) + timedelta(days=3)).date()
    window = {"from": f"{day}T09:00:00.000Z", "to": f"{day}T12:00:00.250+01:00"}

    async def told() -> Json:
        """Beside the case as it is read at the same time."""
        stale = await cases.act(number, ana, action="change_severity", version=0, severity=2)
        assert (stale.status, stale.code) == (409, "stale")
        current: Json = stale.body["current"]
        seen = (await cases.get(number, ana)).body
        seen["assignee"] = seen["assignee"] and seen["assignee"]["name"]
        assert current == {name: seen[name] for name in current}
        return current

    before = await told()
    assert await told() == before
    by_customer: Mapping[str, Json] = {
        "change_contact": {"contact": a_contact(first_name="Nina")},
        "change_secondary_contact": {"contact": a_contact(first_name="Max")},
        "change_site": {"site_id": str(site.site_id)},
        "change_parts_address": {"parts_address": an_address(city="Metz")},
        "change_severity": {"severity": 1},
        "mark_confidential": {},
        "request_callback": {"at": window, "phone": PHONE},
        "request_escalation": {"reason": "It is urgent."},
    }
    for action, fields in by_customer.items():
        version = {"version": before["version"]} if action.startswith("change_") else {}
        assert (await cases.act(number, ana, action=action, **version, **fields)).status == 200
        # What this action has changed, it tells.
        now = await told()
        assert {name for name in now if now[name] != before[name]} > {"version"}, action
        before = now
    for action in ("take", "confirm_callback", "accept_escalation"):
        assert (await cases.agent_act(number, agent, action=action, version=before["version"])).status == 200
        now = await told()
        assert {name for name in now if now[name] != before[name]} > {"version"}, action
        before = now
    assert (before["callback"]["from"], before["callback"]["to"]) == (window["from"], f"{day}T11:00:00.250Z")
    assert (before["contact"]["first_name"], before["secondary_contact"]["first_name"]) == ("Nina", "Max")
    assert before["escalation"]["decided_by"] == {"user_id": str(agent.user_id), "name": agent.name}
    assert before["site_name"] == "Nice"


async def test_a_comment_in_between_makes_a_change_stale_and_a_request_not(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await cases.act(number, ana, action="comment", text="One more thing.")
    changes: Mapping[str, Json] = {
        "change_contact": {"contact": a_contact()},
        "change_secondary_contact": {"contact": a_contact()},
        "change_site": {"equipment_address": an_address(city="Metz")},
        "change_parts_address": {"parts_address": an_address(city="Metz")},
        "change_callback": {"at": "now", "phone": PHONE},
        "cancel_callback": {},
    }
    for action, fields in changes.items():
        answer = await cases.act(number, ana, action=action, version=1, **fields)
        assert (answer.status, answer.code) == (409, "stale")
        assert answer.body["current"]["version"] == 2
        without = await cases.act(number, ana, action=action, **fields)
        if action == "cancel_callback":
            assert (without.status, without.code) == (409, "no_callback")
        else:
            assert (without.status, without.field_codes) == (422, {"version": "missing"})
    requests: Mapping[str, Json] = {
        "request_callback": {"phone": PHONE},
        "request_escalation": {"reason": "It is urgent."},
        "mark_confidential": {},
        "unmark_confidential": {},
    }
    for action, fields in requests.items():
        assert (await cases.act(number, ana, action=action, version=1, **fields)).status == 200
    # Whoever names no version takes the call back whatever has happened; with a version, only the call that they saw.
    assert (await cases.act(number, ana, action="cancel_callback", version=1)).code == "stale"
    taken_back = await cases.act(number, ana, action="cancel_callback")
    assert (taken_back.status, taken_back.body["callback"]) == (200, None)


async def test_no_note_of_an_agent_is_in_any_answer_about_a_case_or_in_what_is_said_of_it(
    cases: CasesApi, agent: Actor
) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]

    async def note() -> None:
        noted = await cases.agent_act(number, agent, action="note", text=CANARY)
        assert (noted.status, CANARY in noted.text) == (200, True)

    await note()
    start = datetime.now(UTC) + timedelta(hours=2)
    window = {"from": start.isoformat(), "to": (start + timedelta(hours=1)).isoformat()}
    actions: list[tuple[str, Json]] = [
        ("change_contact", {"contact": a_contact()}),
        ("change_secondary_contact", {"contact": a_contact()}),
        ("change_site", {"equipment_address": an_address(city="Metz")}),
        ("change_parts_address", {"parts_address": an_address(city="Metz")}),
        ("change_severity", {"severity": 1}),
        ("request_callback", {"phone": PHONE}),
        ("request_callback", {"phone": PHONE}),
        ("change_callback", {"at": window, "phone": PHONE}),
        ("cancel_callback", {}),
        ("request_escalation", {"reason": "It is urgent."}),
        ("request_escalation", {"reason": "It is urgent."}),
        ("mark_confidential", {}),
        ("unmark_confidential", {}),
        ("follow_up", {"description": "It jams again in the same tray."}),
        ("comment", {"text": "Any news?"}),
        ("close", {"reason": "It prints.", "resolved": True}),
        ("cancel", {"reason": "Wrong device."}),
        ("follow_up", {"description": "It jams again in the same tray."}),
        ("reopen", {"reason": "It jams again."}),
    ]
    numbers, statuses = {number}, []
    for action, fields in actions:
        version = (await cases.get(number, ana)).body["version"]
        answer = await cases.act(number, ana, action=action, version=version, **fields)
        statuses.append(answer.status)
        assert "CANARY" not in answer.text, action
        if answer.status == 201:
            numbers.add(answer.body["number"])
        if (await cases.get(number, ana)).body["turn"] is not None:
            await note()
        for path in (f"/cases/{number}", f"/cases/{number}/history", "/cases", "/start", "/cases/facets", "/cases.csv"):
            got = await cases.call("GET", path, ana)
            assert (got.status, "CANARY" in got.text) == (200, False), path
    assert Counter(statuses) == {200: 14, 201: 1, 409: 4}
    for each in numbers:
        assert "CANARY" not in str(await cases.said(each))
        assert ("CANARY" in (await cases.get(each, agent)).text) is (each == number)


PLACES = ("lyon", "nice", "none")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("contact"), st.sampled_from(["luc", "nina", "nobody"])),
        st.tuples(st.just("secondary_contact"), st.sampled_from(["luc", "nina", "nobody"])),
        st.tuples(st.just("site"), st.sampled_from(PLACES)),
        st.tuples(st.just("confidential"), st.sampled_from(["yes", "no"])),
    ),
    min_size=1,
    max_size=6,
)


class Office:
    """A company with two sites, its people, and a case whose sight is kept in a model beside it."""

    def __init__(self, cases: CasesApi) -> None:
        self.cases = cases
        self.owner = an_actor(Role.MEMBER, visibility="own")
        company = self.owner.company_id
        self.sites = {name: site_changed(company, name=name) for name in ("lyon", "nice")}
        nice = self.sites["nice"].site_id
        self.people: dict[str, Actor] = {
            "owner": self.owner,
            **{name: an_actor(Role.MEMBER, company_id=company, visibility="own") for name in ("luc", "nina")},
            "here": an_actor(Role.MEMBER, company_id=company, visibility="site", main_site_id=nice),
            "manager": an_actor(Role.CASE_MANAGER, company_id=company),
            "limited": an_actor(Role.CASE_MANAGER, company_id=company, site_ids=frozenset({nice})),
            "admin": an_actor(Role.COMPANY_ADMIN, company_id=company),
            "stranger": an_actor(Role.COMPANY_ADMIN),
        }
        self.own = {"contact": "nobody", "secondary_contact": "nobody"}
        self.place, self.confidential = "none", False

    async def begin(self) -> None:
        for name in ("luc", "nina"):
            await self.cases.hear(user_changed(self.people[name]))
        for site in self.sites.values():
            await self.cases.hear(site)
        self.number = (await self.cases.submitted(self.owner))["number"]

    async def change(self, what: str, to: str) -> None:
        if what == "confidential":
            self.confidential = to == "yes"
            fields: Json = {"action": "mark_confidential" if self.confidential else "unmark_confidential"}
        elif what == "site":
            self.place = to
            place: Json = {"site_id": str(self.sites[to].site_id)} if to in self.sites else {}
            fields = {"action": "change_site"} | (place or {"equipment_address": an_address()})
        else:
            self.own[what] = to
            contact = a_contact() if to == "nobody" else a_contact(email=self.people[to].login_email)
            fields = {"action": f"change_{what}", "contact": contact}
        version = (await self.cases.get(self.number, self.owner)).body["version"]
        answer = await self.cases.act(self.number, self.owner, version=version, **fields)
        assert answer.status == 200, answer.body

    def seen_by_the_model(self) -> set[str]:
        own = {self.owner.user_id, *(self.people[name].user_id for name in self.own.values() if name in self.people)}
        site = self.sites[self.place].site_id if self.place in self.sites else None
        return {
            name
            for name, actor in self.people.items()
            if Reader(
                actor.user_id,
                actor.company_id,
                actor.role.value,
                actor.visibility.value,
                actor.site_ids,
                actor.main_site_id,
            ).sees(company=self.owner.company_id, own=own, site=site, confidential=self.confidential)
        }

    async def seen(self) -> set[str]:
        got = await asyncio.gather(*(self.cases.get(self.number, actor) for actor in self.people.values()))
        listed = await asyncio.gather(*(self.cases.listed(actor) for actor in self.people.values()))
        seen = {name for name, answer in zip(self.people, got, strict=True) if answer.status == 200}
        assert seen == {name for name, numbers in zip(self.people, listed, strict=True) if self.number in numbers}
        return seen


@settings(SETTINGS, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
async def test_whoever_is_on_a_case_wherever_it_is_those_see_it_whom_the_model_says(
    cases: CasesApi, steps: list[tuple[str, str]]
) -> None:
    office = Office(cases)
    await office.begin()
    for what, to in steps:
        await office.change(what, to)
        assert await office.seen() == office.seen_by_the_model(), (what, to)
