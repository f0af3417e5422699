"""Addresses that requests come from."""

import ipaddress
from collections.abc import Iterable

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def networks(names: Iterable[str]) -> Networks:
    """Addresses and networks as they are written in settings: "10.0.0.2", "10.0.0.0/24"."""
    return tuple(ipaddress.ip_network(name, strict=False) for name in names)


def is_in(address: str, those: Networks) -> bool:
    """Whether an address is in one of some networks; what is no address is in none."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in those)


def counted_as(address: str) -> str:
    """Who counts as one: an address, or of IPv6 the network that a household is given."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return address if parsed is None else str(parsed)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # An IPv4 address on a socket that takes both.
    return getattr(address, "ipv4_mapped", None) or address
