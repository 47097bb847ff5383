"""What each person marks of the cases they see: favourites, and what is new since they last saw one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.cases.cases.store import marks
from shared.actor import Actor, Role, Visibility
from shared.web.app import CLOCK
from tests.builders import Json, a_contact, an_actor
from tests.client import Answer
from tests.service.cases.conftest import CasesApi


async def mark(cases: CasesApi, method: str, number: str, by: Actor, what: str = "favourite", **body: Any) -> Answer:
    request: dict[str, Any] = {"json": body} if what == "visit" else {}
    return await cases.call(method, f"/cases/{number}/{what}", by, **request)


async def row(cases: CasesApi, number: str, by: Actor) -> Json:
    query = {"company_id": str(by.company_id)} if not by.is_vendor else {}
    rows = (await cases.call("GET", "/cases", by, params={**query, "q": number})).body["items"]
    (found,) = [each for each in rows if each["number"] == number]
    result: Json = found
    return result


async def is_new(cases: CasesApi, number: str, by: Actor) -> bool:
    """As the row and the detail say it, alike."""
    told = {(await row(cases, number, by))["is_new"], (await cases.get(number, by)).body["is_new"]}
    (said,) = told
    return bool(said)


async def mark_of(cases: CasesApi, number: str, by: Actor) -> Json | None:
    case = await cases.db["cases"].find_one({"number": number})
    assert case is not None
    return await cases.db["marks"].find_one({"_id": {"user_id": by.user_id, "case_id": case["_id"]}})


@pytest.fixture
def _in_a_hundred_days(cases: CasesApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    app = cases.client.app
    assert app is not None
    with monkeypatch.context() as patch:
        patch.setitem(app._state, CLOCK, lambda: datetime.now(UTC) + timedelta(days=100))
        yield


# Favourites


async def test_a_favourite_is_one_persons_own(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id)
    number = (await cases.submitted(ana))["number"]
    for reader in (luc, agent):
        assert (await mark(cases, "PUT", number, reader)).status == 204
    for reader, whether in ((ana, False), (luc, True), (agent, True)):
        assert (await row(cases, number, reader))["favourite"] is whether
        assert (await cases.get(number, reader)).body["favourite"] is whether


async def test_a_favourite_is_added_and_removed_as_often_as_one_likes(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    for method, whether in (("DELETE", False), ("PUT", True), ("PUT", True), ("DELETE", False), ("DELETE", False)):
        assert (await mark(cases, method, number, ana)).status == 204
        assert (await cases.get(number, ana)).body["favourite"] is whether


@pytest.mark.parametrize(("method", "what"), [("PUT", "favourite"), ("DELETE", "favourite"), ("PUT", "visit")])
async def test_nobody_marks_a_case_that_they_do_not_see(cases: CasesApi, method: str, what: str) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana, confidential=True))["number"]
    for stranger in (an_actor(), an_actor(Role.MEMBER, company_id=ana.company_id)):
        answer = await mark(cases, method, number, stranger, what)
        assert (answer.status, answer.code) == (404, "not_found")
        assert await mark_of(cases, number, stranger) is None
    assert (await mark(cases, method, "1000000017", ana, what)).code == "check_number"


async def test_a_member_marks_a_colleagues_case_that_they_may_not_change(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    luc = an_actor(Role.MEMBER, company_id=ana.company_id)
    assert (await cases.act(number, luc, action="change_severity", severity=1, version=1)).status == 403
    assert (await mark(cases, "PUT", number, luc)).status == 204


async def test_one_favourite_too_many_is_refused_and_the_others_stay(
    cases: CasesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "MOST_FAVOURITES", 2)
    ana = an_actor()
    first, second, third = [(await cases.submitted(ana))["number"] for _ in range(3)]
    for number in (first, second):
        await mark(cases, "PUT", number, ana)
    answer = await mark(cases, "PUT", third, ana)
    assert (answer.status, answer.code, answer.body["params"]) == (409, "too_many_favourites", {"limit": 2})
    assert (await mark(cases, "PUT", second, ana)).status == 204
    await mark(cases, "DELETE", first, ana)
    assert (await mark(cases, "PUT", third, ana)).status == 204
    assert [(await cases.get(number, ana)).body["favourite"] for number in (first, second, third)] == [
        False,
        True,
        True,
    ]


async def test_favourites_that_one_does_not_see_any_more_make_room(
    cases: CasesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "MOST_FAVOURITES", 2)
    ana = an_actor()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id)
    first, second, third = [(await cases.submitted(ana))["number"] for _ in range(3)]
    for number in (first, second):
        assert (await mark(cases, "PUT", number, luc)).status == 204
    assert (await cases.act(first, ana, action="mark_confidential")).status == 200
    assert (await mark(cases, "PUT", third, luc)).status == 204
    assert set(await cases.listed(luc, view="favourites")) == {second, third}


# What is new


async def test_what_others_did_is_new_until_it_is_seen(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id)
    number = (await cases.submitted(ana))["number"]
    assert [await is_new(cases, number, reader) for reader in (ana, luc, agent)] == [False, True, True]
    for reader in (luc, agent):
        assert (await mark(cases, "PUT", number, reader, "visit")).status == 204
    assert [await is_new(cases, number, reader) for reader in (ana, luc, agent)] == [False, False, False]
    await cases.agent_act(number, agent, action="reply", text="Please send the event log.")
    assert [await is_new(cases, number, reader) for reader in (ana, luc, agent)] == [True, True, False]
    await mark(cases, "PUT", number, ana, "visit")
    assert [await is_new(cases, number, reader) for reader in (ana, luc, agent)] == [False, True, False]


async def test_what_i_wrote_since_does_not_hide_what_another_did_before(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await cases.agent_act(number, agent, action="reply", text="Please send the event log.")
    for text in ("Here is the first part.", "Here is the second part."):
        await cases.act(number, ana, action="comment", text=text)
    assert await is_new(cases, number, ana)
    await mark(cases, "PUT", number, ana, "visit")
    assert not await is_new(cases, number, ana)


async def test_a_note_is_new_to_agents_only(cases: CasesApi, agent: Actor) -> None:
    ana, other = an_actor(), an_actor(Role.AGENT)
    number = (await cases.submitted(ana))["number"]
    await cases.agent_act(number, agent, action="take")
    for reader in (ana, agent, other):
        await mark(cases, "PUT", number, reader, "visit")
    await cases.agent_act(number, agent, action="note", text="Known fault of the series.")
    assert [await is_new(cases, number, reader) for reader in (ana, agent, other)] == [False, False, True]
    queued = (await cases.call("GET", "/agent/cases", other, params={"company_id": str(ana.company_id)})).body["items"]
    assert [case["is_new"] for case in queued] == [True]


async def test_what_came_after_the_page_was_made_stays_new(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    shown = await cases.submitted(ana)
    number = shown["number"]
    await cases.agent_act(number, agent, action="reply", text="Please send the event log.")
    await mark(cases, "PUT", number, ana, "visit", seen_until=shown["created_at"])
    assert await is_new(cases, number, ana)
    later = f"{datetime.now(UTC) + timedelta(days=300):%Y-%m-%dT%H:%M:%SZ}"
    await mark(cases, "PUT", number, ana, "visit", seen_until=later)
    assert not await is_new(cases, number, ana)
    # One that was slow to arrive takes nothing back; and nobody has seen what is still to come.
    await mark(cases, "PUT", number, ana, "visit", seen_until=shown["created_at"])
    assert not await is_new(cases, number, ana)
    await cases.agent_act(number, agent, action="reply", text="Thank you.")
    assert await is_new(cases, number, ana)


async def test_the_detail_says_when_i_saw_it_before(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    assert (await cases.get(number, ana)).body["visited_at"] is None
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    await mark(cases, "PUT", number, ana, "visit")
    assert before <= datetime.fromisoformat((await cases.get(number, ana)).body["visited_at"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    "body",
    [
        {"seen_until": "2026-11-22T09:30:00"},
        {"seen_until": "0001-01-01T00:00:00+14:00"},
        {"seen_until": "9999-12-31T23:59:59-14:00"},
        {"seen_until": 5},
        {"seen": True},
    ],
    ids=str,
)
async def test_a_visit_takes_a_time_with_its_zone_and_nothing_else(cases: CasesApi, body: Json) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    answer = await mark(cases, "PUT", number, ana, "visit", **body)
    assert (answer.status, answer.wrong_fields) == (422, set(body))
    assert await mark_of(cases, number, ana) is None


@pytest.mark.usefixtures("_in_a_hundred_days")
async def test_what_is_older_than_a_visit_is_remembered_is_not_new(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    long_ago = dict.fromkeys(("history.0.at", "news.shown.at"), datetime.now(UTC))
    await cases.db["cases"].update_one({"number": number}, {"$set": long_ago})
    luc = an_actor(Role.MEMBER, company_id=ana.company_id)
    assert not await is_new(cases, number, luc)
    await cases.act(number, ana, action="comment", text="Any news?")
    assert await is_new(cases, number, luc)


async def test_a_visit_is_forgotten_in_time_and_a_favourite_is_not(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]

    async def forgotten_in_days() -> int | None:
        found = await mark_of(cases, number, ana)
        assert found is not None
        at = found.get("forget_at")
        return None if at is None else round((at - datetime.now(UTC)) / timedelta(days=1))

    await mark(cases, "PUT", number, ana, "visit")
    assert await forgotten_in_days() == 90
    await mark(cases, "PUT", number, ana)
    assert await forgotten_in_days() is None
    await mark(cases, "PUT", number, ana, "visit")
    assert await forgotten_in_days() is None
    await mark(cases, "DELETE", number, ana)
    assert await forgotten_in_days() == 90
    index = (await cases.db["marks"].index_information())["forget"]
    assert (index["key"], index["expireAfterSeconds"]) == ([("forget_at", 1)], 0)


async def test_marks_are_those_of_now_though_rows_are_remembered(cases: CasesApi, agent: Actor) -> None:
    """Of a row that did not change between two looks at it."""
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    looks = []
    for method in ("PUT", "DELETE", "PUT"):
        await mark(cases, method, number, agent)
        looks.append(((await row(cases, number, agent))["favourite"], (await row(cases, number, ana))["favourite"]))
    assert looks == [(True, False), (False, False), (True, False)]


async def test_a_repeated_submission_says_what_was_marked_since(cases: CasesApi) -> None:
    ana = an_actor()
    contact = a_contact()
    first = await cases.submit(ana, key="once", contact=contact)
    await mark(cases, "PUT", first.body["number"], ana)
    again = await cases.submit(ana, key="once", contact=contact)
    assert (first.body["favourite"], again.body["favourite"]) == (False, True)


async def test_whoever_sees_a_case_no_more_keeps_no_door_to_it(cases: CasesApi) -> None:
    ana = an_actor()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id)
    number = (await cases.submitted(ana))["number"]
    await mark(cases, "PUT", number, luc)
    now_own = an_actor(Role.MEMBER, company_id=ana.company_id, user_id=luc.user_id, visibility=Visibility.OWN)
    assert (await cases.get(number, now_own)).status == 404
