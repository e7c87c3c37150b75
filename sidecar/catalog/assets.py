"""Assets as consumers ask for them: lists, look-ups, history, and the two facts that they may set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select, update

from holdfast import paths
from holdfast.volumes import Reason, VolumeState
from sidecar.asset import Availability, availability
from sidecar.catalog import asset_rows, bulk, libraries
from sidecar.catalog.clock import CLOCK, feed
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import asset, asset_transition, evidence, import_path, library, volume

_via = volume.alias("via")


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of assets is limited to; None does not limit. ``path_prefix`` is a directory, as the photo
    server sees it, in wire text. ``updated_since`` is in microseconds."""

    library: bytes | None = None
    owner: str | None = None
    status: str | None = None
    availability: Availability | None = None
    volume: bytes | None = None
    path_prefix: str | None = None
    kind: str | None = None
    trashed: bool | None = None
    content: str | None = None
    updated_since: int | None = None


def shown() -> Select[Any]:
    """Assets with all that is shown of them: also of their library, import path and volume, and of the union that
    shows them, if one does."""
    return (
        select(
            asset,
            library.c.owner,
            import_path.c.directory,
            import_path.c.server_path,
            import_path.c.removed_at.label("import_path_removed_at"),
            volume.c.state.label("volume_state"),
            volume.c.reason.label("volume_reason"),
            volume.c.detail.label("volume_detail"),
            volume.c.since.label("volume_since"),
            volume.c.change.label("volume_change"),
            volume.c.mounted_at,
            volume.c.last_mounted_at,
            volume.c.online_us,
            import_path.c.via_volume_id,
            _via.c.reason.label("via_reason"),
            _via.c.detail.label("via_detail"),
            _via.c.since.label("via_since"),
            _via.c.change.label("via_change"),
        )
        .join(library, library.c.id == asset.c.library_id)
        # Not there for uploads, which are on no volume.
        .outerjoin(import_path, import_path.c.id == asset.c.import_path_id)
        .outerjoin(volume, volume.c.id == asset.c.volume_id)
        .outerjoin(_via, _via.c.id == import_path.c.via_volume_id)
    )


def page(connection: Connection, filters: Filters, after: Sequence[int | bytes] | None, limit: int) -> Sequence[AnyRow]:
    """Assets behind a position, in the order of their ids, or of their last change under ``updated_since``."""
    chosen = shown().where(*_conditions(connection, filters)).limit(limit)
    if filters.updated_since is None:
        chosen = chosen.order_by(asset.c.id)
        if after is not None:
            chosen = chosen.where(asset.c.id > after[0])
    else:
        chosen = chosen.order_by(asset.c.changed_at, asset.c.id)
        if after is not None:
            # Spelled out, since MySQL finds no range of an index in a comparison of rows.
            later = asset.c.changed_at > after[0]
            chosen = chosen.where(asset.c.changed_at >= after[0])
            chosen = chosen.where(or_(later, and_(asset.c.changed_at == after[0], asset.c.id > after[1])))
    return connection.execute(chosen).all()


def get(connection: Connection, asset_id: bytes) -> AnyRow | None:
    """One asset."""
    return connection.execute(shown().where(asset.c.id == asset_id)).one_or_none()


def with_ids(connection: Connection, asset_ids: Collection[bytes]) -> list[AnyRow]:
    """The assets with these ids."""
    found: list[AnyRow] = []
    for part in bulk.chunks(asset_ids):
        found += connection.execute(shown().where(asset.c.id.in_(part))).all()
    return found


def with_contents(connection: Connection, contents: Collection[str]) -> dict[str, list[AnyRow]]:
    """The assets that have one of these contents, and were not removed: content -> assets."""
    found: dict[str, list[AnyRow]] = {}
    for part in bulk.chunks(contents):
        chosen = shown().where(asset.c.content.in_(part), asset.c.removed_at.is_(None)).order_by(asset.c.id)
        for row in connection.execute(chosen):
            found.setdefault(row.content, []).append(row)
    return found


class Place(msgspec.Struct, frozen=True):
    """A path inside a volume; ``library`` None means every library."""

    volume: bytes
    path: bytes
    library: bytes | None


