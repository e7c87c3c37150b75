"""From rows of the catalog to the resources that JSON shows. Whatever a resource needs beside its own rows is read
for a whole page at once."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from holdfast import ids, paths
from holdfast.reports import Absent
from holdfast.volumes import Capacity, Epoch, Identity, Reason, VolumeState, help_of
from sidecar import holds as holds_told
from sidecar import proofs
from sidecar.api import shapes
from sidecar.api.shapes import moment, moment_or_none
from sidecar.asset import Availability, Status, availability
from sidecar.catalog import feed, holds, libraries, volumes, webhooks
from sidecar.catalog.columns import AnyRow
from sidecar.holds import HoldKind, HoldReason, HoldState

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "virtiofs"}


def asset(row: AnyRow) -> shapes.Asset:
    """An asset, from a row of ``assets.shown()``."""
    state = availability(VolumeState(row.volume_state), None if row.via_reason is None else Reason(row.via_reason))
    server_path = _server_path(row, row.path)
    sidecar_path = _server_path(row, row.xmp_path) if row.xmp_path is not None else None
    host_path = _host_path(row)
    return shapes.Asset(
        id=ids.to_text("asset", row.id),
        library_id=ids.to_text("library", row.library_id),
        owner=row.owner,
        kind=row.kind,
        status=Status(row.status),
        availability=state,
        unavailable=None if state is Availability.ONLINE else _unavailable(row, state),
        path=paths.to_display(server_path),
        path_b64=None if _is_utf8(server_path) else base64.b64encode(server_path).decode(),
        host_path=None if host_path is None else paths.to_display(host_path),
        file_name=paths.to_display(row.path.rpartition(b"/")[2]),
        volume_id=ids.to_text("volume", row.volume_id),
        via_volume_id=None if row.via_volume_id is None else ids.to_text("volume", row.via_volume_id),
        size=row.size,
        modified_at=moment(row.mtime_ns // 1000),
        created_at=moment(row.created_at),
        # What photo servers that key assets by their path compute, so that they find theirs.
        path_checksum=base64.b64encode(hashlib.sha1(b"path:" + server_path, usedforsecurity=False).digest()).decode(),
        sidecar_path=None if sidecar_path is None else paths.to_display(sidecar_path),
        missing_since=moment_or_none(row.absent_since),
        missing_online_s=_missing_online_s(row),
        unreadable_error=row.unreadable_error,
        excluded_by=row.excluded_by,
        removed_at=moment_or_none(row.removed_at),
        trashed_at=moment_or_none(row.trashed_at),
        foreign_id=row.foreign_id,
        change=row.change,
    )


def asset_tag(row: AnyRow) -> str:
    """The ETag of an asset: it shows the states of its volume and of its union too."""
    tag = f"{row.change}.{row.volume_change}"
    return tag if row.via_change is None else f"{tag}.{row.via_change}"


def asset_transition(row: AnyRow) -> shapes.AssetTransition:
    """A step of an asset's history."""
    return shapes.AssetTransition(
        at=moment(row.at),
        from_status=Status(row.from_status),
        to_status=Status(row.to_status),
        from_path=_text_or_none(row.from_path),
        to_path=_text_or_none(row.to_path),
        reason=row.reason,
        hold_id=None if row.hold_id is None else ids.to_text("hold", row.hold_id),
        evidence=evidence(row.evidence),
    )


def evidence(body: str | None) -> shapes.Evidence | None:
    """Evidence as it was kept, with the reasons in sentences."""
    if body is None:
        return None
    found = msgspec.json.decode(body, type=shapes.Evidence)
    if found.observation.get("type") != "absent":
        return found
    # The names are kept with the assets, not here.
    absent = msgspec.convert({**found.observation, "names": []}, Absent)
    return msgspec.structs.replace(found, why=proofs.why(absent))


def library_page(connection: Connection, rows: Sequence[AnyRow]) -> list[shapes.Library]:
    """Libraries with their import paths."""
    found = libraries.import_paths(connection, [row.id for row in rows])
    return [_library(row, found[row.id]) for row in rows]


