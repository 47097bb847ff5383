"""The door: cookies, sessions, and changes that the visitor meant."""

from collections.abc import Callable
from time import monotonic

import pytest
from aiohttp import web

from services.gateway.clients import Services
from services.gateway.session import Sessions
from shared.errors import Unavailable
from tests.service.gateway.stand_ins import (
    PATIENT,
    SIGNED_ACTOR,
    TOKEN,
    Gateway,
    Json,
    StandIn,
    a_portal,
    a_session,
    hangs_up,
    never_answers,
    refuses,
    says,
    unused_url,
)

CREDENTIALS = {"email": "ana@example.com", "password": "correct horse battery"}


def _told(session: Json) -> Json:
    return {name: session[name] for name in ("user", "csrf_token", "memberships")}


async def test_signing_in_puts_the_token_into_the_cookie_and_nowhere_else(gateway: Gateway) -> None:
    session = a_session()
    gateway["identity"].answers("POST /session", says({**session, "session_token": TOKEN}, status=201))
    answer = await gateway.portal.post("/api/v1/session", json=CREDENTIALS)
    assert answer.status == 201
    assert await answer.json() == _told(session)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"portico-8080={TOKEN};")
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert "Domain" not in cookie


async def test_behind_tls_the_cookie_is_bound_to_the_host(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /session", says({**a_session(), "session_token": TOKEN}, status=201))
    urls = {name: service.url for name, service in gateway.services.items()}
    portal = await a_portal(urls, PORTICO_BASE_URL="https://portal.example.com")
    try:
        answer = await portal.post("/api/v1/session", json=CREDENTIALS)
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"__Host-portico={TOKEN};")
        assert "Secure" in cookie.split("; ")
        seen = await portal.get("/api/v1/session", headers={"Cookie": f"portico={TOKEN}"})
        assert seen.status == 401
        seen = await portal.get("/api/v1/session", headers={"Cookie": f"__Host-portico={TOKEN}"})
        assert seen.status == 200
    finally:
        await portal.close()


