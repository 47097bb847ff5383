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
    DEADLINES,
    TOKEN,
    Client,
    House,
    Json,
    a_portal,
    a_session,
    hangs_up,
    refuses,
    says,
)

RESOLVE = "POST /session/resolve"


@pytest.fixture
async def other_portal(house: House) -> AsyncIterator[Client]:
    """A second gateway before the same services."""
    portal = await a_portal({name: service.url for name, service in house.services.items()})
    yield portal
    await portal.close()


def changed(session: Json, **user: str) -> Json:
    return {**session, "user": {**session["user"], **user}, "actor": "the.new.actor"}


def identity_tells_what_was_saved(house: House, before: Json, after: Json) -> None:
    """Until the profile is saved the one, from then on the other."""
    house["identity"].answers(RESOLVE, says(before))

    async def save(_request: web.Request) -> web.Response:
        house["identity"].answers(RESOLVE, says(after))
        return web.json_response({"first_name": "Ana"})

    house["identity"].answers("PUT /profile", save)


async def test_a_change_right_after_another_is_made_as_the_current_user(house: House, other_portal: Client) -> None:
    before = a_session()
    identity_tells_what_was_saved(house, before, changed(before, email="contact@example.com"))
    house["cases"].answers("POST /cases", says({"number": "1000000009"}, status=201))
    for portal in (house.portal, other_portal):
        assert (await portal.get("/api/v1/session", headers=house.signed_in())).status == 200
    await house.portal.put("/api/v1/profile", json={}, headers=house.signed_in())
    for portal in (house.portal, other_portal):
        assert (await portal.post("/api/v1/cases", json={}, headers=house.signed_in())).status == 201
    actors = [seen.headers["X-Portico-Actor"] for seen in house["cases"].asked("POST /cases")]
    assert actors == ["the.new.actor"] * 2


async def test_the_replica_that_changed_something_shows_it_at_once(house: House) -> None:
    before = a_session()
    identity_tells_what_was_saved(house, before, changed(before, name="Ana Maria Duarte"))
    assert (await house.portal.get("/api/v1/session", headers=house.signed_in())).status == 200
    await house.portal.put("/api/v1/profile", json={}, headers=house.signed_in())
    told = await (await house.portal.get("/api/v1/session", headers=house.signed_in())).json()
    assert told["user"]["name"] == "Ana Maria Duarte"


async def test_a_page_that_says_what_was_done_shows_it_on_every_replica(house: House, other_portal: Client) -> None:
    before = a_session()
    after = changed(before, company_name="Beta GmbH")
    house["identity"].answers(RESOLVE, says(before))
    house["identity"].answers("POST /session/switch", says(after))
    for inner in ("/cases", "/cases/facets"):
        house["cases"].answers(f"GET {inner}", refuses(503, "unavailable"))
    for portal in (house.portal, other_portal):
        assert "Acme SA" in await (await portal.get("/", headers=house.signed_in())).text()
    form = {"csrf_token": CSRF, "user_id": after["user"]["id"]}
    moved = await house.portal.post("/switch-company", data=form, headers=house.signed_in(), allow_redirects=False)
    assert moved.headers["Location"] == "/?done=switched"
    house["identity"].answers(RESOLVE, says(after))
    page = await (await other_portal.get("/?done=switched", headers=house.signed_in())).text()
    assert "You are now in the portal of Beta GmbH" in page


async def test_an_answer_of_identity_that_is_older_than_a_change_is_used_once_and_not_remembered(house: House) -> None:
    before = a_session()
    asked, answer_it = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        asked.set()
        await answer_it.wait()
        return web.json_response(before)

    now = [1000.0]
    services = Services({"identity": house["identity"].url}, DEADLINES)
    sessions = Sessions(base_url="http://localhost:8080", clock=lambda: now[0])
    await sessions.visitor(services, TOKEN)
    now[0] += 2
    house["identity"].answers(RESOLVE, slow)
    looking = asyncio.ensure_future(sessions.visitor(services, TOKEN))
    await asked.wait()
    now[0] += 0.1
    sessions.changed(TOKEN, request_id="r-1")
    now[0] += 0.1
    answer_it.set()
    await looking
    house["identity"].answers(RESOLVE, says(changed(before, name="Ana Maria Duarte")))
    visitor = await sessions.visitor(services, TOKEN)
    assert visitor is not None
    assert visitor.user.name == "Ana Maria Duarte"
    await services.stop()


