"""Identifiers: UUIDs of version 7 (RFC 9562), so that keys sort by the time they were made.

As text an id wears a prefix that says what it names, ``ast_0190…``; in the catalog it is the bare 16 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ID_BYTES = 16
PREFIXES = {
    "asset": "ast",
    "agent": "agt",
    "library": "lib",
    "import_path": "imp",
    "volume": "vol",
    "scan": "scn",
    "gap": "gap",
    "hold": "hld",
    "token": "tok",
    "catalog": "cat",
    "journal": "jrn",
    "webhook": "whk",
    "delivery": "dlv",
    "audit": "aud",
    "job": "job",
    "inquiry": "inq",
}

_DIGITS = re.compile(f"[0-9a-f]{{{2 * ID_BYTES}}}")


def series(now_ms: int, entropy: bytes) -> Iterator[bytes]:
    """An endless run of ascending ids that share one moment and one random origin.

    ``entropy`` is 10 random bytes. The ids of a run differ in their lower 62 bits, which count up from a random
    start; two runs never meet unless they drew the same 74 bits.
    """
    if len(entropy) != 10:
        raise ValueError("bug: a series of ids needs 10 random bytes")
    head = (now_ms & (1 << 48) - 1) << 80 | 0x7 << 76 | (int.from_bytes(entropy[:2], "big") & 0xFFF) << 64
    # The start leaves room to count: its top bit is clear.
    tail = int.from_bytes(entropy[2:], "big") & (1 << 61) - 1
    while True:
        yield (head | 0b10 << 62 | tail & (1 << 62) - 1).to_bytes(ID_BYTES, "big")
        tail += 1


def new(now_ms: int, entropy: bytes) -> bytes:
    """One id."""
    return next(series(now_ms, entropy))


def made_ms(raw: bytes) -> int:
    """When an id was made: milliseconds since 1970, on the clock of whoever made it."""
    return int.from_bytes(raw[:6], "big")


def to_text(what: str, raw: bytes) -> str:
    """The id as API and log show it: ``to_text("asset", raw)`` gives ``ast_…``."""
    return f"{PREFIXES[what]}_{raw.hex()}"


def from_text(what: str, text: str) -> bytes | None:
    """The 16 bytes behind an id, or None when the text is not an id of that sort."""
    prefix, _, digits = text.partition("_")
    # Not left to bytes.fromhex alone, which takes capitals and skips spaces: an id has one spelling.
    if prefix != PREFIXES[what] or not _DIGITS.fullmatch(digits):
        return None
    return bytes.fromhex(digits)
