"""The resources as JSON shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from holdfast.volumes import Capacity, Epoch, Identity, Reason, VolumeState
from sidecar.asset import Availability, Status
from sidecar.holds import HoldKind, HoldReason, HoldState

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
    """Why an asset cannot be opened at the moment: the state of its volume, or of the union that shows it, since
    when, and a sentence."""

    volume_id: str
    since: datetime
    reason: Reason
    detail: str


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """A photo or video of a library.

    ``path`` is what the photo server calls it, ``host_path`` where it is on the host of its disk, as that is
    mounted or was last. Names that are not UTF-8 are shown with replacement characters, and ``path_b64`` has the
    bytes. ``path_checksum`` is the SHA-1 of "path:" and the path, in base64. ``missing_online_s`` is for how many
    seconds its storage has been verified to be there since the file went missing. ``via_volume_id`` is the union that
    shows the file, which lies on a branch of it: its availability depends on both volumes.
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
    via_volume_id: str | None
    size: int
    modified_at: datetime
    created_at: datetime
    path_checksum: str
    sidecar_path: str | None
    missing_since: datetime | None
    missing_online_s: float | None
    unreadable_error: str | None
    excluded_by: str | None
    removed_at: datetime | None
    trashed_at: datetime | None
    foreign_id: str | None
    change: int


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a step of a history rests on: an observation, and the storage as it was when it was reported.

    ``volume`` to ``epoch`` say which storage, what it was recognised by, where it was mounted and in which unbroken
    attachment; ``journal`` and ``sequence`` which report; ``made_at`` when that was made, in Unix time on the agent's
    clock. ``observation`` is what the agent saw, an absence with its whole proof, and ``why`` says in sentences why
    that proves anything; it is empty for what needs no proof.
    """

    volume: str
    label: str | None = None
    identity: Identity | None = None
    mounted_at: str | None = None
    epoch: Epoch
    journal: str
    sequence: int
    made_at: float
    observation: dict[str, Any]
    why: list[str] = []


class AssetTransition(msgspec.Struct, frozen=True, kw_only=True):
    """A step of an asset's history, with the evidence for it. Paths are those inside the volume, and only there
    when it moved. ``hold_id`` is the hold that a person approved it in."""

    at: datetime
    from_status: Status
    to_status: Status
    from_path: str | None
    to_path: str | None
    reason: str
    hold_id: str | None
    evidence: Evidence | None


class ImportPathPart(msgspec.Struct, frozen=True, kw_only=True):
    """A further place that an import path shows: a file system mounted below it, or, with ``via_volume_id``, a branch
    of that union. ``path`` is where it is on the agent's host, ``server_path`` where the photo server sees it."""

    id: str
    path: str
    server_path: str
    volume_id: str
    via_volume_id: str | None


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
    parts: list[ImportPathPart]


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


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told what happens. ``reason`` says why it is disabled; ``failing_since``: nothing has arrived since."""

    id: str
    url: str
    description: str
    kinds: list[str]
    enabled: bool
    reason: str | None
    failing_since: datetime | None
    created_at: datetime
    revision: int


class NewWebhook(Webhook, frozen=True, kw_only=True):
    """A web hook with the secret that its messages are signed with. ``secret`` is shown this once."""

    secret: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message to a web hook. ``id`` is its ``webhook-id``; ``payload`` what it said. ``next_attempt_at`` is null when
    there will be none."""

    id: str
    kind: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    created_at: datetime
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    payload: dict[str, Any]


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
    ``has_more_directories``: there are more than are shown."""

    directories: list[Branch]
    has_more_directories: bool
    examples: list[str]


class HeldAsset(msgspec.Struct, frozen=True, kw_only=True):
    """An asset that waits in a hold: as it is shown now, and the size and time it would have. ``evidence`` says why
    it is believed."""

    asset: Asset
    held_since: datetime
    size: int
    modified_at: datetime
    evidence: Evidence | None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings. All times count verified-online time of a volume.

    In one place, as many files as ``guard_files`` or ``guard_percent`` of those that are there, whichever is more, may
    go within ``guard_window_s``; more are held. ``missing_grace_s`` is how long a proven absence waits until it shows.
    """

    guard_files: int
    guard_percent: int
    guard_window_s: int
    missing_grace_s: int
    revision: int


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


class HoldChange(Change, frozen=True, kw_only=True, tag="hold"):
    """A hold was opened, has grown or shrunk, or was closed."""

    state: Hold


AnyChange = AssetChange | VolumeChange | LibraryChange | ScanChange | AgentChange | GapChange | HoldChange


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the feed. ``next`` is the cursor to go on from, also when nothing was there."""

    items: list[AnyChange]
    next: str
    has_more: bool
