"""The import paths, patterns and ignore files that hold at the moment, as the database has them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, delete, insert, select

from holdfast import paths
from holdfast.ignoring import Ignores
from holdfast.patterns import Exclusions
from sidecar.catalog import asset_rows
from sidecar.catalog.tables import ignore_file, import_path, library
from sidecar.membership import Membership, Scope


def of_volume(connection: Connection, volume_id: bytes) -> Membership:
    """Which libraries the files of a volume belong to."""
    return Membership(_scopes(connection, volume_id, None), ignores_of(connection, volume_id))


def of_library(connection: Connection, library_id: bytes, volume_id: bytes) -> Membership:
    """Which files of a volume belong to one library."""
    return Membership(_scopes(connection, volume_id, library_id), ignores_of(connection, volume_id))


def ignores_of(connection: Connection, volume_id: bytes) -> Ignores:
    """The ignore files of a volume, as its writer has told them last."""
    rows = connection.execute(select(ignore_file).where(ignore_file.c.volume_id == volume_id))
    return Ignores({paths.to_wire(row.directory): row.rules for row in rows})


def set_ignores(connection: Connection, volume_id: bytes, rules: Mapping[str, str]) -> bool:
    """These are all ignore files of a volume; whether that is news."""
    if ignores_of(connection, volume_id).rules == rules:
        return False
    connection.execute(delete(ignore_file).where(ignore_file.c.volume_id == volume_id))
    for directory, text in rules.items():
        raw = paths.to_bytes(directory)
        row = {"volume_id": volume_id, "directory_key": asset_rows.key(raw), "directory": raw, "rules": text}
        connection.execute(insert(ignore_file).values(row))
    return True


def libraries_on(connection: Connection, volume_id: bytes) -> list[bytes]:
    """The libraries that have an import path on a volume."""
    live = (import_path.c.volume_id == volume_id, import_path.c.removed_at.is_(None))
    return sorted(connection.execute(select(import_path.c.library_id).where(*live).distinct()).scalars())


def _scopes(connection: Connection, volume_id: bytes, library_id: bytes | None) -> list[Scope]:
    chosen = (
        select(
            import_path.c.id,
            import_path.c.library_id,
            import_path.c.directory,
            import_path.c.server_path,
            library.c.exclusion_patterns,
        )
        .join(library, library.c.id == import_path.c.library_id)
        .where(import_path.c.volume_id == volume_id, import_path.c.removed_at.is_(None), library.c.deleted_at.is_(None))
    )
    if library_id is not None:
        chosen = chosen.where(library.c.id == library_id)
    return [
        Scope(
            import_path=row.id,
            library=row.library_id,
            directory=paths.to_wire(row.directory),
            server_path=paths.to_wire(row.server_path),
            exclusions=Exclusions(msgspec.json.decode(row.exclusion_patterns, type=list[str])),
        )
        for row in connection.execute(chosen)
    ]
