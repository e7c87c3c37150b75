"""Libraries and assets, with the evidence for each step, as JSON shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from holdfast.volumes import Epoch, Identity, Reason
from sidecar.asset import Availability, Status


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
    """A library. ``refreshed_at``: since then every import path was scanned completely."""

    id: str
    name: str
    owner: str
    kind: Literal["external", "upload"]
    import_paths: list[ImportPath]
    exclusion_patterns: list[str]
    created_at: datetime
    refreshed_at: datetime | None
    deleted_at: datetime | None
    revision: int


class CheckedPath(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a look at an import path. ``is_valid`` is null when nobody could look, and ``message`` says why."""

    path: str
    agent: str | None
    is_valid: bool | None
    message: str | None


class CheckedPattern(msgspec.Struct, frozen=True, kw_only=True):
    """An exclusion pattern, and what is wrong with it, if anything is."""

    pattern: str
    is_valid: bool
    message: str | None


class CheckedRules(msgspec.Struct, frozen=True, kw_only=True):
    """Import paths and patterns that were checked and not saved."""

    import_paths: list[CheckedPath]
    exclusion_patterns: list[CheckedPattern]


class RulesShare(msgspec.Struct, frozen=True, kw_only=True):
    """Some of a library's assets: how many, how large, and a few of them."""

    assets: int
    bytes: int
    examples: list[str]


class RulesPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What other rules would do. ``unexplored`` are new import paths, of which nobody knows yet what they hold.
    ``next_cursor`` is null when all of the library was judged."""

    excluded: RulesShare
    included: RulesShare
    unchanged: int
    unexplored: list[str]
    next_cursor: str | None


class PathExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a path is in a library. ``path`` is the photo server's, which patterns are matched against."""

    path: str
    import_path_id: str | None
    is_excluded: bool
    excluded_by: str | None
    message: str


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
    bytes. ``path_checksum`` is the SHA-1 of "path:" and the path, in base64. ``content_checksum`` is the digest of
    what is in the file and names its algorithm ("sha1:" and the SHA-1 in base64); null until the agent has read it.
    ``missing_online_s`` is for how many seconds its storage has been verified to be there since the file went missing.
    ``via_volume_id`` is the union that shows the file, which lies on a branch of it: its availability depends on both
    volumes.
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
    unreadable_error: str | None
    excluded_by: str | None
    removed_at: datetime | None
    trashed_at: datetime | None
    foreign_id: str | None
    change: int


class CheckedAsset(msgspec.Struct, frozen=True, kw_only=True):
    """An asset after somebody has looked at its file, or nobody could: ``looked`` says which, ``found`` whether the
    file was there, null when nobody looked, and ``message`` what to know about it.

    A file that was not found is not missing yet: its absence is proven by a second look.
    """

    asset: Asset
    looked: bool
    found: bool | None
    message: str | None


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
    when it moved; ``from_volume_id`` if that was another volume. ``hold_id`` is the hold that a person approved it in,
    ``job_id`` the job that did it."""

    at: datetime
    from_status: Status
    to_status: Status
    from_path: str | None
    to_path: str | None
    from_volume_id: str | None
    reason: str
    hold_id: str | None
    job_id: str | None
    evidence: Evidence | None
