"""Streams of live updates through the gateway: they end with what they were opened with, and take nobody's place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientSession, web

from deploy.local.waiting import until
from services.gateway import live, session
from services.gateway.clients import SERVICES
from services.gateway.forwarding import allowed_user
from services.gateway.live import LIVE, LiveStreams
from services.gateway.session import SESSIONS, Visitor
from shared.actor import Actor, Role, Visibility
from shared.bus import Hint
from shared.signing import actor_key, sign
from tests.builders import TEST_SECRET, Json, an_actor
from tests.service.gateway.stand_ins import (
    PATIENT,
    Gateway,
    a_gateway,
    a_session,
    hangs_up,
    never_answers,
    refuses,
    says,
    with_deadlines,
)
from tests.sse import Events, following

RESOLVE = "POST /session/resolve"
PATH = "/api/v1/events"
# A hint ends a stream long before the next check would.
SOON_S = 2.0


class Source:
    """What cases would write: each stream stays open until it is told to end."""

    def __init__(self) -> None:
        self.open: list[web.StreamResponse] = []
        self.may_end = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Inside": "secret"})
        await response.prepare(request)
        await response.write(b'event: open\ndata: {"kind":"open"}\n\n')
        self.open.append(response)
        await self.may_end.wait()
        return response

    async def tell(self, number: str) -> None:
        for response in self.open:
            with suppress(ConnectionError):
                await response.write(b'event: case\ndata: {"kind":"case","number":"%b"}\n\n' % number.encode())

    async def die(self) -> None:
        for response in self.open:
            request = response._req
            assert request is not None
            assert request.transport is not None
            request.transport.abort()


@pytest.fixture
async def source(gateway: Gateway) -> AsyncIterator[Source]:
    its = Source()
    gateway["cases"].answers("GET /events", its)
    yield its
    its.may_end.set()


def app_of(gateway: Gateway) -> web.Application:
    app: web.Application | None = gateway.portal.app
    assert app is not None
    return app


def streams_of(gateway: Gateway) -> LiveStreams:
    return app_of(gateway)[LIVE]


def give_hint(gateway: Gateway, kind: str, changed_id: object) -> None:
    for part in (SESSIONS, LIVE):
        app_of(gateway)[part].apply_hint(Hint(kind, str(changed_id)))


def followed(gateway: Gateway, **query: str) -> AbstractAsyncContextManager[Events]:
    return following(gateway.portal, PATH, gateway.signed_in(), **query)


def session_of(actor: Actor, *, signed_at: datetime | None = None, **user: Any) -> Json:
    """What identity answers for this actor, signed anew each time."""
    told = a_session()
    about = {"id": str(actor.user_id), "company_id": str(actor.company_id), "role": actor.role.value, **user}
    token = sign(actor, key=actor_key(TEST_SECRET), now=signed_at or datetime.now(UTC))
    return {**told, "user": told["user"] | about, "actor": token}


async def is_count(gateway: Gateway, count: int) -> bool:
    return streams_of(gateway)._count == count


async def test_what_cases_writes_goes_to_the_browser_as_it_comes(gateway: Gateway, source: Source) -> None:
    async with followed(gateway, case="1000000009") as stream:
        await source.tell("1000000009")
        assert await stream.next() == {"kind": "case", "number": "1000000009"}
        headers = stream.response.headers
        assert headers["Content-Type"] == "text/event-stream"
        assert headers["Cache-Control"] == "no-store, no-transform"
        assert headers["X-Accel-Buffering"] == "no"
        assert "X-Inside" not in headers
        assert "Content-Encoding" not in headers
        [asked] = gateway["cases"].asked("GET /events")
        assert asked.path == "/events?case=1000000009"
        assert asked.headers["X-Portico-Actor"] == "signed.actor.token"


async def test_only_who_is_signed_in_gets_a_stream(gateway: Gateway, source: Source) -> None:
    gateway["identity"].answers(RESOLVE, refuses(401, "not_signed_in"))
    for headers in ({}, gateway.signed_in()):
        answer = await gateway.portal.get(PATH, headers=headers)
        assert answer.status == 401
    assert source.open == []


async def test_a_refusal_of_cases_is_passed_on(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /events", refuses(403, "company_suspended"))
    answer = await gateway.portal.get(PATH, headers=gateway.signed_in())
    assert (answer.status, (await answer.json())["code"]) == (403, "company_suspended")
    assert await is_count(gateway, 0)


async def test_without_cases_there_is_no_stream_and_then_there_is(gateway: Gateway, source: Source) -> None:
    gateway["cases"].answers("GET /events", hangs_up, hangs_up, source)
    answer = await gateway.portal.get(PATH, headers=gateway.signed_in())  # and asked once more
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    async with followed(gateway):
        pass


async def test_when_cases_dies_the_stream_ends_and_the_next_one_begins(gateway: Gateway, source: Source) -> None:
    async with followed(gateway) as stream:
        await source.die()
        assert await stream.rest() == b"\n"
    async with followed(gateway):
        pass


@with_deadlines(idle_s=0.2)
async def test_a_source_that_falls_silent_is_an_end(gateway: Gateway, source: Source) -> None:
    async with followed(gateway) as stream:
        assert await stream.rest() == b"\n"
    assert source.open


# Who somebody is


@pytest.mark.parametrize("kind", ["identity.session.changed", "identity.user.changed"])
async def test_a_stream_ends_with_its_session(gateway: Gateway, source: Source, kind: str) -> None:
    session_now = a_session()
    gateway["identity"].answers(RESOLVE, says(session_now))
    async with followed(gateway) as stream:
        gateway["identity"].answers(RESOLVE, refuses(401, "not_signed_in"))
        give_hint(gateway, kind, session_now["user"]["id"])
        assert await stream.rest(SOON_S) == b"\n"
    assert (await gateway.portal.get(PATH, headers=gateway.signed_in())).status == 401
    assert len(source.open) == 1


@pytest.mark.parametrize(
    "change",
    [{"role": Role.MEMBER}, {"suspended": True}, {"site_ids": frozenset({uuid4()})}, {"visibility": Visibility.OWN}],
    ids=["role", "suspended", "site_ids", "visibility"],
)
@pytest.mark.parametrize("of", ["user_id", "company_id"])
async def test_a_stream_ends_when_its_visitor_may_see_something_else(
    gateway: Gateway, source: Source, change: dict[str, Any], of: str
) -> None:
    actor = an_actor(Role.CASE_MANAGER)
    gateway["identity"].answers(RESOLVE, says(session_of(actor)))
    async with followed(gateway) as stream:
        gateway["identity"].answers(RESOLVE, says(session_of(replace(actor, **change))))
        give_hint(gateway, "identity.user.changed", getattr(actor, of))
        assert await stream.rest(SOON_S) == b"\n"
    async with followed(gateway):
        first, second = gateway["cases"].asked("GET /events")
        assert first.headers["X-Portico-Actor"] != second.headers["X-Portico-Actor"]
    assert len(source.open) == 2


async def test_a_stream_goes_on_when_nothing_of_its_visitor_has_changed(gateway: Gateway, source: Source) -> None:
    actor = an_actor(site_ids=frozenset({uuid4(), uuid4()}))
    gateway["identity"].answers(RESOLVE, says(session_of(actor)))
    async with followed(gateway) as stream:
        later = session_of(actor, signed_at=datetime.now(UTC) + timedelta(seconds=30), name="Ana Maria")
        gateway["identity"].answers(RESOLVE, says(later))
        asked = len(gateway["identity"].asked(RESOLVE))
        give_hint(gateway, "identity.company.changed", actor.company_id)
        assert await until(lambda: was_asked_again(gateway, asked), deadline_s=10, pause_s=0.01)
        await source.tell("1000000009")
        assert (await stream.next())["number"] == "1000000009"


async def was_asked_again(gateway: Gateway, asked: int) -> bool:
    return len(gateway["identity"].asked(RESOLVE)) > asked


async def test_a_hint_of_somebody_else_asks_nobody(gateway: Gateway, source: Source) -> None:
    async with followed(gateway) as stream:
        asked = len(gateway["identity"].asked(RESOLVE))
        give_hint(gateway, "identity.user.changed", uuid4())
        await source.tell("1000000009")
        await stream.next()
        assert len(gateway["identity"].asked(RESOLVE)) == asked


@pytest.mark.parametrize("way", ["by itself", "after a gap"])
async def test_a_lost_hint_ends_a_stream_a_little_later(
    gateway: Gateway, source: Source, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(session, "FRESH_S", 0.0)
    if way == "by itself":
        monkeypatch.setattr(live, "CHECK_EVERY_S", 2.0)
    async with followed(gateway) as stream:
        gateway["identity"].answers(RESOLVE, refuses(401, "not_signed_in"))
        if way == "after a gap":
            streams_of(gateway).check_all()
        assert await stream.rest() == b"\n"
    assert len(source.open) == 1


async def test_while_identity_is_away_a_stream_goes_on_for_as_long_as_a_page_would(
    gateway: Gateway, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = a_session()
    gateway["identity"].answers(RESOLVE, says(told))
    async with followed(gateway) as stream:
        gateway["identity"].answers(RESOLVE, hangs_up)
        asked = len(gateway["identity"].asked(RESOLVE))
        give_hint(gateway, "identity.user.changed", told["user"]["id"])
        assert await until(lambda: was_asked_again(gateway, asked), deadline_s=10, pause_s=0.01)
        await source.tell("1000000009")
        assert (await stream.next())["number"] == "1000000009"
        monkeypatch.setattr(session, "STALE_S", 0.0)
        give_hint(gateway, "identity.user.changed", told["user"]["id"])
        assert await stream.rest() == b"\n"


async def test_a_stream_ends_when_what_identity_says_cannot_be_read(gateway: Gateway, source: Source) -> None:
    """Nobody would ask about it again: it would go on for good."""
    async with followed(gateway) as stream:
        gateway["identity"].answers(RESOLVE, says({"of": "another version"}))
        streams_of(gateway).check_all()
        assert await stream.rest() == b"\n"
    assert len(source.open) == 1


async def test_a_session_that_ended_a_moment_before_gets_no_stream(gateway: Gateway, source: Source) -> None:
    told = a_session()
    gateway["identity"].answers(RESOLVE, says(told))
    assert (await gateway.portal.get("/api/v1/session", headers=gateway.signed_in())).status == 200
    # Remembered, and outdated by the time the stream is there.
    gateway["identity"].answers(RESOLVE, refuses(401, "not_signed_in"))
    give_hint(gateway, "identity.session.changed", told["user"]["id"])
    assert (await gateway.portal.get(PATH, headers=gateway.signed_in())).status == 401
    assert source.open == []


async def test_nor_does_one_that_ends_while_its_stream_is_being_opened(
    gateway: Gateway, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = a_session()
    gateway["identity"].answers(RESOLVE, says(told))

    async def ended_just_then(request: web.Request) -> Visitor:
        visitor = await allowed_user(request)
        gateway["identity"].answers(RESOLVE, refuses(401, "not_signed_in"))
        give_hint(gateway, "identity.session.changed", told["user"]["id"])
        return visitor

    monkeypatch.setattr(live, "allowed_user", ended_just_then)
    assert (await gateway.portal.get(PATH, headers=gateway.signed_in())).status == 401
    assert source.open == []


# Bounds


async def test_of_too_many_streams_of_a_user_the_oldest_is_told_to_stay_away(
    gateway: Gateway, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_OF_USER", 2)
    async with followed(gateway) as first, followed(gateway) as second, followed(gateway) as third:
        assert await first.next() == {"kind": "closed"}
        assert await first.rest() == b"\n"
        await source.tell("1000000009")
        for stream in (second, third):
            assert (await stream.next())["kind"] == "case"


async def test_a_replica_and_a_network_have_so_many_streams_at_most() -> None:
    for setting in ("PORTICO_MAX_CONNECTIONS", "PORTICO_MAX_CONNECTIONS_PER_ADDRESS"):
        async with a_gateway(PATIENT, **{setting: "10"}) as gateway, AsyncExitStack() as stack:
            source = Source()
            gateway["cases"].answers("GET /events", source)
            for _ in range(5):
                await stack.enter_async_context(followed(gateway))
            answer = await gateway.portal.get(PATH, headers=gateway.signed_in())
            assert (answer.status, (await answer.json())["code"]) == (503, "too_many_streams")
            assert answer.headers["Retry-After"] == "30"
            source.may_end.set()


async def test_behind_a_proxy_no_network_is_counted() -> None:
    proxied = a_gateway(PORTICO_MAX_CONNECTIONS_PER_ADDRESS="10", PORTICO_TRUSTED_PROXIES="127.0.0.0/8")
    async with proxied as gateway, AsyncExitStack() as stack:
        source = Source()
        gateway["cases"].answers("GET /events", source)
        for _ in range(7):
            await stack.enter_async_context(followed(gateway))
        source.may_end.set()


async def test_an_open_stream_takes_no_place_of_its_users_requests() -> None:
    async with a_gateway(GATEWAY_USER_REQUESTS_AT_ONCE="1") as gateway:
        source = Source()
        gateway["cases"].answers("GET /events", source)
        gateway["cases"].answers("GET /cases", says({"items": []}))
        async with followed(gateway), followed(gateway):
            answer = await gateway.portal.get("/api/v1/cases", headers=gateway.signed_in())
            assert answer.status == 200
        source.may_end.set()


async def test_streams_do_not_use_up_the_connections_to_the_services(gateway: Gateway, source: Source) -> None:
    async with followed(gateway):
        pooled = app_of(gateway)[SERVICES].session().connector
        assert pooled is not None
        assert len(pooled._acquired) == 0
    assert source.open


@asynccontextmanager
async def a_browser() -> AsyncIterator[ClientSession]:
    async with ClientSession() as browser:
        yield browser


async def test_a_browser_that_leaves_is_soon_forgotten_with_its_connection_to_cases(
    gateway: Gateway, source: Source
) -> None:
    url = str(gateway.portal.make_url(PATH))
    async with a_browser() as browser, browser.get(url, headers=gateway.signed_in()) as response:
        await response.content.readline()
        assert await is_count(gateway, 1)
        response.close()
        # Cases writes nothing meanwhile.
        assert await until(lambda: is_count(gateway, 0), deadline_s=10, pause_s=0.05)
    streams = streams_of(gateway)
    assert (len(streams._by_user), len(streams._by_company), len(streams._by_network)) == (0, 0, 0)
    [written] = source.open
    request = written._req
    assert request is not None

    async def is_closed() -> bool:
        return request.transport is None or request.transport.is_closing()

    assert await until(is_closed, deadline_s=10, pause_s=0.05)


async def test_a_gateway_that_stops_ends_its_streams_at_once(gateway: Gateway, source: Source) -> None:
    async with followed(gateway) as one, followed(gateway) as other:
        await app_of(gateway).shutdown()
        assert [await stream.rest(SOON_S) for stream in (one, other)] == [b"\n", b"\n"]
        assert (await gateway.portal.get(PATH, headers=gateway.signed_in())).status == 503
    assert len(source.open) == 2


async def test_a_gateway_that_stops_asks_about_no_stream_any_more(gateway: Gateway, source: Source) -> None:
    async with followed(gateway) as stream:
        gateway["identity"].answers(RESOLVE, never_answers)
        asked = len(gateway["identity"].asked(RESOLVE))
        streams_of(gateway).check_all()
        assert await until(lambda: was_asked_again(gateway, asked), deadline_s=10, pause_s=0.01)
        await app_of(gateway).shutdown()
        assert await stream.rest(SOON_S) == b"\n"
        # Identity is waited for longer than that.
        assert not streams_of(gateway)._checks
    assert len(source.open) == 1


async def test_who_does_not_read_is_cut_off_when_the_stream_has_to_end(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_END_WITHIN_S", 0.1)
    flooded = asyncio.Event()

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'event: open\ndata: {"kind":"open"}\n\n')
        await flooded.wait()
        while True:
            await response.write(b": " + b"x" * 65_536 + b"\n\n")

    gateway["cases"].answers("GET /events", flood)
    told = a_session()
    gateway["identity"].answers(RESOLVE, says(told))
    async with followed(gateway) as stream:
        connection = stream.response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.pause_reading()
        flooded.set()
        gateway["identity"].answers(RESOLVE, refuses(401, "not_signed_in"))
        give_hint(gateway, "identity.session.changed", told["user"]["id"])
        assert await until(lambda: is_count(gateway, 0), deadline_s=10, pause_s=0.05)


async def test_a_head_request_ends_at_once(gateway: Gateway, source: Source) -> None:
    answer = await gateway.portal.head(PATH, headers=gateway.signed_in())
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert source.open


async def test_presence_goes_to_cases_with_the_sessions_own_token_only(gateway: Gateway) -> None:
    async def takes(_request: web.Request) -> web.Response:
        return web.Response(status=204)

    path = "/cases/1000000009/presence"
    gateway["cases"].answers(f"POST {path}", takes)
    answer = await gateway.portal.post(f"/api/v1{path}", json={"state": "here"}, headers=gateway.signed_in())
    assert answer.status == 204
    forged = gateway.signed_in(X_CSRF_Token="another") | {"Sec-Fetch-Site": "same-origin"}
    assert (await gateway.portal.post(f"/api/v1{path}", json={"state": "here"}, headers=forged)).status == 403
    assert len(gateway["cases"].asked(f"POST {path}")) == 1
