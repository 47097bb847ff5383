"""Whoever hangs up, or sends without end, is no fault of ours; over raw connections."""

import asyncio
from contextlib import suppress

import pytest
from prometheus_client import REGISTRY

from deploy.local.waiting import until
from shared import bodies
from shared.bodies import FILE_MEMORY, HeldBody
from tests.service.gateway.stand_ins import CSRF, TOKEN, Gateway, says

COOKIE = f"Cookie: portico-8080={TOKEN}\r\nX-CSRF-Token: {CSRF}\r\n"
FORM = "Content-Type: multipart/form-data; boundary=x\r\n"
FIELD = '--x\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n' + CSRF + "\r\n"
FILE = '--x\r\nContent-Disposition: form-data; name="files"; filename="jam.txt"\r\n\r\nIt ja'
TEXT = '--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nPap'
URLENCODED = "Content-Type: application/x-www-form-urlencoded\r\n"
JSON = "Content-Type: application/json\r\n"
LIMITS = {"max_files": 3, "max_file_bytes": 10, "max_total_bytes": 30, "extensions": ["txt"]}


def of_anybody(status: int) -> float:
    found = (
        sample.value
        for metric in REGISTRY.collect()
        if metric.name == "portico_http_requests"
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["status"] == str(status)
    )
    return sum(found)


async def hang_up_in(gateway: Gateway, request: str, *, with_reset: bool) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.portal.server.port)
    writer.write(request.encode())
    await writer.drain()
    if with_reset:
        # What has been sent is read first: a reset throws away what was not.
        assert await until(lambda: asyncio.sleep(0, gateway.portal.server.handler.requests_count > 0), deadline_s=20)
        with suppress(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        writer.transport.abort()
    else:
        writer.close()


@pytest.mark.parametrize("with_reset", [False, True])
@pytest.mark.parametrize(
    "request_so_far",
    [
        f"POST /cases HTTP/1.1\r\nHost: x\r\n{FORM}Content-Length: 999\r\n\r\n{TEXT}",
        f"POST /cases HTTP/1.1\r\nHost: x\r\n{FORM}Content-Length: 999\r\n\r\n{FIELD}",
        f"POST /cases HTTP/1.1\r\nHost: x\r\n{FORM}Content-Length: 999\r\n\r\n{FIELD}{FILE}",
        f"POST /cases HTTP/1.1\r\nHost: x\r\n{FORM}Content-Length: 999\r\n\r\n--x",
        f"POST /cases HTTP/1.1\r\nHost: x\r\n{COOKIE}{FORM}Content-Length: 999\r\n\r\n{FIELD}{FILE}",
        f"POST /cases HTTP/1.1\r\nHost: x\r\n{COOKIE}{FORM}Transfer-Encoding: chunked\r\n\r\n5\r\n--x\r",
        f"POST /cases/1 HTTP/1.1\r\nHost: x\r\n{COOKIE}{FORM}Content-Length: 999\r\n\r\n{FIELD}{TEXT}",
        f"POST /cases HTTP/1.1\r\nHost: x\r\n{URLENCODED}Content-Length: 999\r\n\r\ntitle=Pap",
        f"POST /sign-in HTTP/1.1\r\nHost: x\r\n{URLENCODED}Content-Length: 999\r\n\r\nemail=a",
        f"POST /profile HTTP/1.1\r\nHost: x\r\n{COOKIE}{URLENCODED}Content-Length: 999\r\n\r\nemail=a",
        f"POST /api/v1/session HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: 99\r\n\r\n{{",
        f"POST /api/v1/cases HTTP/1.1\r\nHost: x\r\n{COOKIE}{JSON}Content-Length: 99\r\n\r\n{{",
        f"POST /api/v1/attachments HTTP/1.1\r\nHost: x\r\n{COOKIE}{FORM}Content-Length: 999\r\n\r\n{FILE}",
        f"POST /unsubscribe/abc HTTP/1.1\r\nHost: x\r\n{URLENCODED}Content-Length: 99\r\n\r\nList",
    ],
)
async def test_hanging_up_in_the_middle_of_a_body_is_counted_as_that(
    gateway: Gateway, capfd: pytest.CaptureFixture[str], request_so_far: str, *, with_reset: bool
) -> None:
    gateway["cases"].answers("GET /attachment-limits", says(LIMITS))
    before, broken = of_anybody(499) + of_anybody(400), of_anybody(500)

    async def counted() -> bool:
        return of_anybody(499) + of_anybody(400) > before or of_anybody(500) > broken

    await hang_up_in(gateway, request_so_far, with_reset=with_reset)
    assert await until(counted, deadline_s=20)
    assert of_anybody(500) == broken
    assert "unhandled" not in "".join(capfd.readouterr())


async def test_a_form_of_anybody_that_does_not_come_on_is_not_waited_for(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "_RESERVE_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.portal.server.port)
    writer.write(f"POST /cases HTTP/1.1\r\nHost: x\r\n{FORM}Content-Length: 999\r\n\r\n{TEXT}".encode())
    answer = await asyncio.wait_for(reader.readline(), 20)
    assert answer.split()[1] == b"303"  # to the sign-in page: nothing of the form is there to be kept
    writer.close()


async def test_a_form_of_anybody_that_comes_at_a_slow_line_is_read(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What comes with the head is not waited for; the rest comes later than the reserve alone would allow.
    monkeypatch.setattr(bodies, "_RESERVE_S", 0.2)
    monkeypatch.setattr(bodies, "_SLOWEST_RATE", 1)
    form, end = f"{TEXT}{'x' * 100}", "x\r\n--x--\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.portal.server.port)
    head = f"POST /cases HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n{FORM}"
    writer.write(f"{head}Content-Length: {len(form) + len(end)}\r\n\r\n{form}".encode())
    await asyncio.sleep(0.6)
    writer.write(end.encode())
    answer = await asyncio.wait_for(reader.read(), 20)
    assert answer.split()[1] == b"401"
    assert b"Pap" + b"x" * 101 in answer
    writer.close()


async def test_a_form_whose_file_gave_way_comes_back_with_what_was_typed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway["cases"].answers("GET /attachment-limits", says(LIMITS))
    assert gateway.portal.app is not None
    memory = gateway.portal.app[FILE_MEMORY]
    monkeypatch.setattr(memory, "_most", 15)  # room for one file of ten bytes
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.portal.server.port)
    form = f"{FIELD}{TEXT}er jam\r\n{FILE}" + "m" * 200_000
    writer.write(f"POST /cases HTTP/1.1\r\nHost: x\r\n{COOKIE}{FORM}Content-Length: 999999\r\n\r\n{form}".encode())

    async def holds_a_file() -> bool:
        return memory.held == 10

    assert await until(holds_a_file, deadline_s=20)
    somebody = HeldBody("somebody")
    memory.take(somebody, 9)
    answer = await asyncio.wait_for(reader.readuntil(b"</html>"), 20)
    assert answer.split()[1] == b"503"
    assert b'value="Paper jam"' in answer
    assert b"The files that you chose are not included" in answer
    memory.release(somebody)
    assert memory.held == 0
    writer.close()