def volume_page(connection: Connection, rows: Sequence[AnyRow]) -> list[shapes.Volume]:
    """Volumes with their counts."""
    volume_ids = [row.id for row in rows]
    counts, scans = volumes.asset_counts(connection, volume_ids), volumes.last_scans(connection, volume_ids)
    return [_volume(row, counts[row.id], scans.get(row.id)) for row in rows]


def volume_transition(row: AnyRow) -> shapes.VolumeTransition:
    """A step of a volume's history."""
    return shapes.VolumeTransition(
        at=moment(row.at),
        from_state=None if row.from_state is None else VolumeState(row.from_state),
        to_state=VolumeState(row.to_state),
        reason=Reason(row.reason),
        detail=row.detail,
        mounted_at=_text_or_none(row.mounted_at),
    )


def agent(row: AnyRow) -> shapes.Agent:
    """An agent."""
    return shapes.Agent(
        id=ids.to_text("agent", row.id),
        name=row.name,
        host=row.host,
        version=row.version,
        protocol=row.protocol,
        capabilities=msgspec.json.decode(row.capabilities),
        enrolled_at=moment(row.enrolled_at),
        last_seen=moment_or_none(row.last_seen),
        silent_since=moment_or_none(row.silent_since),
        revoked_at=moment_or_none(row.revoked_at),
    )


def token(row: AnyRow) -> shapes.Token:
    """A token."""
    return shapes.Token(
        id=ids.to_text("token", row.id),
        name=row.name,
        scope=row.scope,
        agent=None if row.agent_id is None else ids.to_text("agent", row.agent_id),
        created_at=moment(row.created_at),
        used_at=moment_or_none(row.used_at),
        revoked_at=moment_or_none(row.revoked_at),
    )


def webhook(row: AnyRow) -> shapes.Webhook:
    """A web hook, without its secrets."""
    return shapes.Webhook(
        id=ids.to_text("webhook", row.id),
        url=row.url,
        description=row.description,
        kinds=webhooks.kinds_of(row),
        enabled=row.state == webhooks.ACTIVE,
        reason=row.reason or None,
        failing_since=moment_or_none(row.failing_since),
        created_at=moment(row.created_at),
        revision=row.revision,
    )


def delivery(row: AnyRow) -> shapes.Delivery:
    """A message to a web hook."""
    return shapes.Delivery(
        id=ids.to_text("delivery", row.id),
        kind=row.kind,
        state=row.state,
        attempts=row.attempts,
        created_at=moment(row.created_at),
        last_attempt_at=moment_or_none(row.last_at),
        next_attempt_at=moment(row.next_at) if row.state == webhooks.PENDING else None,
        last_status=row.last_status,
        last_error=row.last_error or None,
        payload=msgspec.json.decode(row.body),
    )


def hold(row: AnyRow) -> shapes.Hold:
    """A hold, from a row of ``holds.shown()``."""
    return shapes.Hold(**_hold(row))


def hold_details(row: AnyRow, tree: Sequence[AnyRow], examples: Sequence[AnyRow]) -> shapes.HoldDetails:
    """A hold with its tree and some of its files."""
    return shapes.HoldDetails(
        **_hold(row),
        directories=[
            shapes.Branch(directory=paths.to_display(one.directory), files=one.files)
            for one in tree[: holds.BRANCHES_SHOWN]
        ],
        has_more_directories=len(tree) > holds.BRANCHES_SHOWN,
        examples=[paths.to_display(_server_path(one, one.path)) for one in examples],
    )


