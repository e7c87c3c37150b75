"""Jobs, and the scans among them, as JSON shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from holdfast.scans import ScanMode


class DirectoryError(msgspec.Struct, frozen=True, kw_only=True):
    """A directory of the volume that could not be read. ``error`` is the errno's name, such as ``EACCES``."""

    directory: str
    error: str


class ScanPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a scan: a directory of a volume and all below it, or ``name`` in it alone.

    ``waiting_for`` says what keeps it from going on: it goes on by itself. ``fraction`` (0 to 1) is how far it is.
    ``complete``: every directory was read to its end, in one epoch, without error; null before the end, and for what
    was dropped. ``problems`` are the first hundred of the directories that could not be read; ``errors`` counts all.
    """

    id: str
    volume_id: str
    directory: str
    name: str | None
    state: Literal["waiting", "running", "ended", "dropped"]
    waiting_for: str | None
    fraction: float
    directories: int
    files: int
    errors: int
    complete: bool | None
    problems: list[DirectoryError]
    started_at: datetime | None
    ended_at: datetime | None


class ScanJob(msgspec.Struct, frozen=True, kw_only=True):
    """What a scan is of. ``complete``: all of it was looked at; null before the end. ``unbound`` are the import paths
    that led nowhere when it was asked for, and were left out."""

    mode: ScanMode
    path: str | None
    complete: bool | None
    unbound: list[str]
    parts: list[ScanPart]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Long work. ``parameters`` are what it was asked for. ``done`` counts the assets that were dealt with, of
    ``total``, null while nobody knows. ``result`` has the counts of what was done so far; ``error`` says why it ended
    early. ``cancellable``: it may be left half done. ``scan`` is there for the kind "scan" only; ``done`` then counts
    files."""

    id: str
    kind: str
    state: Literal["pending", "running", "done", "failed", "cancelled"]
    library_id: str | None
    parameters: dict[str, Any]
    requested_by: str
    done: int
    total: int | None
    result: dict[str, int]
    error: str | None
    cancellable: bool
    scan: ScanJob | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
