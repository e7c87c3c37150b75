"""Who is behind a proxy: what the headers of one say is believed only where the proxy is known. Pure.

Anybody can send ``X-Forwarded-For``. Each proxy on the way adds whom it heard it from at the end, so the last address
that is not a known proxy's is the first that nobody could make up.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

# Who speaks through a socket of the file system, and has no address.
UNIX = "unix"

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Trusted(NamedTuple):
    """The proxies that are known."""

    networks: tuple[_Network, ...]
    unix: bool

    def has(self, peer: str) -> bool:
        """Whether this address is one of theirs; an empty one is a socket of the file system."""
        if not peer:
            return self.unix
        address = _address(peer)
        return address is not None and any(address in one for one in self.networks if one.version == address.version)


def parse(text: str) -> Trusted:
    """Addresses, networks and "unix", with blanks or commas between. Raises :class:`ValueError` with a sentence."""
    words = text.replace(",", " ").split()
    found = []
    for word in words:
        if word != UNIX:
            try:
                found.append(ipaddress.ip_network(word))
            except ValueError as error:
                raise ValueError(f"{word!r} is neither an address, nor a network such as 10.0.0.0/8") from error
    return Trusted(tuple(found), UNIX in words)


def client(peer: str, forwarded_for: str, trusted: Trusted) -> str:
    """The address of whoever is asking, as far as anybody vouches for it."""
    hops = [one.strip() for one in forwarded_for.split(",") if one.strip()]
    found = peer
    while hops and trusted.has(found):
        told = hops.pop()
        if _address(told) is None:
            break
        found = told
    return found or UNIX


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket for both families shows the addresses of the old one in the new spelling.
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
