"""Requests that no well-behaved client would send: refused, and never our fault."""

import asyncio

import pytest

from tests.service.gateway.stand_ins import CSRF, TOKEN, Gateway, a_session, says


async def _status_of(gateway: Gateway, *head: bytes, body: bytes = b"") -> int:
    """Sends a request byte by byte as written, and reads the status of the answer."""
    session = f"Host: localhost\r\nCookie: portico-8080={TOKEN}\r\nX-CSRF-Token: {CSRF}\r\nConnection: close".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.portal.port)
    try:
        writer.write(b"\r\n".join([head[0], session, *head[1:], b"", b""]) + body)
        async with asyncio.timeout(30):
            answer = await reader.read()
    finally:
        writer.close()
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    "target",
    [
        b"/cases?q=\xff\xfe",
        b"/cases?q=%ff%zz%00",
        b"/cases?q=a[b]{c}|d",
        b"/cases?" + b"a=1&" * 1000,
        b"/cases/%00",
        b"/cases/%ff%fe",
        b"/cases/\xff",
        b"/cases/%ED%A0%80",
        b"/cases/%c0%ae%c0%ae",
        b"/cases/a;b=c",
        b"/cases/" + b"9" * 3000,
        b"/coverage?serial=%ff",
        b"/coverage?serial=%00&serial=2",
    ],
)
async def test_no_target_breaks_the_gateway(gateway: Gateway, target: bytes) -> None:
    gateway["contracts"].answers("GET /coverage", says({"verdict": "unverified"}))
    assert await _status_of(gateway, b"GET /api/v1" + target + b" HTTP/1.1") in {200, 400, 404}


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"Idempotency-Key: \xff\xfe", 201),
        (b"If-Match: \xff", 201),
        (b"Accept-Language: \xc3\xa9", 201),
        (b"X-Request-Id: \xff", 201),
        (b"X-Forwarded-For: \xff, ,,", 201),
        (b"Origin: http://[::1", 403),
        (b"Origin: \xff", 403),
        (b"Sec-Fetch-Site: \xff", 403),
        (b"Content-Encoding: gzip", 415),
        (b"Content-Encoding: unheard-of", 415),
    ],
)
async def test_no_header_breaks_the_gateway(gateway: Gateway, header: bytes, status: int) -> None:
    gateway["identity"].answers("POST /sites", says({}, status=201))
    got = await _status_of(gateway, b"POST /api/v1/sites HTTP/1.1", header, b"Content-Length: 2", body=b"{}")
    assert got == status


@pytest.mark.parametrize("chunks", [b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}XX0\r\n\r\n"])
async def test_a_body_in_broken_chunks_is_malformed_and_no_service_sees_it(gateway: Gateway, chunks: bytes) -> None:
    head = (b"POST /api/v1/sites HTTP/1.1", b"Transfer-Encoding: chunked")
    assert await _status_of(gateway, *head, body=chunks) == 400
    assert gateway["identity"].asked("POST /sites") == []


@pytest.mark.parametrize("path", [b"/sign-in", b"/cases", b"/users", b"/cases/1000000009", b"/verify"])
@pytest.mark.parametrize("charset", [b"", b"; charset=bogus", b"; charset=utf-16"])
async def test_no_encoding_of_a_form_breaks_a_page(gateway: Gateway, path: bytes, charset: bytes) -> None:
    content_type = b"Content-Type: application/x-www-form-urlencoded" + charset
    body = b"csrf_token=\xff%ff&emails=\xc3&serial=\xed\xa0\x80&a"
    length = b"Content-Length: %d" % len(body)
    got = await _status_of(gateway, b"POST " + path + b" HTTP/1.1", content_type, length, body=body)
    assert 400 <= got < 500


async def test_a_form_of_too_many_fields_is_refused(gateway: Gateway) -> None:
    body = b"&".join(b"a=1" for _ in range(1001))
    head = (b"POST /sign-in HTTP/1.1", b"Content-Type: application/x-www-form-urlencoded")
    assert await _status_of(gateway, *head, b"Content-Length: %d" % len(body), body=body) == 413


WITHOUT_AN_END = b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nJam'


@pytest.mark.parametrize(
    ("content_type", "body", "sentence"),
    [
        ("multipart/form-data; boundary=x", WITHOUT_AN_END, "Votre envoi n’est pas arrivé en entier."),
        (
            "application/x-www-form-urlencoded",
            b"&".join([b"a=1"] * 1001),
            "Un formulaire peut avoir au plus 1\u202f000 champs.",
        ),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused_in_the_readers_language(
    gateway: Gateway, content_type: str, body: bytes, sentence: str
) -> None:
    session = a_session()
    gateway["identity"].answers("POST /session/resolve", says(session | {"user": session["user"] | {"language": "fr"}}))
    headers = gateway.signed_in(**{"Content-Type": content_type})
    async with gateway.portal.post("/cases", data=body, headers=headers) as answer:
        assert answer.status in {400, 413}
        assert sentence in await answer.text()