async def test_wrong_credentials_set_no_cookie(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /session", refuses(401, "wrong_credentials"))
    answer = await gateway.portal.post("/api/v1/session", json=CREDENTIALS)
    assert (answer.status, (await answer.json())["code"]) == (401, "wrong_credentials")
    assert "Set-Cookie" not in answer.headers


async def test_another_site_cannot_sign_a_browser_in(gateway: Gateway) -> None:
    answer = await gateway.portal.post("/api/v1/session", json=CREDENTIALS, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status, (await answer.json())["code"]) == (403, "csrf")
    assert gateway["identity"].asked("POST /session") == []


async def test_the_session_tells_who_is_signed_in_and_the_token_for_changes(gateway: Gateway) -> None:
    session = a_session()
    gateway["identity"].answers("POST /session/resolve", says(session))
    answer = await gateway.portal.get("/api/v1/session", headers=gateway.signed_in())
    assert answer.status == 200
    assert await answer.json() == _told(session)


@pytest.mark.parametrize("cookie", ["", "short", "x" * 101, "a-session-token-with-a-dot.and-more"])
async def test_a_cookie_that_cannot_be_a_session_is_ignored_without_asking_identity(
    gateway: Gateway, cookie: str
) -> None:
    answer = await gateway.portal.get("/api/v1/cases", headers={"Cookie": f"portico-8080={cookie}"})
    assert (answer.status, (await answer.json())["code"]) == (401, "not_signed_in")
    assert gateway["identity"].seen == []


async def test_an_unknown_session_is_no_visitor(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /session/resolve", refuses(401, "not_signed_in"))
    answer = await gateway.portal.get("/api/v1/cases", headers=gateway.signed_in())
    assert answer.status == 401
    assert gateway["cases"].seen == []


async def test_a_bearer_token_is_not_a_session_and_does_not_hide_behind_one(gateway: Gateway) -> None:
    answer = await gateway.portal.get("/api/v1/cases", headers=gateway.signed_in(Authorization="Bearer abc"))
    assert answer.status == 401
    assert gateway["cases"].seen == []


async def test_signing_out_ends_the_session_here_at_once(gateway: Gateway) -> None:
    async def end(_request: web.Request) -> web.Response:
        gateway["identity"].answers("POST /session/resolve", refuses(401, "not_signed_in"))
        return web.Response(status=204)

    gateway["identity"].answers("POST /session/end", end)
    assert (await gateway.portal.get("/api/v1/session", headers=gateway.signed_in())).status == 200
    answer = await gateway.portal.delete("/api/v1/session", headers=gateway.signed_in())
    assert answer.status == 204
    assert answer.headers["Set-Cookie"].startswith('portico-8080=""; ')
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert TOKEN in gateway["identity"].asked("POST /session/end")[0].body.decode()
    assert (await gateway.portal.get("/api/v1/session", headers=gateway.signed_in())).status == 401


async def test_a_sign_out_that_identity_did_not_take_is_no_success(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /session/end", refuses(503, "unavailable"))
    answer = await gateway.portal.delete("/api/v1/session", headers=gateway.signed_in())
    assert answer.status == 503
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "another"},
        {"X-CSRF-Token": "é" * 8},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "https://evil.example", "Host": "evil.example"},
        {"Origin": "http://localhost:8081"},
        {"Origin": "https://localhost:8080"},
    ],
)
async def test_a_change_that_the_visitor_did_not_mean_is_refused(gateway: Gateway, headers: dict[str, str]) -> None:
    answer = await gateway.portal.post("/api/v1/sites", json={}, headers=gateway.signed_in() | headers)
    assert (answer.status, (await answer.json())["code"]) == (403, "csrf")
    assert gateway["identity"].asked("POST /sites") == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "http://localhost:8080"},
        {"Origin": "http://127.0.0.1:8080"},
        {"Origin": "http://[::1]:8080"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    ],
)
async def test_a_change_from_an_own_page_passes(gateway: Gateway, headers: dict[str, str]) -> None:
    gateway["identity"].answers("POST /sites", says({}, status=201))
    answer = await gateway.portal.post("/api/v1/sites", json={}, headers=gateway.signed_in() | headers)
    assert answer.status == 201


