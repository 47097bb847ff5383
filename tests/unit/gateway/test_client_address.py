"""Whose address a request has."""

from ipaddress import ip_network

import pytest
import structlog
from multidict import CIMultiDict, CIMultiDictProxy
from structlog.testing import capture_logs

from services.gateway import client_address as module
from services.gateway.client_address import ProxyWarnings, client_address, hops_of

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def _headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


def _client(peer: str, *pairs: tuple[str, str]) -> str:
    return client_address(peer, hops_of(_headers(*pairs)), TRUSTED)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["1.2.3.4"], "203.0.113.5"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["1.2.3.4", "198.51.100.7", "10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["1.2.3.4, ,198.51.100.7,"], "198.51.100.7"),
        ("::ffff:10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("fd00::1", ["::ffff:198.51.100.7"], "198.51.100.7"),
        ("", ["1.2.3.4"], ""),
        ("10.0.0.1", ["1.2.3.4, " + "10.0.0.2, " * 400], "10.0.0.2"),
    ],
)
def test_the_last_hop_that_is_not_ours_is_the_client(peer: str, forwarded: list[str], expected: str) -> None:
    assert _client(peer, *(("X-Forwarded-For", text) for text in forwarded)) == expected


@pytest.mark.parametrize(
    ("hop", "expected"),
    [
        ("203.0.113.7:50123", "203.0.113.7"),
        ("203.0.113.7:_port", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ('"203.0.113.7"', "203.0.113.7"),
        ("[::ffff:203.0.113.7]:443", "203.0.113.7"),
        ("2001:db8::1%eth0", "2001:db8::1"),
        ("[fe80::1%25eth0]:443", "fe80::1"),
    ],
)
def test_a_hop_may_be_written_in_many_ways(hop: str, expected: str) -> None:
    assert _client("10.0.0.1", ("X-Forwarded-For", hop)) == expected
    assert _client("10.0.0.1", ("X-Forwarded-For", f"1.2.3.4, {hop}, 10.0.0.2:8080")) == expected
    assert _client("10.0.0.1", ("Forwarded", f"for=1.2.3.4, For={hop};proto=https, for=10.0.0.2")) == expected


@pytest.mark.parametrize(
    "hop", ["unknown", "_hidden", '"_gazonk:80"', "nonsense", "1.2.3", "[]", "[::1", "1.2.3.4.5:1"]
)
def test_a_client_that_our_proxy_does_not_name_has_no_address(hop: str) -> None:
    for header in (("X-Forwarded-For", f"1.2.3.4, {hop}"), ("Forwarded", f"for=1.2.3.4, for={hop}")):
        assert _client("10.0.0.1", header) == ""


def test_of_both_headers_the_one_counts_that_nearly_all_proxies_write() -> None:
    theirs = ("Forwarded", "for=1.2.3.4")  # as the client sent it
    assert _client("10.0.0.1", theirs, ("X-Forwarded-For", "198.51.100.7")) == "198.51.100.7"


@pytest.mark.parametrize("opened", ['for="1.2.3.4', 'for="', 'by="a;', "=;,for"])
def test_a_quotation_mark_left_open_does_not_hide_what_our_proxy_wrote(opened: str) -> None:
    assert _client("10.0.0.1", ("Forwarded", f'{opened}, for="[2001:db8::7]:443";proto=https')) == "2001:db8::7"


def test_an_empty_element_does_not_become_the_element_before_it() -> None:
    assert _client("10.0.0.1", ("Forwarded", "for=1.2.3.4, proto=https")) == ""


def test_no_proxy_is_trusted_unless_named() -> None:
    assert client_address("127.0.0.1", ["1.2.3.4"], ()) == "127.0.0.1"


def _said(warnings: ProxyWarnings, monkeypatch: pytest.MonkeyPatch, *seen: tuple[str, list[str]]) -> list[str]:
    with capture_logs() as logs:
        # A logger of its own: the module's keeps the way out that it had when it was first used.
        monkeypatch.setattr(module, "_log", structlog.get_logger())
        for peer, hops in seen:
            warnings.look_at(peer, hops, client_address(peer, hops, TRUSTED), TRUSTED)
    assert all(log["setting"] == "PORTICO_TRUSTED_PROXIES" for log in logs)
    return [f"{log['event']} {log['peer']}" for log in logs]


def test_a_header_of_an_untrusted_peer_is_warned_of_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    warnings = ProxyWarnings(lambda: now)
    seen = [("203.0.113.5", ["1.2.3.4"])] * 3 + [("2001:db8::1", ["1.2.3.4"]), ("2001:db8::2", ["1.2.3.4"])]
    expected = ["proxy_not_trusted 203.0.113.5", "proxy_not_trusted 2001:db8::/64"]
    assert _said(warnings, monkeypatch, *seen) == expected
    assert _said(warnings, monkeypatch, *seen) == []
    now = 3600.0
    assert _said(warnings, monkeypatch, *seen) == expected


def test_a_proxy_that_does_not_name_its_clients_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [("10.0.0.1", []), ("10.0.0.1", ["unknown"]), ("10.0.0.1", ["198.51.100.7:80"]), ("203.0.113.5", [])]
    said = _said(ProxyWarnings(), monkeypatch, *seen)
    assert said == ["proxy_names_no_client 10.0.0.1", "proxy_names_client_unreadably 10.0.0.1"]


def test_warnings_cannot_fill_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [(f"203.0.113.{number}", ["1.2.3.4"]) for number in range(200)]
    assert len(_said(ProxyWarnings(), monkeypatch, *seen)) == 20
