"""Whoever has to be asked about at the same time is asked about in one request, and each is told of their own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiohttp import web

from services.gateway.clients import Services
from services.gateway.session import Sessions
from services.gateway.visitor import Visitor
from shared.errors import Unavailable
from shared.logging import Origin, origin
from tests.service.gateway.stand_ins import PATIENT, TOKEN, Gateway, Json, a_session, hangs_up, refuses, says

ONE = "POST /session/resolve"
MANY = "POST /sessions/resolve"
ENDED = "a-session-token-that-is-over-0123456789"


@pytest.fixture
async def sessions(gateway: Gateway) -> AsyncIterator[Sessions]:
    """They remember nothing, so everybody is asked about each time."""
    services = Services({"identity": gateway["identity"].url}, PATIENT)
    yield Sessions(services, fresh_s=0)
    await services.stop()


@pytest.fixture
def tokens(gateway: Gateway) -> list[str]:
    """Fifty sessions that identity knows, each of a user of its own, whose name is the token."""
    known = [f"{TOKEN}-{number}" for number in range(50)]
    told = {token: _session(token) for token in known}

    async def one(request: web.Request) -> web.StreamResponse:
        token = (await request.json())["token"]
        return await (says(told[token]) if token in told else refuses(401, "not_signed_in"))(request)

    async def many(request: web.Request) -> web.StreamResponse:
        return await says({"sessions": [told.get(each["token"]) for each in await _asked(request)]})(request)

    gateway["identity"].answers(ONE, one)
    gateway["identity"].answers(MANY, many)
    return known


def _session(name: str) -> Json:
    session = a_session()
    user = session["user"] | {"id": str(uuid4()), "name": name}
    return session | {"user": user, "actor": f"actor of {name}", "csrf_token": f"csrf of {name}"}


async def _asked(request: web.Request) -> list[Json]:
    asked: list[Json] = (await request.json())["sessions"]
    return asked


async def _all(sessions: Sessions, tokens: list[str]) -> list[Any]:
    return await asyncio.gather(*(sessions.visitor(token, refresh=True) for token in tokens), return_exceptions=True)


def _is_of(token: str, visitor: Visitor | None) -> bool:
    return visitor is not None and (visitor.token, visitor.user.name, visitor.actor, visitor.csrf_token) == (
        token,
        token,
        f"actor of {token}",
        f"csrf of {token}",
    )


class Held:
    """An answer of identity that waits until it may go."""

    def __init__(self, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
        self.answer = answer
        self.asked, self.may_go = asyncio.Event(), asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.asked.set()
        await self.may_go.wait()
        return await self.answer(request)


async def test_sessions_that_are_asked_about_at_once_are_one_question_and_each_gets_its_own(
    gateway: Gateway, sessions: Sessions, tokens: list[str]
) -> None:
    wanted = [*tokens[::-1], ENDED, *tokens[::5]]
    found = await _all(sessions, wanted)
    assert all(_is_of(token, visitor) for token, visitor in zip(wanted, found, strict=True) if token != ENDED)
    assert found[50] is None
    seen = gateway["identity"].seen
    assert [f"{each.method} {each.path}" for each in seen] == [MANY]
    assert [each["token"] for each in orjson.loads(seen[0].body)["sessions"]] == [*tokens[::-1], ENDED]


async def test_however_requests_come_each_is_answered_as_its_own_session(sessions: Sessions, tokens: list[str]) -> None:
    async def come(token: str) -> bool:
        for _ in range(5):
            await asyncio.sleep(chance.random() / 50)
            if not _is_of(token, await sessions.visitor(token, refresh=True)):
                return False
        return True

    chance = Random(4)
    assert all(await asyncio.gather(*map(come, tokens)))


async def test_who_is_asked_about_alone_is_asked_about_at_once(
    gateway: Gateway, sessions: Sessions, tokens: list[str]
) -> None:
    assert _is_of(tokens[0], await sessions.visitor(tokens[0]))
    assert await _all(sessions, [tokens[1]] * 3) == [await sessions.visitor(tokens[1])] * 3
    assert {f"{each.method} {each.path}" for each in gateway["identity"].seen} == {ONE}
    assert len(gateway["identity"].seen) == 3


async def test_a_session_is_asked_about_for_each_address_that_shows_it(
    gateway: Gateway, sessions: Sessions, tokens: list[str]
) -> None:
    async def ask(address: str) -> Visitor | None:
        origin.set(Origin("r-1", "", address))
        return await sessions.visitor(tokens[0], refresh=True)

    addresses = ["192.0.2.7", "2001:db8::7"]
    await asyncio.gather(*(asyncio.create_task(ask(address)) for address in addresses))
    asked = gateway["identity"].asked(MANY)
    assert [each["address"] for each in orjson.loads(asked[0].body)["sessions"]] == addresses


async def test_a_question_that_is_under_way_answers_nobody_who_comes_later(
    gateway: Gateway, sessions: Sessions
) -> None:
    held = Held(says(_session("as it was")))
    gateway["identity"].answers(ONE, held, says(_session("as it is now")))
    early = asyncio.create_task(sessions.visitor(TOKEN, refresh=True))
    await held.asked.wait()
    late = [asyncio.create_task(sessions.visitor(TOKEN, refresh=True)) for _ in range(5)]
    await asyncio.sleep(0)
    held.may_go.set()
    visitors = [visitor for visitor in await asyncio.gather(early, *late) if visitor is not None]
    assert [visitor.user.name for visitor in visitors] == ["as it was", *["as it is now"] * 5]
    assert len(gateway["identity"].asked(ONE)) == 2


@pytest.mark.parametrize("status", [404, 405, 422, 500])
async def test_where_identity_cannot_answer_for_many_it_is_asked_one_by_one(
    gateway: Gateway, sessions: Sessions, tokens: list[str], status: int
) -> None:
    gateway["identity"].answers(MANY, refuses(status, "of-an-older-identity"))
    wanted = [*tokens[:3], ENDED]
    *found, ended = await _all(sessions, wanted)
    assert all(_is_of(token, visitor) for token, visitor in zip(tokens[:3], found, strict=True))
    assert ended is None
    assert len(gateway["identity"].asked(ONE)) == 4


async def test_one_session_that_breaks_identity_is_refused_alone(
    gateway: Gateway, sessions: Sessions, tokens: list[str]
) -> None:
    async def one(request: web.Request) -> web.StreamResponse:
        token = (await request.json())["token"]
        return await (says(_session(token)) if token != ENDED else refuses(500, "internal"))(request)

    gateway["identity"].answers(MANY, refuses(500, "internal"))
    gateway["identity"].answers(ONE, one)
    found, broken = await _all(sessions, [tokens[0], ENDED])
    assert _is_of(tokens[0], found)
    assert isinstance(broken, Unavailable)


@pytest.mark.parametrize("away", [refuses(503, "unavailable"), hangs_up])
async def test_while_identity_is_away_each_is_refused_and_nobody_asks_again(
    gateway: Gateway, sessions: Sessions, tokens: list[str], away: Any
) -> None:
    gateway["identity"].answers(MANY, away)
    assert [type(refusal).__name__ for refusal in await _all(sessions, tokens)] == ["ServiceUnavailable"] * 50
    assert gateway["identity"].asked(ONE) == []


async def test_who_waits_behind_a_silent_identity_waits_no_longer_than_alone(
    gateway: Gateway, sessions: Sessions, tokens: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(says(_session(TOKEN)))
    gateway["identity"].answers(ONE, held)
    first = asyncio.create_task(sessions.visitor(TOKEN))
    await held.asked.wait()
    monkeypatch.setattr("services.gateway.session.RESOLVED_WITHIN_S", 0.05)
    refused = await _all(sessions, tokens[:2])
    assert [type(refusal).__name__ for refusal in refused] == ["ServiceUnavailable"] * 2
    assert not first.done()
    held.may_go.set()
    assert _is_of(TOKEN, await first)


async def test_who_leaves_stops_nobody_elses_question(gateway: Gateway, sessions: Sessions, tokens: list[str]) -> None:
    async def many(request: web.Request) -> web.StreamResponse:
        return await says({"sessions": [_session(each["token"]) for each in await _asked(request)]})(request)

    held = Held(many)
    gateway["identity"].answers(MANY, held)
    leaving, *staying = [asyncio.create_task(sessions.visitor(token)) for token in tokens[:3]]
    await held.asked.wait()
    leaving.cancel()
    await asyncio.wait([leaving])
    held.may_go.set()
    found = await asyncio.gather(*staying)
    assert all(_is_of(token, visitor) for token, visitor in zip(tokens[1:3], found, strict=True))
    assert len(gateway["identity"].seen) == 1
