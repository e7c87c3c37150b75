"""Digests of what is in a file, by which it is known wherever it lies.

A digest names its algorithm: ``sha1:`` and the SHA-1 in base64, which is what photo servers keep of their uploads.
Others may follow; digests of two algorithms are never equal.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Protocol

ALGORITHM = "sha1"
# Room for algorithms to come: SHA-512 in base64 has 88 characters.
DIGEST_CHARS_MAX = 100
_SIZES = {ALGORITHM: 20}


class Hash(Protocol):
    """What :func:`begin` gives."""

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""

    def digest(self) -> bytes:
        """The digest of all bytes so far."""


def begin() -> Hash:
    """A hash of no bytes yet."""
    return hashlib.sha1(usedforsecurity=False)


def digest(finished: Hash) -> str:
    """The digest of all that a hash was given."""
    return f"{ALGORITHM}:{base64.b64encode(finished.digest()).decode()}"


def is_digest(text: str) -> bool:
    """Whether this is a digest, written in the one way in which it can be compared."""
    algorithm, _, encoded = text.partition(":")
    size = _SIZES.get(algorithm)
    if size is None:
        return False
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError:
        return False
    return len(raw) == size and base64.b64encode(raw).decode() == encoded