async def test_identity_is_asked_once_for_a_request_whatever_asks(house: House) -> None:
    house["identity"].answers("POST /sites", says({}, status=201))
    form = {"csrf_token": CSRF, "name": "Lyon"}
    await house.portal.post("/sites", data=form, headers=house.signed_in(), allow_redirects=False)
    assert len(house["identity"].asked(RESOLVE)) == 1


async def test_while_identity_is_unavailable_changes_are_accepted_for_thirty_seconds(house: House) -> None:
    now = [1000.0]
    services = Services({"identity": house["identity"].url}, DEADLINES)
    sessions = Sessions(base_url="http://localhost:8080", clock=lambda: now[0])
    await sessions.visitor(services, TOKEN)
    sessions.changed(TOKEN, request_id="r-1")
    house["identity"].answers(RESOLVE, hangs_up)
    now[0] += 29
    assert await sessions.visitor(services, TOKEN, anew=True) is not None
    sessions.changed(TOKEN, request_id="r-1")
    assert await sessions.visitor(services, TOKEN, anew=True) is not None
    now[0] += 2
    with pytest.raises(Unavailable):
        await sessions.visitor(services, TOKEN, anew=True)
    await services.stop()


@pytest.mark.parametrize("changed_id", ["user", "company"])
async def test_a_hint_has_identity_asked_again_at_once(house: House, changed_id: str) -> None:
    now = [1000.0]
    services = Services({"identity": house["identity"].url}, DEADLINES)
    sessions = Sessions(base_url="http://localhost:8080", clock=lambda: now[0])
    visitor = await sessions.visitor(services, TOKEN)
    assert visitor is not None
    ids = {"user": visitor.user.id, "company": visitor.user.company_id}
    house["identity"].answers(RESOLVE, says(changed(a_session(), name="Ana Maria Duarte")))
    sessions.hinted(Hint("identity.user.changed", str(uuid4())))
    now[0] += 0.1
    unchanged = await sessions.visitor(services, TOKEN)
    assert (unchanged, len(house["identity"].asked(RESOLVE))) == (visitor, 1)
    sessions.hinted(Hint("identity.user.changed", str(ids[changed_id])))
    for _ in range(2):
        now[0] += 0.1
        visitor = await sessions.visitor(services, TOKEN)
        assert visitor is not None
        assert visitor.user.name == "Ana Maria Duarte"
    assert len(house["identity"].asked(RESOLVE)) == 2
    await services.stop()


async def test_a_hint_about_ones_own_change_asks_nothing_more_of_identity(house: House) -> None:
    now = [1000.0]
    services = Services({"identity": house["identity"].url}, DEADLINES)
    sessions = Sessions(base_url="http://localhost:8080", clock=lambda: now[0])
    visitor = await sessions.visitor(services, TOKEN)
    assert visitor is not None
    user_id = str(visitor.user.id)
    sessions.changed(TOKEN, request_id="r-1")
    await sessions.visitor(services, TOKEN)
    now[0] += 0.1
    sessions.hinted(Hint("identity.user.changed", user_id, "r-1"))
    await sessions.visitor(services, TOKEN)
    assert len(house["identity"].asked(RESOLVE)) == 2
    sessions.hinted(Hint("identity.user.changed", user_id, "r-2"))
    await sessions.visitor(services, TOKEN)
    assert len(house["identity"].asked(RESOLVE)) == 3
    await services.stop()


