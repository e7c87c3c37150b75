"""The resources as JSON shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from holdfast.volumes import Capacity, Epoch, Identity, Reason, VolumeState
from sidecar.asset import Availability, Status

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(at_us: int) -> datetime:
    """A time of the catalog. A file may claim any time at all; what no calendar has becomes its end."""
    try:
        return _EPOCH + timedelta(microseconds=at_us)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if at_us > 0 else datetime.min.replace(tzinfo=UTC)


def moment_or_none(at_us: int | None) -> datetime | None:
    """A time of the catalog that may not have come."""
    return None if at_us is None else moment(at_us)


class Unavailable(msgspec.Struct, frozen=True, kw_only=True):
    """Why an asset cannot be opened at the moment: the state of its volume, since when, and a sentence."""

    volume_id: str
    since: datetime
    reason: Reason
    detail: str


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """A photo or video of a library.

    ``path`` is what the photo server calls it, ``host_path`` where it is on the host of its disk, as that is
    mounted or was last. Names that are not UTF-8 are shown with replacement characters, and ``path_b64`` has the
    bytes. ``path_checksum`` is the SHA-1 of "path:" and the path, in base64.
    """

    id: str
    library_id: str
    owner: str
    kind: Literal["image", "video"]
    status: Status
    availability: Availability
    unavailable: Unavailable | None
    path: str
    path_b64: str | None
    host_path: str | None
    file_name: str
    volume_id: str
    size: int
    modified_at: datetime
    created_at: datetime
    path_checksum: str
    sidecar_path: str | None
    missing_since: datetime | None
    unreadable_error: str | None
    excluded_by: str | None
    removed_at: datetime | None
    trashed_at: datetime | None
    foreign_id: str | None
    change: int


class AssetTransition(msgspec.Struct, frozen=True, kw_only=True):
    """A step of an asset's history, with the evidence for it. Paths are those inside the volume, and only there
    when it moved."""

    at: datetime
    from_status: Status
    to_status: Status
    from_path: str | None
    to_path: str | None
    reason: str
    evidence: dict[str, Any] | None


class ImportPath(msgspec.Struct, frozen=True, kw_only=True):
    """A folder of a library: its path on the agent's host, what the photo server calls it, and what the agent
    found there. ``message`` says why it is refused."""

    id: str
    agent: str
    path: str
    server_path: str
    volume_id: str | None
    state: Literal["bound", "refused", "pending"]
    message: str | None


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """A library. ``refreshed_at`` is when a complete scan last covered all its import paths."""

    id: str
    name: str
    owner: str
    kind: Literal["external"]
    import_paths: list[ImportPath]
    exclusion_patterns: list[str]
    created_at: datetime
    refreshed_at: datetime | None
    deleted_at: datetime | None
    revision: int


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """A file system that assets are on. ``since`` is when it came into its state, ``detail`` the sentence for
    people, ``help`` where the documentation says what to do. ``pending`` is how many observations wait at the
    agent, ``last_scan`` when the last complete scan ended."""

    id: str
    agent: str
    label: str
    kind: Literal["disk", "network", "fuse"]
    fs_type: str
    identity: Identity
    mounted_at: str | None
    last_mounted_at: str | None
    state: VolumeState
    reason: Reason
    detail: str
    help: str
    since: datetime
    epoch: Epoch | None
    last_scan: datetime | None
    assets: int
    capacity: Capacity | None
    pending: int


class VolumeTransition(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a volume's history."""

    at: datetime
    from_state: VolumeState | None
    to_state: VolumeState
    reason: Reason
    detail: str
    mounted_at: str | None


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """A program that watches storage. ``silent_since``: nothing was heard of it since."""

    id: str
    name: str
    host: str
    version: str
    protocol: int
    capabilities: list[str]
    enrolled_at: datetime
    last_seen: datetime | None
    silent_since: datetime | None
    revoked_at: datetime | None


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token, without its secret."""

    id: str
    name: str
    scope: str
    agent: str | None
    created_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was just made. ``token`` is shown this once."""

    id: str
    name: str
    scope: str
    token: str


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """A scan of a directory. ``complete``: every directory was read to its end, in one epoch, without error."""

    id: str
    volume_id: str
    directory: str
    mode: Literal["new", "changed", "full"] | None
    started_at: datetime
    finished_at: datetime | None
    complete: bool | None
    directories: int | None
    files: int | None
    errors: int | None


class EventGap(msgspec.Struct, frozen=True, kw_only=True):
    """Change events were lost below this directory; a scan of it follows."""

    volume_id: str
    directory: str
    reason: str
    at: datetime


class Change(msgspec.Struct, frozen=True, kw_only=True, tag_field="entity"):
    """One item of the feed: the latest that happened to a thing, and in ``state`` the thing as it is now."""

    change: int
    kind: str
    id: str
    at: datetime


class AssetChange(Change, frozen=True, kw_only=True, tag="asset"):
    """An asset changed."""

    state: Asset


class VolumeChange(Change, frozen=True, kw_only=True, tag="volume"):
    """A volume changed; with it, the availability of all assets on it."""

    state: Volume


class LibraryChange(Change, frozen=True, kw_only=True, tag="library"):
    """A library changed."""

    state: Library


class ScanChange(Change, frozen=True, kw_only=True, tag="scan"):
    """A scan started or ended."""

    state: Scan


class AgentChange(Change, frozen=True, kw_only=True, tag="agent"):
    """An agent was enrolled or revoked, fell silent, or came back."""

    state: Agent


class GapChange(Change, frozen=True, kw_only=True, tag="gap"):
    """Change events were lost."""

    state: EventGap


AnyChange = AssetChange | VolumeChange | LibraryChange | ScanChange | AgentChange | GapChange


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the feed. ``next`` is the cursor to go on from, also when nothing was there."""

    items: list[AnyChange]
    next: str
    has_more: bool
