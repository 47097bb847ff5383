"""What a browser keeps beside its session: proofs of earlier sign-ins, and that it asked for a code."""

from http.cookies import SimpleCookie

import pytest
from aiohttp import ClientResponse

from tests.service.gateway.stand_ins import TOKEN, Gateway, a_portal, a_session, refuses, says

CREDENTIALS = {"email": "ana@example.com", "password": "correct horse battery"}
PROOFS = "A" * 43 + "." + "b-_" * 14 + "C"


def kept(answer: ClientResponse) -> SimpleCookie:
    """The cookies of an answer."""
    cookies = SimpleCookie()
    for header in answer.headers.getall("Set-Cookie", []):
        cookies.load(header)
    return cookies


async def signs_in(gateway: Gateway, by: str, cookies: str = "", **headers: str) -> ClientResponse:
    gateway.portal.session.cookie_jar.clear()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers |= {"Cookie": cookies} if cookies else {}
    if by == "page":
        return await gateway.portal.post("/sign-in", data=CREDENTIALS, headers=headers, allow_redirects=False)
    return await gateway.portal.post("/api/v1/session", json=CREDENTIALS, headers=headers)


@pytest.fixture(params=["page", "program"])
def by(request: pytest.FixtureRequest) -> str:
    """Whoever signs in."""
    return str(request.param)


async def test_a_sign_in_leaves_a_proof_that_the_next_one_shows(gateway: Gateway, by: str) -> None:
    session = a_session() | {"session_token": TOKEN, "device_proofs": PROOFS}
    gateway["identity"].answers("POST /session", says(session, status=201))
    cookie = kept(await signs_in(gateway, by))["portico-device-8080"]
    assert cookie.value == PROOFS
    assert (cookie["max-age"], cookie["path"], cookie["samesite"]) == (str(365 * 24 * 3600), "/", "Lax")
    assert cookie["httponly"]
    await signs_in(gateway, by, f"portico-device-8080={PROOFS}; portico-8080={TOKEN}")
    first, second = gateway["identity"].asked("POST /session")
    assert not {"X-Portico-Device", "X-Portico-Session"} & first.headers.keys()
    assert second.headers["X-Portico-Device"] == PROOFS
    assert second.headers["X-Portico-Session"] == TOKEN


async def test_behind_tls_the_proof_is_bound_to_the_host(gateway: Gateway) -> None:
    session = a_session() | {"session_token": TOKEN, "device_proofs": PROOFS}
    gateway["identity"].answers("POST /session", says(session, status=201))
    urls = {name: service.url for name, service in gateway.services.items()}
    portal = await a_portal(urls, PORTICO_BASE_URL="https://portal.example.com")
    try:
        cookies = {"Cookie": f"portico-device={PROOFS}"}
        answer = await portal.post("/api/v1/session", json=CREDENTIALS, headers=cookies)
        cookie = kept(answer)["__Host-portico-device"]
        assert cookie["secure"]
        assert not cookie["domain"]
    finally:
        await portal.close()
    assert "X-Portico-Device" not in gateway["identity"].asked("POST /session")[0].headers


@pytest.mark.parametrize(
    ("said", "told"), [("Firefox/140", "Firefox/140"), ("x" * 400, "x" * 300), ("Opéra\x80 9", "Opra 9")]
)
async def test_identity_learns_what_the_browser_says_of_itself(gateway: Gateway, by: str, said: str, told: str) -> None:
    gateway["identity"].answers("POST /session", refuses(401, "wrong_credentials"))
    await signs_in(gateway, by, user_agent=said)
    assert gateway["identity"].asked("POST /session")[0].headers["User-Agent"] == told


async def test_a_refused_sign_in_leaves_nothing(gateway: Gateway, by: str) -> None:
    gateway["identity"].answers("POST /session", refuses(401, "wrong_credentials"))
    assert not kept(await signs_in(gateway, by))


@pytest.mark.parametrize("cookie", ["", "x!y", "é", '"', "A" * 401])
async def test_a_cookie_that_cannot_be_a_proof_is_not_passed_on(gateway: Gateway, by: str, cookie: str) -> None:
    gateway["identity"].answers("POST /session", refuses(401, "wrong_credentials"))
    assert (await signs_in(gateway, by, f"portico-device-8080={cookie}")).status == 401
    assert "X-Portico-Device" not in gateway["identity"].asked("POST /session")[0].headers