async def test_an_invitation_opens_with_and_without_a_session(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /invitations/abc/accept", says({"state": "verify", "email": "x"}, status=202))
    anonymous = await gateway.portal.post("/api/v1/invitations/abc/accept", json={})
    with_session = await gateway.portal.post("/api/v1/invitations/abc/accept", json={}, headers=gateway.signed_in())
    careless = await gateway.portal.post(
        "/api/v1/invitations/abc/accept", json={}, headers={"Cookie": f"portico-8080={TOKEN}"}
    )
    assert [anonymous.status, with_session.status, careless.status] == [202, 202, 403]
    first, second = gateway["identity"].asked("POST /invitations/abc/accept")
    assert "X-Portico-Actor" not in first.headers
    assert second.headers["X-Portico-Actor"] == SIGNED_ACTOR


async def test_the_token_goes_to_identity_only_and_a_switch_is_seen_at_once(gateway: Gateway) -> None:
    before, after = a_session(), a_session()
    gateway["identity"].answers("POST /session/resolve", says(before), says(after))
    gateway["identity"].answers("POST /session/switch", refuses(404, "not_found"), says(after))
    path, body = "/api/v1/session/switch", {"user_id": after["user"]["id"]}
    refused = await gateway.portal.post(path, json=body, headers=gateway.signed_in())
    assert refused.status == 404
    assert (await gateway.portal.post(path, json=body, headers={"Cookie": f"portico-8080={TOKEN}"})).status == 403
    assert (await gateway.portal.post(path, json=body, headers=gateway.signed_in())).status == 200
    assert [seen.headers["X-Portico-Session"] for seen in gateway["identity"].asked("POST /session/switch")] == [
        TOKEN
    ] * 2
    answer = await gateway.portal.get("/api/v1/session", headers=gateway.signed_in())
    assert await answer.json() == _told(after)
    assert "X-Portico-Session" not in gateway["identity"].asked("POST /session/resolve")[0].headers


async def test_without_identity_a_request_with_a_session_is_refused_as_unavailable(gateway: Gateway) -> None:
    await gateway["identity"].stop()
    answer = await gateway.portal.get("/api/v1/cases", headers=gateway.signed_in())
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "2"
    assert "Sign-in" in (await answer.json())["detail"]


# How long identity's word holds


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _sessions(services: Services, clock: Callable[[], float], *, size: int = 10) -> Sessions:
    return Sessions(services, size=size, clock=clock)


def _services(url: str) -> Services:
    return Services({"identity": url}, PATIENT)


async def test_identity_is_asked_once_a_second(gateway: Gateway) -> None:
    clock, services = Clock(), _services(gateway["identity"].url)
    sessions = _sessions(services, clock)
    for _ in range(5):
        assert await sessions.visitor(TOKEN) is not None
    assert len(gateway["identity"].asked("POST /session/resolve")) == 1
    clock.now += 1.0
    gateway["identity"].answers("POST /session/resolve", refuses(401, "not_signed_in"))
    assert await sessions.visitor(TOKEN) is None
    await services.stop()


async def test_an_ended_session_is_not_restored_when_identity_becomes_unavailable(gateway: Gateway) -> None:
    clock, services = Clock(), _services(gateway["identity"].url)
    sessions = _sessions(services, clock)
    await sessions.visitor(TOKEN)
    clock.now += 1.0
    gateway["identity"].answers("POST /session/resolve", refuses(401, "not_signed_in"), refuses(503, "unavailable"))
    assert await sessions.visitor(TOKEN) is None
    with pytest.raises(Unavailable):
        await sessions.visitor(TOKEN)
    await services.stop()


async def test_while_identity_is_unavailable_its_last_answer_holds_for_thirty_seconds_without_asking_each_time(
    gateway: Gateway,
) -> None:
    clock, services = Clock(), _services(gateway["identity"].url)
    sessions = _sessions(services, clock)
    await sessions.visitor(TOKEN)
    gateway["identity"].answers("POST /session/resolve", refuses(503, "unavailable"))
    clock.now += 29.0
    for _ in range(5):
        assert await sessions.visitor(TOKEN) is not None
    assert len(gateway["identity"].asked("POST /session/resolve")) == 2
    clock.now += 2.0
    with pytest.raises(Unavailable):
        await sessions.visitor(TOKEN)
    await services.stop()


async def test_a_silent_identity_takes_only_a_part_of_the_time_that_an_answer_may_take(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, services = Clock(), _services(gateway["identity"].url)
    sessions = _sessions(services, clock)
    await sessions.visitor(TOKEN)
    gateway["identity"].answers("POST /session/resolve", never_answers)
    monkeypatch.setattr("services.gateway.session.RESOLVED_WITHIN_S", 0.1)
    clock.now += 1.0
    began = monotonic()
    assert await sessions.visitor(TOKEN) is not None
    assert monotonic() - began < PATIENT.answer_s
    await services.stop()


async def test_the_memory_of_sessions_is_bounded(gateway: Gateway) -> None:
    clock, services = Clock(), _services(gateway["identity"].url)
    sessions = _sessions(services, clock, size=3)
    for number in range(10):
        await sessions.visitor(f"{TOKEN}-{number}")
    assert len(sessions._remembered) == 3
    await services.stop()


async def test_a_session_that_was_never_confirmed_is_refused_while_identity_is_unavailable() -> None:
    services = _services(unused_url())
    with pytest.raises(Unavailable):
        await _sessions(services, Clock()).visitor(TOKEN)
    await services.stop()


async def test_resolving_is_repeated_when_the_connection_dies(gateway: Gateway) -> None:
    identity = StandIn()
    await identity.start()
    services = _services(identity.url)
    identity.answers("POST /session/resolve", hangs_up, says(a_session()))
    assert await _sessions(services, Clock()).visitor(TOKEN) is not None
    await services.stop()
    await identity.stop()
