"""From rows of the catalog to the resources that JSON shows. Whatever a resource needs beside its own rows is read
for a whole page at once."""

from __future__ import annotations

from sidecar.api.render.assets import asset, asset_tag, asset_transition, evidence, library_page
from sidecar.api.render.changes import changes
from sidecar.api.render.holds import held_asset, hold, hold_details
from sidecar.api.render.jobs import job_page
from sidecar.api.render.service import audit_entry, delivery, token, webhook
from sidecar.api.render.storage import agent, volume_page, volume_transition

__all__ = [
    "agent",
    "asset",
    "asset_tag",
    "asset_transition",
    "audit_entry",
    "changes",
    "delivery",
    "evidence",
    "held_asset",
    "hold",
    "hold_details",
    "job_page",
    "library_page",
    "token",
    "volume_page",
    "volume_transition",
    "webhook",
]
