"""What passes the door and what does not, and what happens when a service fails behind it."""

import asyncio
import re
import time
from io import BytesIO

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import REGISTRY
from yarl import URL

from deploy.local.waiting import until
from services.gateway.deadlines import USUAL
from services.gateway.forwarding import Access, Route
from services.gateway.routes import ROUTES
from tests.service.gateway.stand_ins import (
    PATIENT,
    SIGNED_ACTOR,
    TOKEN,
    Gateway,
    a_portal,
    hangs_up,
    never_answers,
    refuses,
    says,
    unused_url,
    with_deadlines,
)

BODY = b'{ "title":"Pr\xc3\xa9sentation",\n "severity": 3 }'
JSON = "application/json"


async def test_a_body_goes_through_as_the_bytes_it_came_in(gateway: Gateway) -> None:
    gateway["cases"].answers("POST /cases", says({"number": "1000000009"}, status=201))
    answer = await gateway.portal.post("/api/v1/cases", data=BODY, headers=gateway.signed_in(Content_Type=JSON))
    assert (answer.status, await answer.json()) == (201, {"number": "1000000009"})
    assert gateway["cases"].seen[0].body == BODY


async def test_a_query_goes_through_as_it_was_written(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases", says({"items": []}))
    query = "q=a%2Bb+c%26d&status=new&status=closed&limit=-1"
    answer = await gateway.portal.get(URL(f"/api/v1/cases?{query}", encoded=True), headers=gateway.signed_in())
    assert answer.status == 200
    assert gateway["cases"].seen[0].path == f"/cases?{query}"


async def test_only_a_few_headers_pass_in_and_forged_ones_have_no_effect(gateway: Gateway) -> None:
    gateway["identity"].answers("PUT /profile", says({}))
    forged = {
        "X-Portico-Actor": "forged",
        "x-portico-client": "10.0.0.1",
        "X-User-Id": "forged",
        "X-Internal-Role": "vendor_admin",
        "X-Forwarded-For": "10.9.9.9",
        "Accept-Language": "fr",
        "If-Match": '"3"',
    }
    await gateway.portal.put("/api/v1/profile", json={}, headers=gateway.signed_in() | forged)
    seen = gateway["identity"].asked("PUT /profile")[0].headers
    assert seen["X-Portico-Actor"] == SIGNED_ACTOR
    assert seen["X-Portico-Client"] == "127.0.0.1"
    assert (seen["If-Match"], seen["Accept-Language"]) == ('"3"', "fr")
    for name in ("X-User-Id", "X-Internal-Role", "X-Forwarded-For", "Cookie", "X-CSRF-Token"):
        assert name not in seen


async def test_an_anonymous_request_cannot_bring_an_actor_of_its_own(gateway: Gateway) -> None:
    await gateway.portal.post("/api/v1/registrations/resend", json={}, headers={"X-Portico-Actor": "forged"})
    assert "X-Portico-Actor" not in gateway["identity"].seen[0].headers


async def test_only_a_few_headers_pass_out(gateway: Gateway) -> None:
    gateway["identity"].answers(
        "GET /sites/1", says({}, ETag='"7"', Set_Cookie="portico-8080=stolen", X_Internal="secret", Server="identity/1")
    )
    answer = await gateway.portal.get("/api/v1/sites/1", headers=gateway.signed_in())
    assert answer.headers["ETag"] == '"7"'
    assert not {"Set-Cookie", "X-Internal"} & set(answer.headers)
    assert answer.headers["Server"] != "identity/1"


async def test_a_place_inside_is_named_as_the_outside_knows_it(gateway: Gateway) -> None:
    gateway["cases"].answers("POST /cases", says({}, status=201, Location="/cases/1000000009"))
    answer = await gateway.portal.post("/api/v1/cases", json={}, headers=gateway.signed_in())
    assert answer.headers["Location"] == "/api/v1/cases/1000000009"


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("/cases/1%2F..%2Fagent", "/cases/1%2F..%2Fagent"),
        ("/cases/1%3Fstatus=open", "/cases/1%3Fstatus=open"),
        ("/cases/%C3%A9%20%23", "/cases/%C3%A9%20%23"),
        ("/cases/%252e%252e", "/cases/%252e%252e"),
    ],
)
async def test_no_variable_of_a_path_becomes_another_path(gateway: Gateway, outer: str, inner: str) -> None:
    answer = await gateway.portal.get(URL(f"/api/v1{outer}", encoded=True), headers=gateway.signed_in())
    assert answer.status == 404
    assert [seen.path for seen in gateway["cases"].seen] == [inner]


