"""The address that services are told of, behind proxies and without."""

import pytest

from tests.logged import Logged
from tests.service.gateway.stand_ins import Gateway, a_portal, refuses

_CREDENTIALS = {"email": "ana@example.com", "password": "correct horse battery"}


async def _told(gateway: Gateway, headers: dict[str, str], *, trusted: str) -> str:
    """What identity is told of where a sign-in came from."""
    gateway["identity"].answers("POST /session", refuses(401, "wrong_credentials"))
    urls = {name: service.url for name, service in gateway.services.items()}
    portal = await a_portal(urls, PORTICO_TRUSTED_PROXIES=trusted)
    try:
        await portal.post("/api/v1/session", json=_CREDENTIALS, headers=headers)
    finally:
        await portal.close()
    return gateway["identity"].asked("POST /session")[-1].headers["X-Portico-Client"]


@pytest.mark.parametrize(
    ("name", "value", "address"),
    [
        ("X-Forwarded-For", "203.0.113.7:50123", "203.0.113.7"),
        ("X-Forwarded-For", "198.51.100.9:41000", "198.51.100.9"),
        ("X-Forwarded-For", "[2001:db8::1]:443", "2001:db8::1"),
        ("Forwarded", 'for="[2001:db8::1]:443";proto=https', "2001:db8::1"),
        ("X-Forwarded-For", "unknown", ""),
    ],
)
async def test_a_trusted_proxy_that_writes_ports_does_not_make_one_client_of_everybody(
    gateway: Gateway, name: str, value: str, address: str
) -> None:
    assert await _told(gateway, {name: value}, trusted="127.0.0.1/32") == address


async def test_a_proxy_that_is_not_trusted_is_named_in_the_log_with_the_setting(
    gateway: Gateway, logged: Logged
) -> None:
    urls = {name: service.url for name, service in gateway.services.items()}
    portal = await a_portal(urls)
    try:
        for _ in range(3):
            await portal.post("/api/v1/session", json=_CREDENTIALS, headers={"X-Forwarded-For": "203.0.113.7"})
    finally:
        await portal.close()
    [warned] = logged.named("proxy_not_trusted")
    assert "PORTICO_TRUSTED_PROXIES" in str(warned)
    assert gateway["identity"].asked("POST /session")[-1].headers["X-Portico-Client"] == "127.0.0.1"
