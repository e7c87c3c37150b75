"""Agents, volumes, and what agents said of them, as JSON shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from holdfast.volumes import Capacity, Epoch, Identity, Reason, VolumeState


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
