"""From where a request comes, when proxies stand between. Pure.

Anybody can send ``X-Forwarded-For``. What a proxy adds to it is true, and what stood there before is what somebody
told that proxy. So the list is read from its end, for as long as whoever spoke is a proxy that one knows.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import msgspec

UNIX = "unix"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies(msgspec.Struct, frozen=True):
    """The proxies that are believed. ``local``: so is whoever speaks through the unix socket."""

    networks: tuple[Network, ...] = ()
    local: bool = False

    def trusts(self, peer: str) -> bool:
        """Whether the peer of a connection is one of them. The peer of a unix socket has no address, and is ""."""
        if not peer:
            return self.local
        address = _address(peer)
        return address is not None and any(address in network for network in self.networks)

    def origin(self, peer: str, forwarded_for: str) -> str:
        """The address that a request comes from: the nearest one that is none of the proxies; "" for this machine."""
        found = peer
        for told in reversed(forwarded_for.split(",")):
            if not self.trusts(found):
                break
            address = _address(told.strip())
            if address is None:
                break
            found = str(address)
        address = _address(found)
        return "" if address is None else str(address)

    def scheme(self, peer: str, forwarded_proto: str, own: str) -> str:
        """``https`` or ``http``, as the client has seen it; ``own`` is how the request arrived here."""
        told = forwarded_proto.rpartition(",")[2].strip().lower()
        return told if self.trusts(peer) and told in ("http", "https") else own


def parse(texts: Sequence[str]) -> Proxies:
    """The proxies of the setting. Raises ValueError, with a sentence about the first that is none."""
    networks: list[Network] = []
    for text in texts:
        if text == UNIX:
            continue
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            told = f"{text!r} is neither an address, nor a network such as 10.0.0.0/8, nor {UNIX!r}: {error}"
            raise ValueError(told) from error
        if not network.prefixlen:
            raise ValueError(f"{text!r} is everybody; name the proxies, or whoever asks may say to be anybody")
        networks.append(network)
    return Proxies(tuple(networks), UNIX in texts)


def neighbourhood(address: str) -> str:
    """What one client may have many of: itself with IPv4, the /64 with IPv6. "" stands for this machine."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address


def _address(text: str) -> Address | None:
    """An address as proxies write it: bare, in brackets, with a port; IPv4 also in the clothes of IPv6."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
