"""The resources as JSON shows them."""

from __future__ import annotations

from sidecar.api.shapes.assets import (
    Asset,
    AssetTransition,
    CheckedPath,
    CheckedPattern,
    CheckedRules,
    Evidence,
    ImportPath,
    ImportPathPart,
    Library,
    PathExplanation,
    RulesPreview,
    RulesShare,
    Unavailable,
)
from sidecar.api.shapes.changes import (
    AgentChange,
    AnyChange,
    AssetChange,
    Change,
    Changes,
    GapChange,
    HoldChange,
    LibraryChange,
    ScanChange,
    VolumeChange,
)
from sidecar.api.shapes.holds import Branch, HeldAsset, Hold, HoldDetails
from sidecar.api.shapes.moments import moment, moment_or_none
from sidecar.api.shapes.service import Delivery, Job, NewToken, NewWebhook, Settings, Token, Webhook
from sidecar.api.shapes.storage import Agent, EventGap, Scan, Volume, VolumeTransition

__all__ = [
    "Agent",
    "AgentChange",
    "AnyChange",
    "Asset",
    "AssetChange",
    "AssetTransition",
    "Branch",
    "Change",
    "Changes",
    "CheckedPath",
    "CheckedPattern",
    "CheckedRules",
    "Delivery",
    "EventGap",
    "Evidence",
    "GapChange",
    "HeldAsset",
    "Hold",
    "HoldChange",
    "HoldDetails",
    "ImportPath",
    "ImportPathPart",
    "Job",
    "Library",
    "LibraryChange",
    "NewToken",
    "NewWebhook",
    "PathExplanation",
    "RulesPreview",
    "RulesShare",
    "Scan",
    "ScanChange",
    "Settings",
    "Token",
    "Unavailable",
    "Volume",
    "VolumeChange",
    "VolumeTransition",
    "Webhook",
    "moment",
    "moment_or_none",
]
