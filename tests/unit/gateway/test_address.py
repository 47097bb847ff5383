"""The portal's address: which pages are its own, and how often the log says that it is not in use."""

import pytest
import structlog
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from services.gateway import address as module
from services.gateway.address import Address


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("https://portal.example", "https://portal.example"),
        ("https://Portal.Example:443", "https://portal.example"),
        ("https://portal.example", "https://portal.example."),
        ("https://portal.example.", "https://portal.example"),
        ("http://portal.example:8080", "http://portal.example.:8080"),
        ("https://portäl.example", "https://xn--portl-jra.example"),
        ("http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080"),
        ("http://localhost:8080", "http://127.0.0.1:8080"),
    ],
)
def test_an_own_page_is_known_however_the_address_is_written(base_url: str, origin: str) -> None:
    assert Address(base_url).is_own_origin(origin)
    assert not Address(base_url).is_own_origin(f"{origin}1")
    assert not Address(base_url).is_own_origin(origin.replace("://", "://x."))


def test_the_log_names_it_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    address = Address("https://portal.example", clock=lambda: now[0])
    told = []
    for moment in (0.0, 3599.0, 3600.0, 3601.0):
        now[0] = moment
        with capture_logs() as logs:
            # A logger of its own: the module's keeps the way out that it had when it was first used.
            monkeypatch.setattr(module, "_log", structlog.get_logger())
            address.note_not_in_use(make_mocked_request("GET", "/", headers={"Host": "10.0.0.5"}))
        told.append(len(logs))
    assert told == [1, 0, 1, 0]
