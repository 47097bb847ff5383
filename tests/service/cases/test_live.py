"""Live updates: who is told of what, and what a stream may hold."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson
import pytest
from aiohttp import web
from uuid_utils.compat import uuid7

from services.cases.cases import store
from services.cases.cases.domain.case import Case
from services.cases.cases.domain.numbers import case_number
from services.cases.cases.domain.telling import Telling
from services.cases.cases.domain.values import person_of
from services.cases.cases.domain.visibility import sees
from services.cases.live import streams as live
from services.cases.live.api import STREAMS
from services.cases.live.streams import Streams
from shared.actor import Actor, Role
from shared.bus import Hint
from shared.errors import TooManyStreams
from shared.topology import CASE_CHANGED, CASE_PRESENCE
from tests.builders import an_actor, signed
from tests.events import device_changed
from tests.service.cases.conftest import CasesApi, a_replica
from tests.service.cases.test_visibility import COMPANY, all_actors, all_cases, ana
from tests.sse import Events, following
from tests.unbounded import UNBOUNDED

NOBODYS = case_number(999_999_999)


def applied(streams: Streams) -> Callable[[str, object, Any], None]:
    """Hands every hint over as the bus would: through JSON."""

    def give(kind: str, changed_id: object, about: Any) -> None:
        streams.apply_hint(Hint(kind, str(changed_id), about=orjson.loads(orjson.dumps(about or {}))))

    return give


@pytest.fixture
def told(cases: CasesApi) -> Iterator[list[tuple[str, Any]]]:
    """Every hint that the service gives, which its own streams hear at once."""
    given: list[tuple[str, Any]] = []
    pass_on = applied(app_of(cases)[STREAMS])

    def give(kind: str, changed_id: object, about: Any) -> None:
        given.append((kind, about))
        pass_on(kind, changed_id, about)

    before, cases.db.on_hint = cases.db.on_hint, give
    yield given
    cases.db.on_hint = before


def app_of(cases: CasesApi) -> web.Application:
    app: web.Application | None = cases.client.app
    assert app is not None
    return app


def followed(cases: CasesApi, by: Actor, **query: str) -> AbstractAsyncContextManager[Events]:
    return following(cases.client, "/events", signed(by), **query)


@asynccontextmanager
async def all_following(cases: CasesApi, *actors: Actor, **query: str) -> AsyncIterator[list[Events]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(followed(cases, actor, **query)) for actor in actors]


async def its_version(cases: CasesApi, number: str, by: Actor) -> int:
    version: int = (await cases.get(number, by)).body["version"]
    return version


def news(case: Case, **other: Any) -> Any:
    return store.telling.said_of(case, None) | other


# Who is told


def test_news_reach_exactly_those_who_see_the_case() -> None:
    for case in all_cases():
        heard = Telling.of(case, version=1)
        for actor in all_actors():
            assert heard.may_reach(actor) == sees(actor, case), (actor, case)
            assert replace(heard, internal=True).may_reach(actor) == actor.is_vendor


async def test_a_stream_tells_exactly_the_cases_that_its_reader_sees(cases: CasesApi, told: list[Any]) -> None:
    of_one_company = [case for case in all_cases() if case.company_id == COMPANY]
    give = cases.db.on_hint
    assert give is not None
    actors = [actor for actor in all_actors() if actor.main_site_id is None]
    async with all_following(cases, *actors) as streams:
        for case in of_one_company:
            give(CASE_CHANGED, case.id, news(case))
        for actor, stream in zip(actors, streams, strict=True):
            expected = {case.number for case in of_one_company if sees(actor, case)}
            got: set[str] = set()
            while got != expected:
                got.add((await stream.next())["number"])
                assert got <= expected
    assert len(told) == len(of_one_company)


async def test_every_write_of_a_case_is_told_with_a_version_that_the_reader_then_finds(
    cases: CasesApi, told: list[Any], agent: Actor
) -> None:
    owner = an_actor()
    async with followed(cases, owner) as stream:
        case = await cases.submitted(owner)
        number = case["number"]
        assert await stream.next() == {"kind": "case", "number": number, "version": 1}
        acts: list[Callable[[int], Any]] = [
            lambda _: cases.agent_act(number, agent, action="take"),
            lambda _: cases.act(number, owner, action="comment", text="It stopped again."),
            lambda _: cases.agent_act(number, agent, action="reply", text="Please turn it off."),
            lambda version: cases.act(number, owner, action="change_severity", version=version, severity=2),
            lambda version: cases.agent_act(
                number, agent, action="set_status", version=version, status="waiting_parts"
            ),
            lambda version: cases.act(
                number, owner, action="close", version=version, reason="It works.", resolved=True
            ),
            lambda version: cases.act(number, owner, action="reopen", version=version, reason="It does not."),
        ]
        for act in acts:
            before = await its_version(cases, number, owner)
            assert (await act(before)).status == 200
            after = await its_version(cases, number, owner)
            assert after == before + 1
            assert await stream.next() == {"kind": "case", "number": number, "version": after}
    assert len(told) == 1 + len(acts)


async def test_the_verdict_that_comes_later_is_told(cases: CasesApi, told: list[Any]) -> None:
    owner, serial = an_actor(), f"CNL{secrets.token_hex(4).upper()}"
    case = await cases.submitted(owner, serial=serial)
    async with followed(cases, owner) as stream:
        await cases.hear(device_changed(serial=serial, company_id=owner.company_id))
        assert await stream.next() == {"kind": "case", "number": case["number"], "version": 2}
    assert [kind for kind, _ in told] == [CASE_CHANGED] * 2


async def test_what_was_refused_or_changed_nothing_is_not_told(cases: CasesApi, told: list[Any], agent: Actor) -> None:
    owner = an_actor()
    number = (await cases.submitted(owner))["number"]
    told.clear()
    stale = await cases.act(number, owner, action="change_severity", version=7, severity=1)
    same = await cases.act(number, owner, action="change_severity", version=1, severity=3)
    stranger = await cases.act(number, an_actor(), action="comment", text="Hello?")
    assert (stale.status, same.status, stranger.status) == (409, 200, 404)
    assert told == []
    once = await cases.agent_act(number, agent, key="k-1", action="reply", text="Thank you.")
    again = await cases.agent_act(number, agent, key="k-1", action="reply", text="Thank you.")
    assert once.body["version"] == again.body["version"] == 2
    assert len(told) == 1


async def test_a_customer_never_learns_that_there_is_a_note(cases: CasesApi, told: list[Any], agent: Actor) -> None:
    owner, colleague = an_actor(), an_actor(Role.AGENT)
    number, other = [(await cases.submitted(owner))["number"] for _ in range(2)]
    canary = f"canary{secrets.token_hex(6)}"
    told.clear()
    async with (
        followed(cases, owner) as customers,
        followed(cases, owner, case=number) as of_the_case,
        followed(cases, colleague) as agents,
    ):
        assert (await cases.agent_act(number, agent, action="note", text=canary)).status == 200
        assert await agents.next() == {"kind": "case", "number": number, "version": 1}
        # What is told next is told in its turn: nothing came before it.
        await cases.act(other, owner, action="comment", text="Any news?")
        await cases.act(number, owner, action="comment", text="Any news?")
        assert await customers.next() == {"kind": "case", "number": other, "version": 2}
        assert await of_the_case.next() == {"kind": "case", "number": number, "version": 2}
    assert canary not in str(told)


async def test_who_loses_sight_of_a_case_is_told_once_more(cases: CasesApi, told: list[Any], agent: Actor) -> None:
    owner = an_actor()
    member = an_actor(Role.MEMBER, company_id=owner.company_id)
    number = (await cases.submitted(owner))["number"]
    async with followed(cases, member, case=number) as stream, followed(cases, member) as of_all:
        case = await store.get_case(cases.db, owner, number)
        await store.CASES.save(cases.db, replace(case, confidential=True), before=case)
        assert await stream.next() == {"kind": "case", "number": number, "version": 2}
        assert await of_all.next() == {"kind": "case", "number": number, "version": 2}
        assert (await cases.get(number, member)).status == 404
        # And then no more.
        await cases.agent_act(number, agent, action="reply", text="Please call us.")
        other = (await cases.submitted(owner))["number"]
        assert (await of_all.next())["number"] == other
    assert len(told) == 4


async def test_who_comes_to_see_a_case_is_told(cases: CasesApi, told: list[Any]) -> None:
    owner = an_actor()
    member = an_actor(Role.MEMBER, company_id=owner.company_id)
    number = (await cases.submitted(owner, confidential=True))["number"]
    async with followed(cases, member) as stream:
        case = await store.get_case(cases.db, owner, number)
        await store.CASES.save(cases.db, replace(case, owner=person_of(member)), before=case)
        assert await stream.next() == {"kind": "case", "number": number, "version": 2}
    assert len(told) == 2


@pytest.mark.usefixtures("told")
async def test_a_stream_of_one_case_tells_of_no_other(cases: CasesApi, agent: Actor) -> None:
    owner = an_actor()
    number, other = [(await cases.submitted(owner))["number"] for _ in range(2)]
    async with followed(cases, agent, case=f" {number[:4]} {number[4:]} ") as stream:
        await cases.act(other, owner, action="comment", text="Any news?")
        await cases.act(number, owner, action="comment", text="Any news?")
        assert await stream.next() == {"kind": "case", "number": number, "version": 2}


@pytest.mark.usefixtures("told")
async def test_a_stream_of_one_case_and_all_others_tells_each_change_once(cases: CasesApi, agent: Actor) -> None:
    owner = an_actor()
    number, other = [(await cases.submitted(owner))["number"] for _ in range(2)]
    async with followed(cases, agent, case=number, scope="all") as stream:
        for case in (number, other):
            await cases.act(case, owner, action="comment", text="Any news?")
            assert await stream.next() == {"kind": "case", "number": case, "version": 2}
        await cases.call("POST", f"/cases/{number}/presence", an_actor(Role.AGENT), json={"state": "here"})
        assert (await stream.next())["kind"] == "presence"


# Who is at a case


@pytest.mark.usefixtures("told")
async def test_agents_at_a_case_see_each_other_and_nobody_else_does(cases: CasesApi, agent: Actor) -> None:
    owner = an_actor()
    colleague = an_actor(Role.VENDOR_ADMIN, company_id=agent.company_id, name="Marta Lindqvist")
    number, other = [(await cases.submitted(owner))["number"] for _ in range(2)]
    async with (
        followed(cases, agent, case=number) as mine,
        followed(cases, colleague, case=number) as theirs,
        followed(cases, colleague, case=other) as elsewhere,
        followed(cases, colleague) as of_all,
        followed(cases, owner, case=number) as customers,
    ):
        for state in ("here", "typing", "left"):
            answer = await cases.call("POST", f"/cases/{number}/presence", colleague, json={"state": state})
            assert answer.status == 204
            about = {"number": number, "user_id": str(colleague.user_id), "name": "Marta Lindqvist", "state": state}
            assert await mine.next() == {"kind": "presence", **about}
        for case in (number, other):
            await cases.act(case, owner, action="comment", text="Any news?")
        for stream, case in ((theirs, number), (elsewhere, other), (of_all, number), (customers, number)):
            assert await stream.next() == {"kind": "case", "number": case, "version": 2}


async def test_only_the_vendors_side_says_that_it_is_at_a_case(cases: CasesApi, told: list[Any], agent: Actor) -> None:
    owner = an_actor()
    number = (await cases.submitted(owner))["number"]
    told.clear()
    for role in (Role.MEMBER, Role.CASE_MANAGER, Role.COMPANY_ADMIN):
        for case in (number, "1000000008"):
            customer = an_actor(role, company_id=owner.company_id)
            answer = await cases.call("POST", f"/cases/{case}/presence", customer, json={"state": "here"})
            assert (answer.status, answer.code) == (403, "forbidden")
    assert (await cases.call("POST", f"/cases/{number}/presence", None, json={"state": "here"})).status == 401
    wrong: list[tuple[str, Any, int]] = [
        (number, {"state": "away"}, 422),
        (number, {"state": "here", "name": "Somebody Else"}, 422),
        (number, {}, 422),
        ("1000000001", {"state": "here"}, 422),
        (NOBODYS, {"state": "here"}, 404),
    ]
    for case, body, status in wrong:
        assert (await cases.call("POST", f"/cases/{case}/presence", agent, json=body)).status == status, (case, body)
    assert told == []


async def test_nothing_of_who_is_at_a_case_is_stored(cases: CasesApi, told: list[Any], agent: Actor) -> None:
    number = (await cases.submitted(an_actor()))["number"]
    before = await cases.db["cases"].find_one({"number": number})
    await cases.call("POST", f"/cases/{number}/presence", agent, json={"state": "typing"})
    assert told[-1][0] == CASE_PRESENCE
    after = await cases.db["cases"].find_one({"number": number})
    assert (before or {}).keys() == (after or {}).keys()
    assert (before or {})["version"] == (after or {})["version"]


# What is asked for


async def test_a_stream_is_for_signed_in_people_and_takes_a_case_only(cases: CasesApi) -> None:
    assert (await cases.call("GET", "/events", None)).status == 401
    assert (await cases.call("GET", "/events", an_actor(suspended=True))).code == "company_suspended"
    wrong = await cases.call("GET", "/events", an_actor(), params={"case": "1000000001"})
    assert (wrong.status, wrong.code) == (422, "check_number")
    assert (await cases.call("GET", "/events", an_actor(), params={"since": "4"})).wrong_fields == {"since"}


async def test_a_stream_says_nothing_of_whether_a_case_exists(cases: CasesApi) -> None:
    stranger = an_actor()
    number = (await cases.submitted(an_actor()))["number"]
    for case in (number, NOBODYS):
        async with followed(cases, stranger, case=case) as stream:
            assert stream.response.headers["Content-Type"] == "text/event-stream"


async def test_a_head_request_ends_at_once(cases: CasesApi) -> None:
    async with cases.client.head("/events", headers=signed(an_actor())) as response:
        assert (response.status, await response.read()) == (200, b"")


# Bounds


def a_stream(case: str | None = None, actor: Actor | None = None) -> live.Stream:
    return live.Stream(actor or an_actor(), case)


async def read_from(stream: live.Stream) -> list[Any]:
    """What it would write next."""
    messages = stream.messages()
    assert await anext(messages) == b'event: open\ndata: {"kind":"open"}\n\n'
    written = await anext(messages)
    await messages.aclose()
    return [orjson.loads(line[6:]) for line in written.split(b"\n") if line.startswith(b"data: ")]


async def test_a_case_that_changes_often_is_told_once_with_its_newest_version() -> None:
    stream = a_stream()
    for version in (2, 4, 3):
        stream.change("1000000008", version)
    assert await read_from(stream) == [{"kind": "case", "number": "1000000008", "version": 4}]


async def test_a_reader_who_is_slow_is_told_to_look_at_everything_and_holds_no_memory() -> None:
    stream = a_stream()
    for number in range(10_000):
        stream.change(str(number), 1)
    for _ in range(10_000):
        stream.show(live.Presence(number="1", user_id=uuid7(), name="Ana", state="here"))
    first, *others = await read_from(stream)
    assert first == {"kind": "reload"}
    assert len(others) <= 2 * live._MOST_WAITING


async def test_a_reader_who_does_not_read_at_all_holds_up_nobody(cases: CasesApi, told: list[Any]) -> None:
    owner = an_actor()
    number = (await cases.submitted(owner))["number"]
    give = cases.db.on_hint
    assert give is not None
    case = await store.get_case(cases.db, owner, number)
    async with followed(cases, owner) as slow, followed(cases, owner) as quick:
        assert slow.response.connection is not None
        transport = slow.response.connection.transport
        assert transport is not None
        transport.pause_reading()
        for version in range(2, 2_000):
            give(CASE_CHANGED, case.id, news(case, version=version))
        got = await quick.next()
        while got["version"] < 1_999:
            got = await quick.next()
    assert len(told) == 1 + 1_998


async def test_a_quiet_stream_has_a_heartbeat(cases: CasesApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_HEARTBEAT_S", 0.01)
    async with followed(cases, an_actor()) as stream:
        assert await stream.line() == b"\n"
        assert await stream.line() == b":\n"


def test_a_replica_has_so_many_streams_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_MOST_STREAMS", 2)
    streams = Streams()
    first, second, third = (streams.opened(an_actor(), None) for _ in range(3))
    with first, second, pytest.raises(TooManyStreams), third:
        pass
    with streams.opened(an_actor(), None), streams.opened(an_actor(), "1000000008"):
        pass


def test_what_is_closed_leaves_nothing_behind() -> None:
    streams = Streams()
    for actor in (an_actor(), an_actor(Role.AGENT)):
        for case in (None, "1000000008"):
            with streams.opened(actor, case, of_all=True):
                pass
    assert (len(streams._of_case), len(streams._of_company), len(streams._of_vendor)) == (0, 0, 0)


async def test_a_hint_of_another_version_harms_nobody() -> None:
    streams = Streams()
    with streams.opened(an_actor(Role.AGENT), None) as stream:
        for kind in (CASE_CHANGED, CASE_PRESENCE):
            streams.apply_hint(Hint(kind, "1", about={}))
            streams.apply_hint(Hint(kind, "1", about={"number": 7, "version": "x"}))
        applied(streams)(CASE_CHANGED, "1", news(all_cases()[0]) | {"of_a_newer_version": True})
        assert [event["kind"] for event in await read_from(stream)] == ["case"]


async def test_when_hints_may_have_been_lost_everybody_looks_again(cases: CasesApi, agent: Actor) -> None:
    async with all_following(cases, agent, an_actor()) as streams, followed(cases, agent, case=NOBODYS) as one:
        app_of(cases)[STREAMS].reload_all()
        for stream in (*streams, one):
            assert await stream.next() == {"kind": "reload"}


async def test_a_replica_that_stops_ends_its_streams_at_once(mongo_url: str) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        replica = await stack.enter_async_context(a_replica(mongo_url, **UNBOUNDED))
        streams = await stack.enter_async_context(all_following(replica, an_actor(), an_actor(Role.AGENT)))
        ends = [asyncio.create_task(stream.rest()) for stream in streams]
        await asyncio.sleep(0)
        began = loop.time()
        await app_of(replica).shutdown()
        assert [rest.strip() for rest in await asyncio.gather(*ends)] == [b"", b""]
        assert loop.time() - began < 2
        refused = await replica.call("GET", "/events", an_actor())
        assert (refused.status, refused.code) == (503, "too_many_streams")


def test_ids_in_news_stay_ids_over_the_wire() -> None:
    case = next(case for case in all_cases() if case.site_id is not None and case.company_id == COMPANY)
    read = store.read_telling(orjson.loads(orjson.dumps(news(case))))
    assert isinstance(read.company_id, UUID)
    assert read.may_reach(ana(Role.CASE_MANAGER)) == sees(ana(Role.CASE_MANAGER), case)
