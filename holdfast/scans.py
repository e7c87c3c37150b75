"""Scans: how closely they look, which of them somebody asks for, and how far one is."""

from __future__ import annotations

from enum import StrEnum

import msgspec

# A scan names so many of the directories that it could not read, and counts the rest.
PROBLEMS_MAX = 100


class ScanMode(StrEnum):
    """How closely a scan looks at files that are known already. Each looks at all that the one before it does."""

    NEW = "new"  # names alone: what came, what is gone, and what was put in the place of another file
    CHANGED = "changed"  # also sizes and times
    FULL = "full"  # also the content, which is read again

    @property
    def depth(self) -> int:
        """Grows with what it looks at."""
        return list(ScanMode).index(self)


class WantedScan(msgspec.Struct, frozen=True, kw_only=True):
    """A scan that somebody has asked for: of ``directory`` of a volume and all below it, or of ``name`` in it alone,
    be that a file or a directory. It is wanted for as long as the assignment names it."""

    id: str
    volume: str
    directory: str
    name: str | None = None
    mode: ScanMode = ScanMode.CHANGED


class ScanProblem(msgspec.Struct, frozen=True, array_like=True):
    """A directory that a scan could not read. ``error`` is the errno's name, such as ``EACCES``."""

    directory: str
    error: str


class EndedScan(msgspec.Struct, frozen=True, kw_only=True):
    """What a scan came to that has ended."""

    complete: bool
    directories: int
    files: int
    errors: int
    duration_s: float


class ScanProgress(msgspec.Struct, frozen=True, kw_only=True):
    """A scan that is running. ``fraction`` (0 to 1) weighs each directory as an equal share of its parent, so it
    is known without counting first, and never goes back."""

    scan: str
    directory: str
    fraction: float
    directories: int
    files: int
    errors: int
    elapsed_s: float