async def test_internal_headers_from_outside_are_dropped(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /session", refuses(401, "wrong_credentials"))
    headers = {"X-Portico-Device": PROOFS, "X-Portico-Session": TOKEN}
    await gateway.portal.post("/api/v1/session", json=CREDENTIALS, headers=headers)
    assert not headers.keys() & gateway["identity"].asked("POST /session")[0].headers.keys()


async def test_the_session_that_a_browser_had_is_not_remembered_after_a_new_one(gateway: Gateway, by: str) -> None:
    await gateway.portal.get("/api/v1/session", headers=gateway.signed_in())
    session = a_session() | {"session_token": f"{TOKEN}-new", "device_proofs": PROOFS}
    gateway["identity"].answers("POST /session", says(session, status=201))
    gateway["identity"].answers("POST /session/resolve", refuses(401, "not_signed_in"))
    await signs_in(gateway, by, f"portico-8080={TOKEN}")
    assert (await gateway.portal.get("/api/v1/session", headers=gateway.signed_in())).status == 401


async def accepts(gateway: Gateway, by: str, cookies: str = "") -> ClientResponse:
    gateway.portal.session.cookie_jar.clear()
    headers = {"Cookie": cookies} if cookies else {}
    newcomer = {"first_name": "Ana", "last_name": "Duarte", "password": "seven green kites over Lyon"}
    if by == "page":
        return await gateway.portal.post("/invitations/abc", data=newcomer, headers=headers, allow_redirects=False)
    return await gateway.portal.post("/api/v1/invitations/abc/accept", json=newcomer, headers=headers)


async def types(gateway: Gateway, by: str, path: str, cookies: str) -> ClientResponse:
    gateway.portal.session.cookie_jar.clear()
    typed, headers = {"email": "ana@example.com", "code": "123456"}, {"Cookie": cookies}
    if by == "page":
        page = {"/registrations/verify": "/verify", "/registrations/resend": "/verify/resend"}[path]
        return await gateway.portal.post(page, data=typed, headers=headers, allow_redirects=False)
    return await gateway.portal.post(f"/api/v1{path}", json=typed, headers=headers)


async def test_the_browser_that_accepts_is_known_again_when_the_code_is_typed(gateway: Gateway, by: str) -> None:
    identity = gateway["identity"]
    identity.answers("POST /invitations/abc/accept", says({"state": "verify", "email": "ana@example.com"}, status=202))
    identity.answers("GET /invitations/abc", refuses(409, "invitation_used"))
    identity.answers("POST /registrations/verify", says({"state": "active"}))
    identity.answers("POST /registrations/resend", says({"state": "accepted"}, status=202))
    cookie = kept(await accepts(gateway, by))["portico-newcomer-8080"]
    assert (cookie["max-age"], cookie["path"], cookie["samesite"]) == (str(7 * 24 * 3600), "/", "Lax")
    assert cookie["httponly"]
    [accepted] = identity.asked("POST /invitations/abc/accept")
    assert accepted.headers["X-Portico-Browser"] == cookie.value
    for path in ("/registrations/verify", "/registrations/resend"):
        assert (await types(gateway, by, path, f"portico-newcomer-8080={cookie.value}")).status < 400
        assert identity.asked(f"POST {path}")[-1].headers["X-Portico-Browser"] == cookie.value
        await types(gateway, by, path, "portico-newcomer-8080=short")
        assert "X-Portico-Browser" not in identity.asked(f"POST {path}")[-1].headers
    opened = "/invitations/abc" if by == "page" else "/api/v1/invitations/abc"
    await gateway.portal.get(opened, headers={"Cookie": f"portico-newcomer-8080={cookie.value}"})
    assert identity.asked("GET /invitations/abc")[-1].headers["X-Portico-Browser"] == cookie.value
    # Whoever accepts a second invitation still has the first one's code to type.
    again = kept(await accepts(gateway, by, f"portico-newcomer-8080={cookie.value}"))["portico-newcomer-8080"]
    assert again.value == cookie.value


async def test_a_refused_acceptance_leaves_nothing(gateway: Gateway, by: str) -> None:
    gateway["identity"].answers("POST /invitations/abc/accept", refuses(422, "invalid", "password"))
    gateway["identity"].answers("GET /invitations/abc", refuses(409, "invitation_used"))
    assert not kept(await accepts(gateway, by))
