"""The change feed, as JSON shows it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from sidecar.api.shapes.assets import Asset, Library
from sidecar.api.shapes.holds import Hold
from sidecar.api.shapes.storage import Agent, EventGap, Scan, Volume


class Change(msgspec.Struct, frozen=True, kw_only=True, tag_field="entity"):
    """One item of the feed: the latest that happened to a thing, and in ``state`` the thing as it is now. ``cursor`` is
    where to go on from after it, for those who stop within a page."""

    change: int
    cursor: str
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