async def test_hints_are_remembered_only_as_long_as_what_they_are_about(house: House) -> None:
    now = [1000.0]
    sessions = Sessions(base_url="http://localhost:8080", clock=lambda: now[0])
    for number in range(1000):
        sessions.hinted(Hint("identity.user.changed", str(number)))
    now[0] += 6
    sessions.hinted(Hint("identity.user.changed", "last"))
    assert list(sessions._hinted) == ["last"]


async def test_a_comment_is_accepted_while_identity_is_briefly_unavailable(house: House) -> None:
    house["cases"].answers("POST /cases/1000000009/actions", says({"number": "1000000009"}))
    assert (await house.portal.get("/api/v1/session", headers=house.signed_in())).status == 200
    house["identity"].answers(RESOLVE, hangs_up)
    for _ in range(2):
        sent = await house.portal.post("/api/v1/cases/1000000009/actions", json={}, headers=house.signed_in())
        assert sent.status == 200


# A service that does not believe what identity has signed


@pytest.mark.parametrize("path", ["/cases", "/cases/1000000009", "/cases.xlsx", "/profile", "/sites", "/users"])
async def test_no_refused_signature_leads_to_the_sign_in_and_back(house: House, path: str) -> None:
    for service in ("identity", "cases", "notifications"):
        for inner in ("/cases", "/cases/1000000009", "/cases.xlsx", "/profile", "/sites", "/users", "/invitations"):
            house[service].answers(f"GET {inner}", refuses(401, "not_signed_in"))
    for address in (path, f"/api/v1{path}"):
        answer = await house.portal.get(address, headers=house.signed_in(), allow_redirects=False)
        assert answer.status == 503, address
        assert "Location" not in answer.headers


async def test_the_start_page_does_without_the_parts_that_refuse_the_signature(house: House) -> None:
    for inner in ("/cases", "/cases/facets"):
        house["cases"].answers(f"GET {inner}", refuses(401, "not_signed_in"))
    answer = await house.portal.get("/", headers=house.signed_in(), allow_redirects=False)
    assert answer.status == 200


async def test_a_form_whose_service_refuses_the_signature_keeps_what_was_typed(house: House) -> None:
    for name in ("GET /cases/1000000009", "POST /cases/1000000009/actions"):
        house["cases"].answers(name, refuses(401, "not_signed_in"))
    form = {"csrf_token": CSRF, "action": "comment", "text": "It jams again."}
    answer = await house.portal.post("/cases/1000000009", data=form, headers=house.signed_in(), allow_redirects=False)
    assert answer.status == 503
    assert "It jams again." in await answer.text()


async def test_an_upload_whose_signature_is_refused_is_no_sign_in_either(house: House) -> None:
    house["cases"].answers("POST /attachments", refuses(401, "not_signed_in"))
    headers = house.signed_in() | {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await house.portal.post("/api/v1/attachments", data=b"--x--\r\n", headers=headers)
    assert (answer.status, (await answer.json())["code"]) == (503, "unavailable")


async def test_a_session_that_identity_refuses_leads_to_the_sign_in(house: House) -> None:
    house["identity"].answers("POST /session/switch", refuses(401, "not_signed_in"))
    form = {"csrf_token": CSRF, "user_id": "someone"}
    answer = await house.portal.post("/api/v1/session/switch", json=form, headers=house.signed_in())
    assert answer.status == 401


async def test_a_newcomer_accepts_in_the_language_of_the_page(house: House) -> None:
    house["identity"].answers("POST /invitations/a-code/accept", says({"state": "verify", "email": "a@b.fr"}))
    typed = {"first_name": "Ana", "last_name": "Duarte", "password": "correct horse battery staple"}
    ways = [{"Accept-Language": "fr"}, {"Accept-Language": "fr", "Cookie": "portico_language=en"}, {}]
    for headers in ways:
        await house.portal.post("/invitations/a-code", data=typed, headers=headers, allow_redirects=False)
    bodies = [seen.body.decode() for seen in house["identity"].asked("POST /invitations/a-code/accept")]
    assert ['"locale":"fr"' in body for body in bodies] == [True, False, False]
    assert all('"locale":' in body for body in bodies)
