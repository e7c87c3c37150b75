"""Problems: the one shape of every error that goes over HTTP (RFC 9457, ``application/problem+json``)."""

from __future__ import annotations

import msgspec

CONTENT_TYPE = "application/problem+json"
DOCS = "https://holdfast.invalid/problems/"


class PlacedError(msgspec.Struct, frozen=True):
    """One thing wrong in a request. ``pointer`` is a JSON pointer into its body."""

    pointer: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``type`` is stable and documented; ``detail`` says what to do. ``expected`` is the sequence number that a
    stream wants next, for the problem ``sequence-mismatch`` only; ``digest`` that of a hold as it is now, for
    ``hold-changed`` only; ``existing`` the id of what is in the way, for ``duplicate-content`` and ``path-taken``."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[PlacedError] = []
    expected: int | None = None
    digest: str | None = None
    existing: str | None = None

    @property
    def code(self) -> str:
        """The last part of ``type``, for programs."""
        return self.type.removeprefix(DOCS)
