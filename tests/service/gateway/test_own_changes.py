"""What visitors change holds at once for them, on every replica; and whom a service does not believe goes nowhere."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiohttp import web

from services.gateway.clients import Services
from services.gateway.session import Sessions
from shared.bus import Hint
from shared.errors import Unavailable
from tests.service.gateway.stand_ins import (
    CSRF,
    PATIENT,
    TOKEN,
    Client,
    Gateway,
    Json,
    a_portal,
    a_session,
    hangs_up,
    refuses,
    says,
)

RESOLVE = "POST /session/resolve"


@pytest.fixture
async def other_portal(gateway: Gateway) -> AsyncIterator[Client]:
    """A second gateway before the same services."""
    portal = await a_portal({name: service.url for name, service in gateway.services.items()})
    yield portal
    await portal.close()


def changed(session: Json, **user: str) -> Json:
    return {**session, "user": {**session["user"], **user}, "actor": "the.new.actor"}


def identity_tells_what_was_saved(gateway: Gateway, before: Json, after: Json) -> None:
    """Until the profile is saved the one, from then on the other."""
    gateway["identity"].answers(RESOLVE, says(before))

    async def save(_request: web.Request) -> web.Response:
        gateway["identity"].answers(RESOLVE, says(after))
        return web.json_response({"first_name": "Ana"})

    gateway["identity"].answers("PUT /profile", save)


async def test_a_change_right_after_another_is_made_as_the_current_user(gateway: Gateway, other_portal: Client) -> None:
    before = a_session()
    identity_tells_what_was_saved(gateway, before, changed(before, email="contact@example.com"))
    gateway["cases"].answers("POST /cases", says({"number": "1000000009"}, status=201))
    for portal in (gateway.portal, other_portal):
        assert (await portal.get("/api/v1/session", headers=gateway.signed_in())).status == 200
    await gateway.portal.put("/api/v1/profile", json={}, headers=gateway.signed_in())
    for portal in (gateway.portal, other_portal):
        assert (await portal.post("/api/v1/cases", json={}, headers=gateway.signed_in())).status == 201
    actors = [seen.headers["X-Portico-Actor"] for seen in gateway["cases"].asked("POST /cases")]
    assert actors == ["the.new.actor"] * 2


async def test_the_replica_that_changed_something_shows_it_at_once(gateway: Gateway) -> None:
    before = a_session()
    identity_tells_what_was_saved(gateway, before, changed(before, name="Ana Maria Duarte"))
    assert (await gateway.portal.get("/api/v1/session", headers=gateway.signed_in())).status == 200
    await gateway.portal.put("/api/v1/profile", json={}, headers=gateway.signed_in())
    told = await (await gateway.portal.get("/api/v1/session", headers=gateway.signed_in())).json()
    assert told["user"]["name"] == "Ana Maria Duarte"


async def test_a_page_that_says_what_was_done_shows_it_on_every_replica(gateway: Gateway, other_portal: Client) -> None:
    before = a_session()
    after = changed(before, company_name="Beta GmbH")
    gateway["identity"].answers(RESOLVE, says(before))
    gateway["identity"].answers("POST /session/switch", says(after))
    gateway["cases"].answers("GET /start", refuses(503, "unavailable"))
    for portal in (gateway.portal, other_portal):
        assert "Acme SA" in await (await portal.get("/", headers=gateway.signed_in())).text()
    form = {"csrf_token": CSRF, "user_id": after["user"]["id"]}
    moved = await gateway.portal.post("/switch-company", data=form, headers=gateway.signed_in(), allow_redirects=False)
    assert moved.headers["Location"] == "/?done=switched"
    gateway["identity"].answers(RESOLVE, says(after))
    page = await (await other_portal.get("/?done=switched", headers=gateway.signed_in())).text()
    assert "You are now in the portal of Beta GmbH" in page


async def test_an_answer_of_identity_that_is_older_than_a_change_is_used_once_and_not_remembered(
    gateway: Gateway,
) -> None:
    before = a_session()
    asked, answer_it = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        asked.set()
        await answer_it.wait()
        return web.json_response(before)

    now = [1000.0]
    services = Services({"identity": gateway["identity"].url}, PATIENT)
    sessions = Sessions(services, clock=lambda: now[0])
    await sessions.visitor(TOKEN)
    now[0] += 2
    gateway["identity"].answers(RESOLVE, slow)
    looking = asyncio.ensure_future(sessions.visitor(TOKEN))
    await asked.wait()
    now[0] += 0.1
    sessions.mark_changed(TOKEN, request_id="r-1")
    now[0] += 0.1
    answer_it.set()
    await looking
    gateway["identity"].answers(RESOLVE, says(changed(before, name="Ana Maria Duarte")))
    visitor = await sessions.visitor(TOKEN)
    assert visitor is not None
    assert visitor.user.name == "Ana Maria Duarte"
    await services.stop()


async def test_identity_is_asked_once_for_a_request_whatever_asks(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /sites", says({}, status=201))
    form = {"csrf_token": CSRF, "name": "Lyon"}
    await gateway.portal.post("/sites", data=form, headers=gateway.signed_in(), allow_redirects=False)
    assert len(gateway["identity"].asked(RESOLVE)) == 1


async def test_while_identity_is_unavailable_changes_are_accepted_for_thirty_seconds(gateway: Gateway) -> None:
    now = [1000.0]
    services = Services({"identity": gateway["identity"].url}, PATIENT)
    sessions = Sessions(services, clock=lambda: now[0])
    await sessions.visitor(TOKEN)
    sessions.mark_changed(TOKEN, request_id="r-1")
    gateway["identity"].answers(RESOLVE, hangs_up)
    now[0] += 29
    assert await sessions.visitor(TOKEN, refresh=True) is not None
    sessions.mark_changed(TOKEN, request_id="r-1")
    assert await sessions.visitor(TOKEN, refresh=True) is not None
    now[0] += 2
    with pytest.raises(Unavailable):
        await sessions.visitor(TOKEN, refresh=True)
    await services.stop()


@pytest.mark.parametrize("changed_id", ["user", "company"])
async def test_a_hint_has_identity_asked_again_at_once(gateway: Gateway, changed_id: str) -> None:
    now = [1000.0]
    services = Services({"identity": gateway["identity"].url}, PATIENT)
    sessions = Sessions(services, clock=lambda: now[0])
    visitor = await sessions.visitor(TOKEN)
    assert visitor is not None
    ids = {"user": visitor.user.id, "company": visitor.user.company_id}
    gateway["identity"].answers(RESOLVE, says(changed(a_session(), name="Ana Maria Duarte")))
    sessions.apply_hint(Hint("identity.user.changed", str(uuid4())))
    now[0] += 0.1
    unchanged = await sessions.visitor(TOKEN)
    assert (unchanged, len(gateway["identity"].asked(RESOLVE))) == (visitor, 1)
    sessions.apply_hint(Hint("identity.user.changed", str(ids[changed_id])))
    for _ in range(2):
        now[0] += 0.1
        visitor = await sessions.visitor(TOKEN)
        assert visitor is not None
        assert visitor.user.name == "Ana Maria Duarte"
    assert len(gateway["identity"].asked(RESOLVE)) == 2
    await services.stop()


async def test_a_hint_about_ones_own_change_asks_nothing_more_of_identity(gateway: Gateway) -> None:
    now = [1000.0]
    services = Services({"identity": gateway["identity"].url}, PATIENT)
    sessions = Sessions(services, clock=lambda: now[0])
    visitor = await sessions.visitor(TOKEN)
    assert visitor is not None
    user_id = str(visitor.user.id)
    sessions.mark_changed(TOKEN, request_id="r-1")
    await sessions.visitor(TOKEN)
    now[0] += 0.1
    sessions.apply_hint(Hint("identity.user.changed", user_id, "r-1"))
    await sessions.visitor(TOKEN)
    assert len(gateway["identity"].asked(RESOLVE)) == 2
    sessions.apply_hint(Hint("identity.user.changed", user_id, "r-2"))
    await sessions.visitor(TOKEN)
    assert len(gateway["identity"].asked(RESOLVE)) == 3
    await services.stop()


async def test_hints_are_remembered_only_as_long_as_what_they_are_about(gateway: Gateway) -> None:
    now = [1000.0]
    services = Services({"identity": gateway["identity"].url}, PATIENT)
    sessions = Sessions(services, clock=lambda: now[0])
    for number in range(1000):
        sessions.apply_hint(Hint("identity.user.changed", str(number)))
    now[0] += 6
    sessions.apply_hint(Hint("identity.user.changed", "last"))
    assert list(sessions._hinted) == ["last"]


async def test_a_comment_is_accepted_while_identity_is_briefly_unavailable(gateway: Gateway) -> None:
    gateway["cases"].answers("POST /cases/1000000009/actions", says({"number": "1000000009"}))
    assert (await gateway.portal.get("/api/v1/session", headers=gateway.signed_in())).status == 200
    gateway["identity"].answers(RESOLVE, hangs_up)
    for _ in range(2):
        sent = await gateway.portal.post("/api/v1/cases/1000000009/actions", json={}, headers=gateway.signed_in())
        assert sent.status == 200


# A service that does not believe what identity has signed


@pytest.mark.parametrize("path", ["/cases", "/cases/1000000009", "/cases.xlsx", "/profile", "/sites", "/users"])
async def test_no_refused_signature_leads_to_the_sign_in_and_back(gateway: Gateway, path: str) -> None:
    for service in ("identity", "cases", "notifications"):
        for inner in ("/cases", "/cases/1000000009", "/cases.xlsx", "/profile", "/sites", "/users", "/invitations"):
            gateway[service].answers(f"GET {inner}", refuses(401, "not_signed_in"))
    for address in (path, f"/api/v1{path}"):
        answer = await gateway.portal.get(address, headers=gateway.signed_in(), allow_redirects=False)
        assert answer.status == 503, address
        assert "Location" not in answer.headers


async def test_the_start_page_does_without_cases_where_they_refuse_the_signature(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /start", refuses(401, "not_signed_in"))
    answer = await gateway.portal.get("/", headers=gateway.signed_in(), allow_redirects=False)
    assert answer.status == 200


async def test_a_form_whose_service_refuses_the_signature_keeps_what_was_typed(gateway: Gateway) -> None:
    for name in ("GET /cases/1000000009", "POST /cases/1000000009/actions"):
        gateway["cases"].answers(name, refuses(401, "not_signed_in"))
    form = {"csrf_token": CSRF, "action": "comment", "text": "It jams again."}
    answer = await gateway.portal.post(
        "/cases/1000000009", data=form, headers=gateway.signed_in(), allow_redirects=False
    )
    assert answer.status == 503
    assert "It jams again." in await answer.text()


async def test_an_upload_whose_signature_is_refused_is_no_sign_in_either(gateway: Gateway) -> None:
    gateway["cases"].answers("POST /attachments", refuses(401, "not_signed_in"))
    headers = gateway.signed_in() | {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await gateway.portal.post("/api/v1/attachments", data=b"--x--\r\n", headers=headers)
    assert (answer.status, (await answer.json())["code"]) == (503, "unavailable")


async def test_a_session_that_identity_refuses_leads_to_the_sign_in(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /session/switch", refuses(401, "not_signed_in"))
    form = {"csrf_token": CSRF, "user_id": "someone"}
    answer = await gateway.portal.post("/api/v1/session/switch", json=form, headers=gateway.signed_in())
    assert answer.status == 401


async def test_a_newcomer_accepts_in_the_language_of_the_page(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /invitations/a-code/accept", says({"state": "verify", "email": "a@b.fr"}))
    typed = {"first_name": "Ana", "last_name": "Duarte", "password": "correct horse battery staple"}
    ways = [{"Accept-Language": "fr"}, {"Accept-Language": "fr", "Cookie": "portico-language-8080=en"}, {}]
    for headers in ways:
        await gateway.portal.post("/invitations/a-code", data=typed, headers=headers, allow_redirects=False)
    bodies = [seen.body.decode() for seen in gateway["identity"].asked("POST /invitations/a-code/accept")]
    assert ['"locale":"fr"' in body for body in bodies] == [True, False, False]
    assert all('"locale":' in body for body in bodies)
