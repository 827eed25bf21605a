"""IP addresses: their one form, allowlists, and the caller's address behind trusted proxies."""

from __future__ import annotations

import ipaddress
import re
from typing import Iterable, Sequence, Union

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

_mapped = ipaddress.IPv6Network("::ffff:0:0/96")
_with_port = re.compile(r"(?:(\d+\.\d+\.\d+\.\d+)|\[([\da-fA-F:.]{2,45})\])(?::\d{1,5})?", re.ASCII)


def read_address(text: str | None) -> Address | None:
    """The address of a text, an IPv4-mapped one as IPv4; None: it is none. Zones and leading zeros make it none."""
    if text is None or "%" in text or len(text) > 64:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def read_node(text: str) -> Address | None:
    """The address of a node (RFC 7239 §6): with or without port, IPv6 with or without brackets."""
    text = text.strip()
    found = _with_port.fullmatch(text)
    return read_address((found[1] or found[2]) if found else text)


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and ranges. Raises ``ValueError`` naming the one that is neither."""
    return tuple(_read_network(text) for text in texts)


def _read_network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text[:64]!r} is neither an IP address nor a range such as 203.0.113.0/24") from None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_mapped):
        first = network.network_address.ipv4_mapped
        return ipaddress.ip_network(f"{first}/{network.prefixlen - 96}", strict=False)
    return network


def is_within(address: Address | None, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of these ranges; one that is unknown is in none."""
    return address is not None and any(
        network.version == address.version and address in network for network in networks
    )


class Proxies:
    """The proxies whose word on the caller counts. Without any, headers that name a caller are not read."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = read_networks(trusted)

    def caller(self, peer: str | None, forwarded_for: Iterable[str], forwarded_proto: Iterable[str],
               scheme: str) -> tuple[str | None, bool]:
        """The caller's address, None if it is unknown, and whether the caller used TLS."""
        address = read_node(peer) if peer else None
        if not is_within(address, self._trusted):
            return (None if address is None else str(address)), scheme in ("https", "wss")
        schemes = [part.strip().lower() for line in forwarded_proto for part in line.split(",")]
        tls = schemes[-1] == "https" if schemes else scheme in ("https", "wss")
        nodes = [part for line in forwarded_for for part in line.split(",")]
        for node in reversed(nodes):
            address = read_node(node)
            if not is_within(address, self._trusted):
                break
        return (None if address is None else str(address)), tls