def places(connection: Connection, wanted: Iterable[str]) -> dict[str, list[Place]]:
    """Where absolute paths (wire text) lead, be they the photo server's or the host's: path -> places."""
    roots: list[tuple[str, str, bytes, bytes | None]] = []  # absolute root, directory in the volume, volume, library
    live = (import_path.c.volume_id.is_not(None), import_path.c.removed_at.is_(None))
    bound = connection.execute(select(import_path).where(*live))
    for row in bound:
        server_path, directory = paths.to_wire(row.server_path), paths.to_wire(row.directory)
        roots.append((server_path, directory, row.volume_id, row.library_id))
    roots += _unions(connection)
    for row in connection.execute(select(volume.c.id, volume.c.mounted_at, volume.c.last_mounted_at)):
        roots += [
            (paths.to_wire(mounted), "", row.id, None)
            for mounted in {row.mounted_at, row.last_mounted_at}
            if mounted is not None
        ]
    found: dict[str, list[Place]] = {}
    for path in wanted:
        found[path] = [
            Place(volume_id, paths.to_bytes(paths.join(directory, rest)), library_id)
            for root, directory, volume_id, library_id in roots
            if (rest := _rest(root, path))
        ]
    return found


def at_places(connection: Connection, wanted: Collection[Place]) -> dict[Place, list[AnyRow]]:
    """The assets that claim these places."""
    found: dict[Place, list[AnyRow]] = {}
    by_volume: dict[bytes, list[Place]] = {}
    for one in wanted:
        by_volume.setdefault(one.volume, []).append(one)
    everywhere = list(connection.execute(select(library.c.id)).scalars())
    for volume_id, group in by_volume.items():
        rows: dict[bytes, list[AnyRow]] = {}
        in_libraries = everywhere if any(one.library is None for one in group) else [one.library for one in group]
        for part in bulk.chunks({asset_rows.place_key(one.path) for one in group}):
            chosen = shown().where(
                asset.c.library_id.in_(set(in_libraries)), asset.c.volume_id == volume_id, asset.c.path_key.in_(part)
            )
            for row in connection.execute(chosen):
                rows.setdefault(row.path, []).append(row)
        for one in group:
            here = rows.get(one.path, [])
            found[one] = [row for row in here if one.library in (None, row.library_id)]
    return found


def uploaded_at(connection: Connection, wanted: Collection[str]) -> dict[str, list[AnyRow]]:
    """The uploads that lie at absolute paths (wire text): path -> assets."""
    keys = {asset_rows.place_key(paths.to_bytes(path)): path for path in wanted}
    found: dict[str, list[AnyRow]] = {}
    libraries_of = _upload_libraries(connection) if keys else []
    for part in bulk.chunks(keys):
        of_them = (asset.c.library_id.in_(libraries_of), asset.c.volume_id.is_(None), asset.c.path_key.in_(part))
        for row in connection.execute(shown().where(*of_them)):
            found.setdefault(keys[row.path_key], []).append(row)
    return found


def history(connection: Connection, asset_id: bytes, before: bytes, limit: int) -> Sequence[AnyRow]:
    """Transitions of an asset with their evidence, the newest first."""
    chosen = (
        select(asset_transition, evidence.c.body.label("evidence"))
        .outerjoin(evidence, evidence.c.id == asset_transition.c.evidence_id)
        .where(asset_transition.c.asset_id == asset_id, asset_transition.c.id < before)
        .order_by(asset_transition.c.id.desc())
        .limit(limit)
    )
    return connection.execute(chosen).all()


def lock(connection: Connection, asset_id: bytes) -> bool:
    """Lock an asset until the transaction ends. False when there is none."""
    chosen = select(asset.c.id).where(asset.c.id == asset_id).with_for_update()
    return connection.execute(chosen).one_or_none() is not None


def mark(connection: Connection, asset_id: bytes, values: dict[str, Any], now: int) -> None:
    """Set what consumers may set of an asset that was locked: ``trashed_at`` and ``foreign_id``."""
    row = values | feed("asset.updated", CLOCK.take(connection, 1), now)
    connection.execute(update(asset).where(asset.c.id == asset_id).values(row))