@pytest.mark.parametrize("outer", ["/cases/..", "/cases/%2e%2e", "/devices/%2E"])
async def test_dots_lead_nowhere(gateway: Gateway, outer: str) -> None:
    answer = await gateway.portal.get(URL(f"/api/v1{outer}", encoded=True), headers=gateway.signed_in())
    assert answer.status in {401, 404}
    assert gateway["cases"].seen == []
    assert gateway["contracts"].seen == []


async def test_a_post_without_idempotency_key_gets_one_and_a_given_one_is_kept(gateway: Gateway) -> None:
    gateway["cases"].answers("POST /cases", says({}, status=201))
    await gateway.portal.post("/api/v1/cases", json={}, headers=gateway.signed_in())
    await gateway.portal.post("/api/v1/cases", json={}, headers=gateway.signed_in(Idempotency_Key="mine"))
    made, given = (seen.headers["Idempotency-Key"] for seen in gateway["cases"].seen)
    assert len(made) >= 16
    assert given == "mine"


async def test_five_megabytes_of_json_are_too_large_and_no_service_sees_them(gateway: Gateway) -> None:
    huge = BytesIO(b'{"title": "' + b"x" * 5_000_000 + b'"}')
    answer = await gateway.portal.post("/api/v1/cases", data=huge, headers=gateway.signed_in(Content_Type=JSON))
    assert (answer.status, answer.content_type) == (413, "application/problem+json")
    assert gateway["cases"].seen == []