def held_asset(row: AnyRow) -> shapes.HeldAsset:
    """An asset that waits in a hold, from a row of ``holds.assets_page()``."""
    return shapes.HeldAsset(
        asset=asset(row),
        held_since=moment(row.held_at),
        size=row.held_size,
        modified_at=moment(row.held_mtime_ns // 1000),
        evidence=evidence(row.evidence),
    )


def changes(connection: Connection, page: Sequence[feed.Change]) -> list[shapes.AnyChange]:
    """A page of the feed, each item with the state that its own GET shows."""
    found: list[shapes.AnyChange] = []
    rows = {entity: [one.row for one in page if one.entity == entity] for entity in feed.SHOWN}
    for row in rows["asset"]:
        found.append(shapes.AssetChange(**_change("asset", row), state=asset(row)))
    for row, volume in zip(rows["volume"], volume_page(connection, rows["volume"]), strict=True):
        found.append(shapes.VolumeChange(**_change("volume", row), state=volume))
    for row, library in zip(rows["library"], library_page(connection, rows["library"]), strict=True):
        found.append(shapes.LibraryChange(**_change("library", row), state=library))
    for row in rows["scan"]:
        found.append(shapes.ScanChange(**_change("scan", row), state=_scan(row)))
    for row in rows["agent"]:
        found.append(shapes.AgentChange(**_change("agent", row), state=agent(row)))
    for row in rows["gap"]:
        found.append(shapes.GapChange(**_change("gap", row), state=_gap(row)))
    for row in rows["hold"]:
        found.append(shapes.HoldChange(**_change("hold", row), state=hold(row)))
    return sorted(found, key=lambda one: one.change)


def _change(entity: str, row: AnyRow) -> dict[str, Any]:
    return {
        "change": row.change,
        "kind": row.change_kind,
        "id": ids.to_text(entity, row.id),
        "at": moment(row.changed_at),
    }


def _hold(row: AnyRow) -> dict[str, Any]:
    kind, state = HoldKind(row.kind), HoldState(row.state)
    root = row.mounted_at if row.mounted_at is not None else row.last_mounted_at
    host_path = None if root is None else (root.rstrip(b"/") + b"/" + (row.directory or b"")).rstrip(b"/") or b"/"
    # Without a mount point nobody knows the host's path; then the label has to do.
    where = f"the volume {row.volume_label}" if host_path is None else paths.to_display(host_path)
    return {
        "id": ids.to_text("hold", row.id),
        "volume_id": ids.to_text("volume", row.volume_id),
        "volume_label": row.volume_label,
        "directory": _text_or_none(row.directory),
        "host_path": _text_or_none(host_path),
        "kind": kind,
        "reason": HoldReason(row.reason),
        "state": state,
        "summary": holds_told.summary(kind, HoldReason(row.reason), row.files, where),
        "advice": holds_told.advice(kind, state),
        "files": row.files,
        "bytes": row.bytes,
        "digest": row.digest.hex(),
        "opened_at": moment(row.opened_at),
        "updated_at": moment(row.changed_at),
        "closed_at": moment_or_none(row.closed_at),
        "closed_by": row.closed_by,
        "done": row.done,
        "done_at": moment_or_none(row.done_at),
    }


def _missing_online_s(row: AnyRow) -> float | None:
    """For how long an asset has been missing while its storage was verified to be there."""
    if row.absent_since is None or row.absent_online_us is None:
        return None
    return float(max(0, row.online_us - row.absent_online_us) / 1_000_000)


def _unavailable(row: AnyRow, state: Availability) -> shapes.Unavailable:
    """Why: the asset's own volume, unless that is better off than the union."""
    if row.via_reason is None or availability(VolumeState(row.volume_state)) is state:
        volume_id, since, reason, detail = row.volume_id, row.volume_since, row.volume_reason, row.volume_detail
    else:
        volume_id, since, reason, detail = row.via_volume_id, row.via_since, row.via_reason, row.via_detail
    return shapes.Unavailable(
        volume_id=ids.to_text("volume", volume_id), since=moment(since), reason=Reason(reason), detail=detail
    )


def _library(row: AnyRow, import_paths: Sequence[AnyRow]) -> shapes.Library:
    return shapes.Library(
        id=ids.to_text("library", row.id),
        name=row.name,
        owner=row.owner,
        kind=row.kind,
        import_paths=[
            shapes.ImportPath(
                id=ids.to_text("import_path", one.id),
                agent=ids.to_text("agent", one.agent_id),
                path=paths.to_wire(one.path),
                server_path=paths.to_wire(one.server_path),
                volume_id=None if one.volume_id is None else ids.to_text("volume", one.volume_id),
                state=one.state,
                message=one.message,
                parts=[_part(part) for part in import_paths if part.parent_id == one.id],
            )
            for one in import_paths
            if one.parent_id is None
        ],
        exclusion_patterns=msgspec.json.decode(row.exclusion_patterns),
        created_at=moment(row.created_at),
        refreshed_at=moment_or_none(row.refreshed_at),
        deleted_at=moment_or_none(row.deleted_at),
        revision=row.revision,
    )


def _part(row: AnyRow) -> shapes.ImportPathPart:
    return shapes.ImportPathPart(
        id=ids.to_text("import_path", row.id),
        path=paths.to_wire(row.path),
        server_path=paths.to_wire(row.server_path),
        volume_id=ids.to_text("volume", row.volume_id),
        via_volume_id=None if row.via_volume_id is None else ids.to_text("volume", row.via_volume_id),
    )


def _volume(row: AnyRow, assets: int, last_scan: int | None) -> shapes.Volume:
    identity = msgspec.json.decode(row.identity, type=Identity)
    capacity = None if row.total_bytes is None else Capacity(row.total_bytes, row.free_bytes)
    return shapes.Volume(
        id=ids.to_text("volume", row.id),
        agent=ids.to_text("agent", row.agent_id),
        label=row.label,
        kind="network" if identity.fs_type in _NETWORK else "fuse" if identity.fs_type.startswith("fuse") else "disk",
        fs_type=identity.fs_type,
        identity=identity,
        mounted_at=_text_or_none(row.mounted_at),
        last_mounted_at=_text_or_none(row.last_mounted_at),
        state=VolumeState(row.state),
        reason=Reason(row.reason),
        detail=row.detail,
        help=help_of(Reason(row.reason)),
        since=moment(row.since),
        epoch=None if row.epoch is None else msgspec.json.decode(row.epoch, type=Epoch),
        last_scan=moment_or_none(last_scan),
        assets=assets,
        capacity=capacity,
        pending=row.pending,
    )


def _scan(row: AnyRow) -> shapes.Scan:
    return shapes.Scan(
        id=ids.to_text("scan", row.id),
        volume_id=ids.to_text("volume", row.volume_id),
        directory=paths.to_display(row.directory),
        mode=row.mode,
        started_at=moment(row.started_at),
        finished_at=moment_or_none(row.finished_at),
        complete=None if row.complete is None else bool(row.complete),
        directories=row.directories,
        files=row.files,
        errors=row.errors,
    )


def _gap(row: AnyRow) -> shapes.EventGap:
    return shapes.EventGap(
        volume_id=ids.to_text("volume", row.volume_id),
        directory=paths.to_display(row.directory),
        reason=row.reason,
        at=moment(row.at),
    )


def _server_path(row: AnyRow, path: bytes) -> bytes:
    """What the photo server calls a path inside the volume, by the mapping of the asset's import path.

    A file that left the import paths is known to no photo server any more; it is shown where its host has it.
    """
    directory, server_path = row.directory, row.server_path.rstrip(b"/")
    if directory and not path.startswith(directory + b"/"):
        return _host_path(row) or b"/" + path
    rest = path[len(directory) + 1 :] if directory else path
    return bytes(server_path + b"/" + rest)


def _host_path(row: AnyRow) -> bytes | None:
    root = row.mounted_at if row.mounted_at is not None else row.last_mounted_at
    return None if root is None else bytes(root.rstrip(b"/") + b"/" + row.path)


def _text_or_none(path: bytes | None) -> str | None:
    return None if path is None else paths.to_display(path)


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True
