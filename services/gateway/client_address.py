"""Whose address a request has: what proxies of ours say of it, and a warning where what they say is of no use."""

import re
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network

import structlog
from multidict import CIMultiDictProxy

from shared.addresses import network_of, read_address

Networks = Sequence[IPv4Network | IPv6Network]

_MOST_HOPS = 20
_HOUR_S = 3600.0
_MOST_WARNINGS = 20  # an hour: a client can cause them by its headers
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[\w.-]+)?|([0-9.]+):[\w.-]+")
# Split at every comma and semicolon: a quotation mark that a client left open must not swallow the
# element that our proxy wrote behind it.
_FOR = re.compile(r"(?:^|;)\s*for\s*=([^;]*)", re.IGNORECASE)

_log = structlog.get_logger()


def hops_of(headers: CIMultiDictProxy[str]) -> list[str]:
    """The addresses that proxies have written down, the nearest last.

    X-Forwarded-For goes before Forwarded: a proxy that writes one passes the other on as a client wrote it, and nearly
    all write the former.
    """
    hops = [hop.strip() for header in headers.getall("X-Forwarded-For", []) for hop in header.split(",")]
    if any(hops):
        return [hop for hop in hops if hop]
    elements = [element for header in headers.getall("Forwarded", []) for element in header.split(",")]
    named = [(element, _FOR.search(element)) for element in elements if element.strip()]
    return [found[1].strip() if found else "unknown" for _, found in named]


def client_address(peer: str, hops: Sequence[str], trusted: Networks) -> str:
    """The last hop that no proxy of ours stands for: what lies before it, anybody may have written.

    Empty where our proxy does not say whom it speaks for: its own address would make one client of everybody.
    """
    address = peer
    for hop in list(reversed(hops))[:_MOST_HOPS]:
        if not is_trusted(address, trusted):
            break
        address = _read_hop(hop)
    return address


def is_trusted(address: str, trusted: Networks) -> bool:
    """Whether one of our proxies has this address."""
    parsed = read_address(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _read_hop(hop: str) -> str:
    text = hop.strip().strip('"').strip()
    found = _WITH_PORT.fullmatch(text)
    address = read_address((found[1] or found[2] or "") if found else text)
    return "" if address is None else str(address)


class ProxyWarnings:
    """Tells the operator, once an hour for each peer's network, that proxies and PORTICO_TRUSTED_PROXIES do not fit."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """One in every process."""
        self._clock = clock
        self._said: set[tuple[str, str]] = set()
        self._forget_at = clock() + _HOUR_S

    def look_at(self, peer: str, hops: Sequence[str], address: str, trusted: Networks) -> None:
        """Warns where `address`, made of the others, may be that of a proxy, or of nobody."""
        if not is_trusted(peer, trusted):
            if hops:
                self._warn("proxy_not_trusted", peer, "Add it to PORTICO_TRUSTED_PROXIES if it is a proxy of yours.")
        elif not hops:
            self._warn("proxy_names_no_client", peer, "It should send X-Forwarded-For or Forwarded.")
        elif not address:
            self._warn("proxy_names_client_unreadably", peer, "It should send an IP address in X-Forwarded-For.")

    def _warn(self, event: str, peer: str, hint: str) -> None:
        if self._clock() >= self._forget_at:
            self._said.clear()
            self._forget_at = self._clock() + _HOUR_S
        said = (event, network_of(peer))
        if said not in self._said and len(self._said) < _MOST_WARNINGS:
            self._said.add(said)
            _log.warning(event, peer=said[1], setting="PORTICO_TRUSTED_PROXIES", hint=hint)
