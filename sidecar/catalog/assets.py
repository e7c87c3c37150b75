"""Assets as consumers ask for them: look-ups, history, and the two facts that they may set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, select, update

from holdfast import paths
from sidecar.catalog import asset_rows, bulk, libraries, statistics
from sidecar.catalog.clock import CLOCK, feed
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import asset, asset_transition, evidence, import_path, library, volume

_via = volume.alias("via")

# Of one content so many assets are told: who asks whether a photo is there needs one, and a list has them all.
ALIKE_MAX = 100
# A look-up of contents finds fewer as a rule; then nothing is asked for twice.
_FEW = 5 * bulk.CHUNK


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
        # There is always one; but of what is joined like this MySQL never thinks of beginning with it, which would have
        # it sort all of the assets for every page of the feed.
        .outerjoin(library, library.c.id == asset.c.library_id)
        # Not there for uploads, which are on no volume.
        .outerjoin(import_path, import_path.c.id == asset.c.import_path_id)
        .outerjoin(volume, volume.c.id == asset.c.volume_id)
        .outerjoin(_via, _via.c.id == import_path.c.via_volume_id)
    )


def get(connection: Connection, asset_id: bytes) -> AnyRow | None:
    """One asset."""
    return connection.execute(shown().where(asset.c.id == asset_id)).one_or_none()


def with_ids(connection: Connection, asset_ids: Collection[bytes]) -> list[AnyRow]:
    """The assets with these ids."""
    found: list[AnyRow] = []
    for part in bulk.chunks(asset_ids):
        found += connection.execute(shown().where(asset.c.id.in_(part))).all()
    return found


def with_contents(
    connection: Connection, contents: Collection[str], owner: str | None = None
) -> dict[str, list[AnyRow]]:
    """The assets (of an owner) that have one of these contents, and were not removed: content -> assets. Of a content
    that there is in very many places not all are found, but :data:`ALIKE_MAX`."""
    living = select(asset.c.id).where(asset.c.removed_at.is_(None))
    if owner is not None:
        living = living.where(asset.c.library_id.in_(libraries.owned_by(connection, owner)))
    wanted: list[bytes] = []
    for part in bulk.chunks(contents):
        some = connection.execute(living.where(asset.c.content.in_(part)).limit(_FEW)).scalars().all()
        if len(some) < _FEW:
            wanted += some
            continue
        for content in part:
            wanted += connection.execute(living.where(asset.c.content == content).limit(ALIKE_MAX)).scalars()
    found: dict[str, list[AnyRow]] = {}
    for row in sorted(with_ids(connection, wanted), key=lambda row: row.id):
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
            Place(volume_id, paths.to_bytes(paths.join(directory, below)), library_id)
            for root, directory, volume_id, library_id in roots
            if (below := rest_below(root, path))
        ]
    return found


def at_places(connection: Connection, wanted: Collection[Place]) -> dict[Place, list[AnyRow]]:
    """The assets that claim these places."""
    found: dict[Place, list[AnyRow]] = {}
    by_volume: dict[bytes, list[Place]] = {}
    for one in wanted:
        by_volume.setdefault(one.volume, []).append(one)
    for volume_id, group in by_volume.items():
        rows: dict[bytes, list[AnyRow]] = {}
        is_anywhere = any(one.library is None for one in group)
        in_libraries = statistics.libraries_on(connection, volume_id) if is_anywhere else [one.library for one in group]
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
    libraries_of = upload_libraries(connection) if keys else []
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


def upload_libraries(connection: Connection) -> list[bytes]:
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


def is_under(root: str, path: str) -> bool:
    """Whether an absolute path (wire text) is a directory, or in it."""
    return root == "/" or paths.contains(root, path)


def rest_below(root: str, path: str) -> str:
    """``path`` as seen from ``root``, or "" when it is not below it."""
    if not is_under(root, path):
        return ""
    return path[1:] if root == "/" else paths.below(root, path)
