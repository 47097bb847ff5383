"""Bodies of which the end never comes: whoever sends them holds up nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.local.waiting import until
from shared import bodies
from shared.bodies import BODY_MEMORY, MOST_BODY_BYTES
from tests.service.gateway.stand_ins import Gateway, a_gateway, refuses, says

_TEXT = "x" * 380_000  # nearly as much as a form may have
_HALVES = {
    "application/x-www-form-urlencoded": f"title={_TEXT}",
    "multipart/form-data; boundary=x": f'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\n{_TEXT}',
}
_CREDENTIALS = {"email": "ana@example.com", "password": "correct horse battery"}
_FULL = MOST_BODY_BYTES * 3 // 4


def held(gateway: Gateway) -> int:
    assert gateway.portal.app is not None
    return gateway.portal.app[BODY_MEMORY].held


@asynccontextmanager
async def half_forms(gateway: Gateway, addresses: list[str]) -> AsyncIterator[None]:
    """One of each address, of either kind, and the shortest last, so that they fill what the others leave."""
    writers = []

    async def send(number: int, address: str) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.portal.server.port)
        writers.append(writer)
        kind = sorted(_HALVES)[number % 2]
        head = f"POST /cases HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\nContent-Type: {kind}\r\n"
        left = len(addresses) - number
        body = _HALVES[kind][: 380_000 if left > 100 else left * 100]
        writer.write(f"{head}Content-Length: 390000\r\n\r\n{body}".encode())
        await writer.drain()

    async def is_full() -> bool:
        return held(gateway) > _FULL

    async def is_empty() -> bool:
        return held(gateway) == 0

    try:
        await asyncio.gather(*(send(number, address) for number, address in enumerate(addresses)))
        assert await until(is_full, deadline_s=30)
        yield
        assert held(gateway) > _FULL - 1024 * 1024  # it was full all the time
    finally:
        for writer in writers:
            writer.close()
    assert await until(is_empty, deadline_s=30)


@pytest.mark.parametrize("networks", [1, 20])
async def test_half_sent_forms_do_not_delay_sign_ins_and_other_forms(
    monkeypatch: pytest.MonkeyPatch, networks: int
) -> None:
    # However long a busy machine takes, no half of a form is over before the test is.
    for name in ("BODY_DEADLINE_S", "_RESERVE_S"):
        monkeypatch.setattr(bodies, name, 120.0)
    addresses = [f"203.0.113.{number % networks + 1}" for number in range(300)]
    async with a_gateway(PORTICO_TRUSTED_PROXIES="127.0.0.1/32") as gateway:
        gateway["identity"].answers("POST /session", refuses(401, "wrong_credentials"))
        gateway["cases"].answers("POST /cases", says({"number": 1}, status=201))
        long = {"description": "y" * 300_000}
        async with half_forms(gateway, addresses):
            for number in range(10):
                other = {"X-Forwarded-For": f"198.51.100.{number}"}
                answer = await gateway.portal.post("/api/v1/session", json=_CREDENTIALS, headers=other)
                assert (answer.status, (await answer.json())["code"]) == (401, "wrong_credentials")
                # Whoever is signed in does not count as their network.
                same = {"X-Forwarded-For": addresses[0]}
                answer = await gateway.portal.post("/api/v1/cases", json=long, headers=gateway.signed_in(**same))
                assert answer.status == 201
                answer = await gateway.portal.post("/cases", data={"title": "Jam"}, headers=other)
                assert answer.status == 401  # the page to sign in, with the form in it
