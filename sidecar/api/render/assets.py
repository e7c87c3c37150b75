"""Libraries and assets, from rows of the catalog."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from holdfast import ids, paths
from holdfast.reports import Absent
from holdfast.volumes import Reason, VolumeState
from sidecar import proofs
from sidecar.api import shapes
from sidecar.api.shapes import moment, moment_or_none
from sidecar.asset import Availability, Status, availability
from sidecar.catalog import libraries, path_checksums, places
from sidecar.catalog.columns import AnyRow


def asset(row: AnyRow) -> shapes.Asset:
    """An asset, from a row of ``assets.shown()``."""
    state = _availability(row)
    server_path = places.server_path(row, row.path)
    sidecar_path = places.server_path(row, row.xmp_path) if row.xmp_path is not None else None
    host_path = places.host_path(row, row.path)
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
        volume_id=None if row.volume_id is None else ids.to_text("volume", row.volume_id),
        via_volume_id=None if row.via_volume_id is None else ids.to_text("volume", row.via_volume_id),
        size=row.size,
        modified_at=moment(row.mtime_ns // 1000),
        created_at=moment(row.created_at),
        # What photo servers that key assets by their path compute, so that they find theirs.
        path_checksum=base64.b64encode(path_checksums.of(row)).decode(),
        content_checksum=row.content,
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
    """The ETag of an asset: it shows the states of its volume and of its union too, and where the photo server sees
    its import path, which may change without a change of the asset."""
    if row.volume_id is None:
        return str(row.change)
    tag = f"{row.change}.{row.volume_change}.{zlib.crc32(row.server_path):x}"
    return tag if row.via_change is None else f"{tag}.{row.via_change}"


def asset_transition(row: AnyRow) -> shapes.AssetTransition:
    """A step of an asset's history."""
    return shapes.AssetTransition(
        at=moment(row.at),
        from_status=Status(row.from_status),
        to_status=Status(row.to_status),
        from_path=places.text_or_none(row.from_path),
        to_path=places.text_or_none(row.to_path),
        from_volume_id=None if row.from_volume_id is None else ids.to_text("volume", row.from_volume_id),
        reason=row.reason,
        hold_id=None if row.hold_id is None else ids.to_text("hold", row.hold_id),
        job_id=None if row.job_id is None else ids.to_text("job", row.job_id),
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
    reasons = proofs.why(absent)
    if found.identity is not None:  # what was kept before schema 0002 does not say
        label = found.label or found.volume
        reasons.insert(0, proofs.storage(label, found.identity, found.mounted_at, found.epoch))
    return msgspec.structs.replace(found, why=reasons)


def library_page(connection: Connection, rows: Sequence[AnyRow]) -> list[shapes.Library]:
    """Libraries with their import paths."""
    found = libraries.import_paths(connection, [row.id for row in rows])
    return [_library(row, found[row.id]) for row in rows]


def _availability(row: AnyRow) -> Availability:
    """Of an upload the photo server knows best: it is in its own storage."""
    if row.volume_id is None:
        return Availability.ONLINE
    return availability(VolumeState(row.volume_state), None if row.via_reason is None else Reason(row.via_reason))


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


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True
