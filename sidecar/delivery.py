"""Web hooks, decided: what a message says, how it is signed, when it is tried again, and what an answer means. Pure.

Messages follow Standard Webhooks 1.0. They are thin: a message says that something of one kind happened, to which
things, and where the feed stands, so that its receiver reads the feed from there. The feed is the truth, a web hook
only rings the bell.

| answer                          | verdict   | what follows                                                     |
| ------------------------------- | --------- | ---------------------------------------------------------------- |
| 2xx                             | DELIVERED | done                                                             |
| 410 Gone                        | GONE      | the web hook is disabled: its receiver wants no more             |
| 429, 502, 503, 504              | LATER     | tried again, no earlier than ``Retry-After`` says                |
| anything else, redirects, none  | LATER     | tried again by the schedule                                      |
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

# After the first attempt. The first tries survive a restart of the receiver, the last ones a weekend without it.
SCHEDULE_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
# A receiver that has failed for as long as this, without one success, is not there any more.
DISABLE_AFTER_S = 5 * 86_400
# A message names so many things at most; who wants to know more reads the feed. 100 ids are about 4 kB.
IDS_MAX = 100
SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 - how secrets begin, and no secret
# A secret that was replaced signs, beside the new one, for as long as a receiver may need to learn the new one.
ROTATION_S = 86_400
URL_CHARS_MAX = 2_048
# Where machines in clouds ask for credentials, beside the link-local 169.254.169.254: Amazon's in IPv6, Alibaba's, and
# Azure's. Nobody's receiver has these addresses.
_OF_CLOUDS = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Happening(NamedTuple):
    """An item of the feed as web hooks see it: ``kind`` such as "asset.added", the thing's id as text."""

    kind: str
    id: str


class Event(msgspec.Struct, frozen=True):
    """``data`` of a message. ``ids`` are the first of ``count`` things that it happened to. ``since`` is a cursor of
    the feed: reading on from there finds all of them."""

    ids: list[str]
    count: int
    since: str


class Message(msgspec.Struct, frozen=True):
    """What is sent. ``type`` is the kind of what happened."""

    type: str
    timestamp: datetime
    data: Event


class Verdict(Enum):
    """What an answer means."""

    DELIVERED = "delivered"
    LATER = "later"
    GONE = "gone"


def wants(kinds: Sequence[str], kind: str) -> bool:
    """Whether a web hook with these kinds wants this one. None given: all. ``asset.*`` stands for all of assets."""
    return not kinds or any(one in (kind, f"{kind.partition('.')[0]}.*") for one in kinds)


def messages(happenings: Iterable[Happening], kinds: Sequence[str], since: str, at: datetime) -> list[Message]:
    """The messages about a piece of the feed: one for each kind that is wanted, in the order they first happened."""
    wanted: dict[str, list[str]] = {}
    for one in happenings:
        if wants(kinds, one.kind):
            wanted.setdefault(one.kind, []).append(one.id)
    return [Message(kind, at, Event(things[:IDS_MAX], len(things), since)) for kind, things in wanted.items()]


def spell(secret: bytes) -> str:
    """A secret as receivers are given it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signature(secrets: Iterable[bytes], message_id: str, at_s: int, body: bytes) -> str:
    """The header ``webhook-signature``: one signature for each secret that is good at the moment."""
    signed = b".".join((message_id.encode(), str(at_s).encode(), body))
    made = (base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets)
    return " ".join(f"v1,{one}" for one in made)


def verdict(status: int | None) -> Verdict:
    """What the status of an answer means; None when there was none."""
    if status is not None and 200 <= status < 300:
        return Verdict.DELIVERED
    return Verdict.GONE if status == 410 else Verdict.LATER


def next_attempt_s(attempts: int, chance: float, wished_s: float | None = None) -> float | None:
    """Seconds until the next attempt, after so many have failed; None when it was the last.

    ``chance`` in [0, 1) spreads receivers that came down together; ``wished_s`` is a ``Retry-After``.
    """
    if attempts > len(SCHEDULE_S):
        return None
    planned = SCHEDULE_S[attempts - 1] * (1.0 + 0.2 * chance)
    return planned if wished_s is None else max(planned, min(wished_s, SCHEDULE_S[-1]))


def problem_of_url(url: str) -> str | None:
    """Why messages cannot be sent to this URL, in a sentence, or None. Names are looked at when they are resolved."""
    if len(url) > URL_CHARS_MAX:
        return f"A URL has up to {URL_CHARS_MAX} characters."
    try:
        parsed = urlsplit(url)
        port = parsed.port
    except ValueError:
        return "This is not a URL."
    if parsed.scheme not in ("http", "https") or not parsed.hostname or port == 0:
        return "Give an http or https URL, such as https://photos.home/hooks/holdfast."
    if parsed.username is not None or parsed.password is not None:
        return "A URL must not carry a password: messages are signed, so that the receiver knows who sends them."
    if parsed.fragment:
        return "A URL with a fragment (#…) is nothing that can be sent to."
    try:
        address = ipaddress.ip_address(parsed.hostname)
    except ValueError:
        return None
    return problem_of_address(str(address))


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 address only carries to another network."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def problem_of_address(text: str) -> str | None:
    """Why nothing is sent to this address, or None.

    Receivers stand at home, so private and loopback addresses are good. Link-local ones are where clouds keep their
    credentials, and the rest is nobody's.
    """
    address = _meant(ipaddress.ip_address(text))
    if address.is_link_local:
        return "Link-local addresses are refused: nothing that should be told lives there."
    if address in _OF_CLOUDS:
        return f"{text} is refused: clouds keep their credentials there."
    if address.is_loopback:
        return None
    if address.is_multicast or address.is_unspecified or address.is_reserved:
        return f"{text} is no address of one receiver."
    return None
