"""Where a file is, in the words of the photo server and of its host."""

from __future__ import annotations

from holdfast import paths
from sidecar.catalog.columns import AnyRow


def server_path(row: AnyRow, path: bytes) -> bytes:
    """What the photo server calls a path inside the volume, by the mapping of the asset's import path.

    A file that left the import paths is known to no photo server any more; it is shown where its host has it. The path
    of an upload is the photo server's own.
    """
    if row.volume_id is None:
        return path
    directory, root = row.directory, row.server_path.rstrip(b"/")
    has_left = row.import_path_removed_at is not None
    if has_left or (directory and not path.startswith(directory + b"/")):
        return host_path(row, path) or b"/" + path
    rest = path[len(directory) + 1 :] if directory else path
    return bytes(root + b"/" + rest)


def host_path(row: AnyRow, path: bytes) -> bytes | None:
    """The path on the host, as the volume is mounted or was last. None: it never was, or is no volume of a host."""
    root = row.mounted_at if row.mounted_at is not None else row.last_mounted_at
    return None if root is None else bytes(root.rstrip(b"/") + b"/" + path)


def text_or_none(path: bytes | None) -> str | None:
    """A path that may not be there, as people see it."""
    return None if path is None else paths.to_display(path)