@pytest.mark.parametrize("route", [route for route in ROUTES if route.query is None], ids=lambda route: route.name)
async def test_a_row_without_parameters_names_each_that_is_sent(gateway: Gateway, route: Route) -> None:
    path = "/api/v1" + re.sub(r"{\w+}", "1000000009", route.path)
    for query, unknown in (("?company_id=1&x", ["company_id", "x"]), ("?as=picture&as=", ["as"])):
        answer = await gateway.portal.request(route.method, path + query, headers=gateway.signed_in())
        body = await answer.json()
        assert (answer.status, body["code"]) == (422, "invalid")
        assert [(wrong["field"], wrong["code"]) for wrong in body["errors"]] == [
            (name, "extra_forbidden") for name in unknown
        ]
    asked = {seen.path for service in gateway.services.values() for seen in service.seen}
    assert asked <= {"/session/resolve"}
    # Whoever may not ask at all is told that.
    anonymous = await gateway.portal.request(route.method, path + "?x=1")
    assert anonymous.status == (401 if route.access is Access.SIGNED_IN else 422)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v2/cases", 404),
        ("GET", "/api", 404),
        ("PUT", "/api/v1/cases", 405),
        ("OPTIONS", "/api/v1/cases", 405),
    ],
)
async def test_unknown_paths_and_methods_are_problems(gateway: Gateway, method: str, path: str, status: int) -> None:
    answer = await gateway.portal.request(method, path)
    assert answer.status == status
    if path != "/api":
        assert answer.content_type == "application/problem+json"
        assert (await answer.json())["status"] == status
    if status == 405:
        assert set(answer.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize("path", ["/api/v1/cases", "/api/v1/nothing", "/api/v1/openapi.json", "/api/v1/docs"])
async def test_every_answer_has_its_security_headers(gateway: Gateway, path: str) -> None:
    answer = await gateway.portal.get(path, headers={"X-Request-Id": "my-request-0001"})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Request-Id"] == "my-request-0001"


async def test_a_request_id_is_taken_or_made_and_goes_along(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases", says({"items": []}))
    headers = gateway.signed_in()
    taken = await gateway.portal.get("/api/v1/cases", headers=headers | {"X-Request-Id": "my-request-0002"})
    made = await gateway.portal.get("/api/v1/cases", headers=headers | {"X-Request-Id": "a b\tc"})
    seen = [one.headers["X-Request-Id"] for one in gateway["cases"].seen]
    assert seen == ["my-request-0002", made.headers["X-Request-Id"]]
    assert taken.headers["X-Request-Id"] == "my-request-0002"
    assert len(seen[1]) == 32


async def test_a_trusted_proxy_names_the_client(gateway: Gateway) -> None:
    urls = {name: service.url for name, service in gateway.services.items()}
    portal = await a_portal(urls, PORTICO_TRUSTED_PROXIES="127.0.0.0/8, 10.0.0.0/8")
    try:
        forwarded = {"X-Forwarded-For": "1.2.3.4, 203.0.113.9, 10.1.1.1"}
        await portal.post("/api/v1/registrations/resend", json={}, headers=forwarded)
    finally:
        await portal.close()
    assert gateway["identity"].seen[0].headers["X-Portico-Client"] == "203.0.113.9"


# When a copy is behind, or a service fails


async def test_what_is_not_yet_known_is_asked_again_with_the_same_key(gateway: Gateway) -> None:
    behind = refuses(409, "not_yet_known", "site_id")
    gateway["cases"].answers("POST /cases", behind, behind, says({"number": "1000000009"}, status=201))
    answer = await gateway.portal.post("/api/v1/cases", data=BODY, headers=gateway.signed_in(Content_Type=JSON))
    assert answer.status == 201
    assert {seen.body for seen in gateway["cases"].seen} == {BODY}
    assert len({seen.headers["Idempotency-Key"] for seen in gateway["cases"].seen}) == 1


@with_deadlines(not_yet_known_s=0.6)
async def test_what_stays_unknown_is_a_wrong_field(gateway: Gateway) -> None:
    gateway["cases"].answers("POST /cases", refuses(409, "not_yet_known", "site_id"))
    answer = await gateway.portal.post("/api/v1/cases", json={}, headers=gateway.signed_in())
    told = await answer.json()
    assert (answer.status, told["status"], told["code"]) == (422, 422, "not_yet_known")
    wrong = {"field": "site_id", "code": "not_yet_known", "message": "This is not known.", "params": {}}
    assert told["errors"] == [wrong]
    assert len(gateway["cases"].seen) <= 5


@with_deadlines(product_not_yet_known_s=USUAL.product_not_yet_known_s)
async def test_a_product_that_stays_unknown_is_asked_for_less_often(gateway: Gateway) -> None:
    gateway["cases"].answers("POST /cases", refuses(409, "not_yet_known", "product_number"))
    answer = await gateway.portal.post("/api/v1/cases", json={}, headers=gateway.signed_in())
    told = await answer.json()
    assert (answer.status, told["errors"][0]["field"]) == (422, "product_number")
    assert len(gateway["cases"].seen) <= 4  # for 3 s it would be five times


async def test_a_product_that_was_just_loaded_is_waited_for(gateway: Gateway) -> None:
    behind = refuses(409, "not_yet_known", "product_number")
    gateway["cases"].answers("POST /cases", behind, behind, says({"number": "1000000009"}, status=201))
    answer = await gateway.portal.post("/api/v1/cases", data=BODY, headers=gateway.signed_in(Content_Type=JSON))
    assert answer.status == 201


async def test_any_other_conflict_is_answered_at_once(gateway: Gateway) -> None:
    gateway["cases"].answers("POST /cases/1/actions", refuses(409, "stale"))
    answer = await gateway.portal.post("/api/v1/cases/1/actions", json={}, headers=gateway.signed_in())
    assert (answer.status, (await answer.json())["code"]) == (409, "stale")
    assert len(gateway["cases"].seen) == 1


async def test_an_unavailable_service_is_named_and_the_others_still_answer(gateway: Gateway) -> None:
    await gateway["cases"].stop()
    gateway["contracts"].answers("GET /devices", says({"items": []}))
    away = await gateway.portal.get("/api/v1/cases", headers=gateway.signed_in())
    there = await gateway.portal.get("/api/v1/devices", headers=gateway.signed_in())
    assert (away.status, away.headers["Retry-After"]) == (503, "2")
    assert "Support cases" in (await away.json())["detail"]
    assert there.status == 200


async def test_a_get_is_repeated_once_when_the_connection_dies(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases", hangs_up, says({"items": []}))
    answer = await gateway.portal.get("/api/v1/cases", headers=gateway.signed_in())
    assert answer.status == 200


async def test_a_get_is_repeated_only_once(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases/1", hangs_up)
    answer = await gateway.portal.get("/api/v1/cases/1", headers=gateway.signed_in())
    assert answer.status == 503
    # aiohttp itself repeats a GET when a kept-alive connection turns out to be dead.
    assert len(gateway["cases"].seen) <= 4


async def test_a_post_is_repeated_under_its_own_key(gateway: Gateway) -> None:
    gateway["cases"].answers("POST /cases", hangs_up, says({}, status=201))
    answer = await gateway.portal.post("/api/v1/cases", json={}, headers=gateway.signed_in())
    assert answer.status == 201
    first, second = gateway["cases"].seen
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


async def test_what_has_no_key_is_not_repeated(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /registrations/resend", hangs_up)
    gateway["identity"].answers("PATCH /sites/1", hangs_up)
    anonymous = await gateway.portal.post("/api/v1/registrations/resend", json={})
    change = await gateway.portal.patch("/api/v1/sites/1", json={}, headers=gateway.signed_in())
    assert [anonymous.status, change.status] == [503, 503]
    assert len(gateway["identity"].asked("POST /registrations/resend")) == 1
    assert len(gateway["identity"].asked("PATCH /sites/1")) == 1


@with_deadlines(answer_s=0.6)
async def test_a_service_that_does_not_answer_in_time_is_unavailable_and_not_asked_again(
    gateway: Gateway,
) -> None:
    gateway["cases"].answers("GET /cases", never_answers)
    started = time.monotonic()
    answer = await gateway.portal.get("/api/v1/cases", headers=gateway.signed_in())
    assert answer.status == 503
    assert time.monotonic() - started < PATIENT.answer_s
    assert len(gateway["cases"].seen) <= 1  # on a busy machine the time is over before it got there


# Files


async def _two_chunks(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Disposition": 'attachment; filename="cases.xlsx"'})
    await response.prepare(request)
    await response.write(b"first ")
    await response.write(b"second")
    return response


async def _never_begins(request: web.Request) -> web.StreamResponse:
    await web.StreamResponse().prepare(request)
    return await never_answers(request)


async def _breaks_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"first ")
    return await hangs_up(request)


async def _stops_in_the_middle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"first ")
    return await never_answers(request)


async def test_a_file_streams_through(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases.xlsx", _two_chunks)
    answer = await gateway.portal.get("/api/v1/cases.xlsx?status=new", headers=gateway.signed_in())
    assert (answer.status, await answer.read()) == (200, b"first second")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="cases.xlsx"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"] == gateway["cases"].seen[0].headers["X-Request-Id"]
    assert gateway["cases"].seen[0].path == "/cases.xlsx?status=new"


async def test_a_refused_file_is_the_owners_refusal(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases.xlsx", refuses(422, "invalid", "limit"))
    answer = await gateway.portal.get("/api/v1/cases.xlsx", headers=gateway.signed_in())
    assert (answer.status, (await answer.json())["code"]) == (422, "invalid")


@with_deadlines(first_byte_s=0.6)
async def test_a_file_that_does_not_begin_in_time_is_refused_as_unavailable(
    gateway: Gateway,
) -> None:
    gateway["cases"].answers("GET /cases.xlsx", never_answers)
    answer = await gateway.portal.get("/api/v1/cases.xlsx", headers=gateway.signed_in())
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")


@with_deadlines(idle_s=0.6)
@pytest.mark.parametrize("script", [_breaks_off, _stops_in_the_middle, _never_begins])
async def test_half_a_file_never_looks_like_a_whole_one(gateway: Gateway, script: object) -> None:
    gateway["cases"].answers("GET /cases.xlsx", script)  # type: ignore[arg-type]  # pytest gives parameters as objects
    with pytest.raises(aiohttp.ClientError):
        await (await gateway.portal.get("/api/v1/cases.xlsx", headers=gateway.signed_in())).read()


@with_deadlines(idle_s=0.6)
@pytest.mark.parametrize("script", [_breaks_off, _stops_in_the_middle, _never_begins])
async def test_nor_to_a_proxy_for_which_only_the_end_tells_the_length(gateway: Gateway, script: object) -> None:
    gateway["cases"].answers("GET /cases.xlsx", script)  # type: ignore[arg-type]  # pytest gives parameters as objects
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.portal.server.port)
    writer.write(f"GET /api/v1/cases.xlsx HTTP/1.0\r\nHost: x\r\nCookie: portico-8080={TOKEN}\r\n\r\n".encode())
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 20)
    writer.close()


async def _never_ends(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 1024)


async def test_a_client_that_leaves_during_a_download_is_not_logged_as_a_fault_of_the_service(
    gateway: Gateway, capfd: pytest.CaptureFixture[str]
) -> None:
    gateway["cases"].answers("GET /cases.xlsx", _never_ends)
    labels = {"method": "GET", "route": "/api/v1/cases.xlsx", "status": "499"}
    before = REGISTRY.get_sample_value("portico_http_requests_total", labels) or 0
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.portal.server.port)
    writer.write(f"GET /api/v1/cases.xlsx HTTP/1.1\r\nHost: x\r\nCookie: portico-8080={TOKEN}\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] == b"200"
    writer.transport.abort()

    async def counted() -> bool:
        return REGISTRY.get_sample_value("portico_http_requests_total", labels) == before + 1

    assert await until(counted, deadline_s=20)
    told = "".join(capfd.readouterr())
    assert "stream_broken" not in told
    assert "unhandled" not in told


# Coverage with open cases

COVERED = {
    "verdict": "covered",
    "device": {"serial": "CN1", "product_number": "P", "product_name": "P", "site_id": None},
}


async def test_coverage_tells_the_open_cases_of_the_device(gateway: Gateway) -> None:
    gateway["contracts"].answers("GET /coverage", says(COVERED))
    gateway["cases"].answers("GET /cases", says({"items": [{"number": "1000000009"}]}))
    answer = await gateway.portal.get("/api/v1/coverage?serial=cn-1", headers=gateway.signed_in())
    told = await answer.json()
    assert (told["verdict"], told["open_cases"]) == ("covered", ["1000000009"])
    assert gateway["contracts"].seen[0].path == "/coverage?serial=cn-1"
    assert URL(gateway["cases"].seen[0].path).query == {"serial": "CN1", "status": "open", "limit": "200"}


async def test_coverage_for_a_named_company_tells_the_open_cases_of_that_company(gateway: Gateway) -> None:
    gateway["contracts"].answers("GET /coverage", says({"verdict": "unverified"}))
    gateway["cases"].answers("GET /cases", says({"items": [{"number": "1000000009"}]}))
    named = {"serial": "CN1", "company_id": "0198c0de-0000-7000-8000-000000000001"}
    await gateway.portal.get("/api/v1/coverage", params=named, headers=gateway.signed_in())
    assert URL(gateway["cases"].seen[0].path).query == {**named, "status": "open", "limit": "200"}


async def test_coverage_is_answered_without_open_cases_while_cases_is_unavailable(gateway: Gateway) -> None:
    gateway["contracts"].answers("GET /coverage", says(COVERED))
    await gateway["cases"].stop()
    answer = await gateway.portal.get("/api/v1/coverage?serial=CN1", headers=gateway.signed_in())
    assert (answer.status, (await answer.json())["open_cases"]) == (200, [])


async def test_coverage_of_a_product_does_not_ask_for_cases(gateway: Gateway) -> None:
    gateway["contracts"].answers("GET /coverage", says({"verdict": "not_covered"}))
    answer = await gateway.portal.get("/api/v1/coverage?product_number=P1", headers=gateway.signed_in())
    assert answer.status == 200
    assert gateway["cases"].seen == []


async def test_a_refused_coverage_is_the_owners_refusal(gateway: Gateway) -> None:
    gateway["contracts"].answers("GET /coverage", refuses(422, "invalid", "serial"))
    answer = await gateway.portal.get("/api/v1/coverage", headers=gateway.signed_in())
    assert answer.status == 422


async def test_the_gateway_answers_with_every_service_unavailable(gateway: Gateway) -> None:
    portal = await a_portal({name: unused_url() for name in gateway.services})
    try:
        assert (await portal.get("/api/v1/openapi.json")).status == 200
        assert (await portal.post("/api/v1/session", json={})).status == 503
        assert (await portal.get("/api/v1/cases")).status == 401
    finally:
        await portal.close()