def _conditions(connection: Connection, filters: Filters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    equal = (
        (asset.c.library_id, filters.library),
        (asset.c.volume_id, filters.volume),
        (asset.c.status, filters.status),
        (asset.c.kind, filters.kind),
        (asset.c.content, filters.content),
    )
    found += [column == value for column, value in equal if value is not None]
    if filters.owner is not None:
        found.append(asset.c.library_id.in_(libraries.owned_by(connection, filters.owner)))
    if filters.availability is not None:
        found.append(_is(connection, filters.availability))
    if filters.trashed is not None:
        found.append(asset.c.trashed_at.is_not(None) if filters.trashed else asset.c.trashed_at.is_(None))
    if filters.updated_since is not None:
        found.append(asset.c.changed_at >= filters.updated_since)
    if filters.path_prefix is not None:
        found.append(_under(connection, filters.path_prefix))
    return found


def _is(connection: Connection, wanted: Availability) -> ColumnElement[bool]:
    """The condition that an asset's availability is this. Volumes and import paths are few, and naming them leaves
    the engine nothing to guess."""
    states = [(row.id, VolumeState(row.state)) for row in connection.execute(select(volume.c.id, volume.c.state))]
    through: dict[Reason, list[bytes]] = {}
    for path, reason in libraries.shown_via(connection):
        through.setdefault(Reason(reason), []).append(path)
    viewed = [path for paths_of in through.values() for path in paths_of]
    direct = asset.c.volume_id.in_([one for one, state in states if availability(state) is wanted])
    found = [and_(direct, asset.c.import_path_id.not_in(viewed)) if viewed else direct]
    for reason, paths_of in through.items():
        on = [one for one, state in states if availability(state, reason) is wanted]
        found.append(and_(asset.c.volume_id.in_(on), asset.c.import_path_id.in_(paths_of)))
    if wanted is Availability.ONLINE:
        found.append(asset.c.volume_id.is_(None))
    return or_(*found)


def _under(connection: Connection, prefix: str) -> ColumnElement[bool]:
    """The condition that an asset lies below a directory, as the photo server sees it."""
    alternatives: list[ColumnElement[bool]] = []
    live = (import_path.c.volume_id.is_not(None), import_path.c.removed_at.is_(None))
    for row in connection.execute(select(import_path).where(*live)):
        root, directory = paths.to_wire(row.server_path), paths.to_wire(row.directory)
        if _holds(prefix, root):
            inside = directory
        elif _holds(root, prefix):
            inside = paths.join(directory, _rest(root, prefix))
        else:
            continue
        of_path = and_(asset.c.library_id == row.library_id, asset.c.import_path_id == row.id)
        within = asset_rows.below(paths.to_bytes(inside))
        alternatives.append(of_path if within is None else and_(of_path, within))
    within = asset_rows.below(paths.to_bytes(prefix.rstrip("/")))
    uploaded = (asset.c.library_id.in_(_upload_libraries(connection)), asset.c.volume_id.is_(None))
    alternatives.append(and_(*uploaded, *(() if within is None else (within,))))
    return or_(*alternatives)


def _upload_libraries(connection: Connection) -> list[bytes]:
    """The libraries whose assets have the photo server's own paths."""
    return list(connection.execute(select(library.c.id).where(library.c.upload_owner.is_not(None))).scalars())


def _unions(connection: Connection) -> list[tuple[str, str, bytes, bytes | None]]:
    """Where the host paths of unions lead: to their branches, each of which may hold the file."""
    parent = import_path.alias("parent")
    chosen = (
        select(import_path, parent.c.path.label("parent_path"), parent.c.server_path.label("parent_server_path"))
        .join(parent, parent.c.id == import_path.c.parent_id)
        .where(import_path.c.via_volume_id.is_not(None), import_path.c.removed_at.is_(None))
    )
    found: list[tuple[str, str, bytes, bytes | None]] = []
    for row in connection.execute(chosen):
        below = row.server_path.removeprefix(row.parent_server_path.rstrip(b"/"))
        root = paths.to_wire(row.parent_path.rstrip(b"/") + below.rstrip(b"/"))
        found.append((root, paths.to_wire(row.directory), row.volume_id, row.library_id))
    return found


def _holds(root: str, path: str) -> bool:
    return root == "/" or paths.contains(root, path)


def _rest(root: str, path: str) -> str:
    """``path`` as seen from ``root``, or "" when it is not below it."""
    if not _holds(root, path):
        return ""
    return path[1:] if root == "/" else paths.below(root, path)
