"""What the sidecar tells, as values. Fields that a newer sidecar adds are left out.

Words of a closed set are spelled out as literals and never grow within version 1 of the API; those that may grow, such
as reasons and kinds of changes, are plain text.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from holdfast.scans import ScanMode
from holdfast.volumes import Capacity, VolumeState


class NewImportPath(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A folder for a new library. ``agent`` is an agent's id or name, ``path`` the folder on its host, ``server_path``
    what the photo server calls it; the same, when left out."""

    agent: str
    path: str
    server_path: str | None = None


class ImportPath(msgspec.Struct, frozen=True, kw_only=True):
    """A folder of a library, and what its agent found there. ``message`` says why it is refused."""

    id: str
    agent: str
    path: str
    server_path: str
    volume_id: str | None
    state: Literal["bound", "refused", "pending"]
    message: str | None


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """A library. ``refreshed_at``: since then every import path was scanned completely."""

    id: str
    name: str
    owner: str
    kind: str
    import_paths: list[ImportPath]
    exclusion_patterns: list[str]
    created_at: datetime
    refreshed_at: datetime | None
    deleted_at: datetime | None
    revision: int


class DirectoryError(msgspec.Struct, frozen=True, kw_only=True):
    """A directory of a volume that could not be read. ``error`` is the errno's name, such as "EACCES"."""

    directory: str
    error: str


class ScanPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a scan: a directory of a volume, or ``name`` in it alone. ``waiting_for`` says what keeps it from going
    on. ``complete``: every directory was read to its end; ``problems`` are those that were not, a hundred at most."""

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
    """What a scan is of. ``complete``: all of it was looked at; None before the end. ``unbound`` are the import paths
    that led nowhere when it was asked for."""

    mode: ScanMode
    path: str | None
    complete: bool | None
    unbound: list[str]
    parts: list[ScanPart]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Long work. ``parameters`` are what it was asked for, ``done`` counts the assets that were dealt with, of
    ``total``, null while nobody knows, and ``result`` what came of them. ``scan`` is there for scans only, of which
    ``done`` counts the files."""

    id: str
    kind: str
    state: Literal["pending", "running", "done", "failed", "cancelled"]
    library_id: str | None
    parameters: dict[str, Any]
    done: int
    total: int | None
    result: dict[str, int]
    error: str | None
    scan: ScanJob | None
    created_at: datetime
    finished_at: datetime | None


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts: of what is present, and of every asset by its status. What is missing counts by its status, and what is
    away with its storage by its availability."""

    photos: int
    videos: int
    bytes: int
    by_status: dict[str, int]
    by_availability: dict[str, int]


class Unavailable(msgspec.Struct, frozen=True, kw_only=True):
    """Why an asset cannot be opened at the moment: which volume, since when, and a sentence for people."""

    volume_id: str
    since: datetime
    reason: str
    detail: str


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """A photo or video. ``id`` is what to remember: it stays through rename, move, unplug and remount.

    ``status`` says what is known of the file, ``availability`` whether its storage is there now; a photo that is
    *present* and *unavailable* is on a disk in a drawer. ``path`` is the photo server's own path, ``path_b64`` its
    bytes when they are not UTF-8.
    """

    id: str
    library_id: str
    owner: str
    kind: Literal["image", "video"]
    status: Literal["present", "missing", "excluded", "unreadable", "removed"]
    availability: Literal["online", "unavailable", "unknown"]
    unavailable: Unavailable | None
    path: str
    path_b64: str | None
    host_path: str | None
    file_name: str
    volume_id: str | None
    via_volume_id: str | None
    size: int
    modified_at: datetime
    created_at: datetime
    path_checksum: str
    content_checksum: str | None
    sidecar_path: str | None
    missing_since: datetime | None
    missing_online_s: float | None
    removed_at: datetime | None
    trashed_at: datetime | None
    foreign_id: str | None
    change: int


class CheckedAsset(msgspec.Struct, frozen=True, kw_only=True):
    """An asset after a look at its file: ``looked`` says whether anybody could look, ``found`` whether the file was
    there, None when nobody looked, and ``message`` what to know about it. What was not found is *missing* only when a
    second look has proven it."""

    asset: Asset
    looked: bool
    found: bool | None
    message: str | None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a look-up found for one id, path, path checksum or content checksum. A path in two libraries is two
    assets."""

    id: str | None
    path: str | None
    path_checksum: str | None
    content_checksum: str | None
    assets: list[Asset]


class CheckedUpload(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a file is wanted. "reject": the asset ``asset_id`` has its content, and is in the bin if ``trashed``."""

    content_checksum: str
    action: Literal["accept", "reject"]
    asset_id: str | None
    trashed: bool


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A step of an asset's history. Paths are those inside the volume, and there only when it moved; ``evidence`` is
    what it rests on, ``why`` among it in sentences."""

    at: datetime
    from_status: str
    to_status: str
    from_path: str | None
    to_path: str | None
    reason: str
    hold_id: str | None
    job_id: str | None
    evidence: dict[str, Any] | None


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """A file system that assets are on. ``detail`` is a sentence for people, ``help`` where to read what to do."""

    id: str
    agent: str
    label: str
    kind: str
    fs_type: str
    mounted_at: str | None
    last_mounted_at: str | None
    state: VolumeState
    reason: str
    detail: str
    help: str
    since: datetime
    last_scan: datetime | None
    assets: int
    capacity: Capacity | None
    pending: int


class VolumeTransition(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a volume's history."""

    at: datetime
    from_state: VolumeState | None
    to_state: VolumeState
    reason: str
    detail: str
    mounted_at: str | None


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A mass change that waits for a person. ``digest`` names the exact set; deciding about it must give it."""

    id: str
    volume_id: str
    volume_label: str
    directory: str | None
    kind: str
    reason: str
    state: str
    summary: str
    advice: str
    files: int
    bytes: int
    digest: str
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    done: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """An item of the feed: the latest that happened to a thing. ``kind`` is such as "asset.moved"; ``cursor`` is where
    to follow on from when it was taken in."""

    change: int
    cursor: str
    kind: str
    id: str
    at: datetime


class AssetChange(Change, frozen=True, kw_only=True):
    """An asset changed."""

    state: Asset


class VolumeChange(Change, frozen=True, kw_only=True):
    """A volume changed; with it, the availability of all assets on it, which have no items of their own."""

    state: Volume


class LibraryChange(Change, frozen=True, kw_only=True):
    """A library changed."""

    state: Library


class HoldChange(Change, frozen=True, kw_only=True):
    """A hold was opened, has grown or shrunk, or was closed."""

    state: Hold


class ScanChange(Change, frozen=True, kw_only=True):
    """A scan started or ended."""

    state: dict[str, Any]


class AgentChange(Change, frozen=True, kw_only=True):
    """An agent came, fell silent, came back, or was revoked."""

    state: dict[str, Any]


class GapChange(Change, frozen=True, kw_only=True):
    """Events of a watch were lost; a scan of the place follows."""

    state: dict[str, Any]


class OtherChange(Change, frozen=True, kw_only=True):
    """Something that this version of the client does not know."""

    entity: str
    state: dict[str, Any]


CHANGES: dict[str, type[Change]] = {
    "asset": AssetChange,
    "volume": VolumeChange,
    "library": LibraryChange,
    "hold": HoldChange,
    "scan": ScanChange,
    "agent": AgentChange,
    "gap": GapChange,
}
