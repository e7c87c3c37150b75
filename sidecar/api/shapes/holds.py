"""Holds, and what waits in them, as JSON shows them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from sidecar.api.shapes.assets import Asset, Evidence
from sidecar.holds import HoldKind, HoldReason, HoldState


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A set of files whose loss, or whose change, waits for a person; until then all of them are as they were.

    ``directory`` is a path inside the volume, and null when it is about the volume as a whole. ``summary`` says what
    happened and ``advice`` what to do. ``digest`` names the exact set; approving and dismissing must give it.
    ``closed_by`` is who decided, and ``done`` how many files were dealt with since.
    """

    id: str
    volume_id: str
    volume_label: str
    directory: str | None
    host_path: str | None
    kind: HoldKind
    reason: HoldReason
    state: HoldState
    summary: str
    advice: str
    files: int
    bytes: int
    digest: str
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    done: int
    done_at: datetime | None


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """A directory inside the volume, and how many files of a hold are in it or deeper."""

    directory: str
    files: int


class HoldDetails(Hold, frozen=True, kw_only=True):
    """A hold with the directories its files are in, the fullest first, and the paths of some that still wait.
    ``has_more_directories``: there are more than are shown. ``evidence`` is that of the first of the examples; that of
    every file is with its assets."""

    directories: list[Branch]
    has_more_directories: bool
    examples: list[str]
    evidence: Evidence | None


class HeldAsset(msgspec.Struct, frozen=True, kw_only=True):
    """An asset that waits in a hold: as it is shown now, and the size and time it would have. ``evidence`` says why
    it is believed."""

    asset: Asset
    held_since: datetime
    size: int
    modified_at: datetime
    evidence: Evidence | None
