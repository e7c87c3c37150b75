"""The import paths and patterns that hold at the moment, as the database has them."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select

from holdfast import paths
from holdfast.patterns import Exclusions
from sidecar.catalog.tables import import_path, library
from sidecar.membership import Membership, Scope


def of_volume(connection: Connection, volume_id: bytes) -> Membership:
    """Which libraries the files of a volume belong to."""
    return Membership(_scopes(connection, volume_id, None))


def of_library(connection: Connection, library_id: bytes, volume_id: bytes) -> Membership:
    """Which files of a volume belong to one library."""
    return Membership(_scopes(connection, volume_id, library_id))


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
