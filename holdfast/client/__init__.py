"""The client for photo servers: libraries, assets, volumes, holds, history, and the change feed in a ``for`` loop.

    from holdfast.client import Client, CursorExpired

    with Client("http://127.0.0.1:8765", token) as holdfast:
        for change in holdfast.follow(cursor):
            take_in(change)
            keep(change.cursor)

Small on purpose: synchronous, typed, no state of its own, and it needs nothing of Holdfast but this package. The words
are those of docs/concepts.md, the calls those of docs/api.md; a worked example is examples/toy_photo_server.py.
"""

from __future__ import annotations

from holdfast.client.client import Client
from holdfast.client.errors import CursorExpired, HoldfastError, NotReady, Refused, Unreachable
from holdfast.client.feed import Snapshot
from holdfast.client.hooks import BadSignature, Notification, verify
from holdfast.client.resources import (
    AgentChange,
    Asset,
    AssetChange,
    Change,
    CheckedAsset,
    CheckedUpload,
    DirectoryError,
    Found,
    GapChange,
    Hold,
    HoldChange,
    ImportPath,
    Job,
    Library,
    LibraryChange,
    NewImportPath,
    OtherChange,
    ScanChange,
    ScanJob,
    ScanPart,
    Statistics,
    Transition,
    Unavailable,
    Volume,
    VolumeChange,
    VolumeTransition,
)
from holdfast.scans import ScanMode

__all__ = [
    "AgentChange",
    "Asset",
    "AssetChange",
    "BadSignature",
    "Change",
    "CheckedAsset",
    "CheckedUpload",
    "Client",
    "CursorExpired",
    "DirectoryError",
    "Found",
    "GapChange",
    "Hold",
    "HoldChange",
    "HoldfastError",
    "ImportPath",
    "Job",
    "Library",
    "LibraryChange",
    "NewImportPath",
    "NotReady",
    "Notification",
    "OtherChange",
    "Refused",
    "ScanChange",
    "ScanJob",
    "ScanMode",
    "ScanPart",
    "Snapshot",
    "Statistics",
    "Transition",
    "Unavailable",
    "Unreachable",
    "Volume",
    "VolumeChange",
    "VolumeTransition",
    "verify",
]
