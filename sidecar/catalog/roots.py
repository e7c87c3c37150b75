"""Where import paths lead: what people call the files below them, for many files at once.

There are few import paths and many assets; so the import paths are read once, and the paths of the assets are put
together from them without a join.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, select

from holdfast.volumes import Reason, VolumeState
from sidecar.asset import Availability, availability
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import import_path, library, volume

_via = volume.alias("via")


class Root(NamedTuple):
    """An import path: the directory of the volume that it leads to, and what that is called: by the photo server, if
    it still knows it, and by the host, as the volume is mounted or was last."""

    library: bytes
    volume: bytes
    directory: bytes
    server: bytes | None
    hosts: tuple[bytes, ...]
    availability: Availability

    def shown(self, path: bytes) -> bytes:
        """What a file is called, as :func:`sidecar.catalog.places.server_path` says it."""
        directory = self.directory
        if self.server is None or (directory and not path.startswith(directory + b"/")):
            return (self.hosts[0] if self.hosts else b"") + b"/" + path
        return self.server + b"/" + (path[len(directory) + 1 :] if directory else path)

    def names(self) -> Iterable[bytes]:
        """What the directory is called by anybody, without a slash at the end."""
        if self.server is not None:
            yield self.server
        for host in self.hosts:
            yield host + b"/" + self.directory if self.directory else host


def read(connection: Connection) -> dict[bytes, Root]:
    """All import paths that lead somewhere, also those that were taken out of their libraries, by their ids."""
    chosen = (
        select(
            import_path,
            volume.c.state.label("volume_state"),
            volume.c.mounted_at,
            volume.c.last_mounted_at,
            _via.c.reason.label("via_reason"),
        )
        .join(volume, volume.c.id == import_path.c.volume_id)
        .outerjoin(_via, _via.c.id == import_path.c.via_volume_id)
    )
    return {row.id: _root(row) for row in connection.execute(chosen)}


def uploads(connection: Connection) -> list[bytes]:
    """The libraries whose assets have the photo server's own paths, and are below no import path."""
    return list(connection.execute(select(library.c.id).where(library.c.kind == "upload")).scalars())


def _root(row: AnyRow) -> Root:
    via = None if row.via_reason is None else Reason(row.via_reason)
    mounts = [one for one in (row.mounted_at, row.last_mounted_at) if one is not None]
    return Root(
        row.library_id,
        row.volume_id,
        row.directory,
        None if row.removed_at is not None else row.server_path.rstrip(b"/"),
        tuple(dict.fromkeys(one.rstrip(b"/") for one in mounts)),
        availability(VolumeState(row.volume_state), via),
    )
