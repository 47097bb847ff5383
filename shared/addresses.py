"""Network addresses, and how clients are counted by them."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_OF_ONE_CUSTOMER = 64  # bits: one customer of a provider has 2**64 IPv6 addresses


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address without its zone, an IPv4 one inside IPv6 as itself; None for anything else."""
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed


def network_of(text: str) -> str:
    """The network to count a client by: an IPv4 address itself, the /64 of an IPv6 one; empty for no address."""
    address = read_address(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _OF_ONE_CUSTOMER), strict=False))
    return str(address or "")
