"""Writing the marker file: the one thing that Holdfast ever writes to storage, and only when a person says so (R28).

Nothing imports this but the verb ``enrol --marker``.
"""

from __future__ import annotations

import errno
import os

import msgspec

from agent.linux.attachment import Attachment
from agent.linux.marker import NAME, MarkerFile, read_marker
from agent.ports import Marker

_ABOUT = (
    "Holdfast recognises this storage by this file; see docs/troubleshooting.md, marker-missing. "
    "It was written by 'holdfast-agent enrol --marker'. Please leave it here."
)


def following(root: int, new_id: str) -> Marker:
    """The marker that comes next: the one that is there with the next generation, or a first one of this id."""
    known = read_marker(root)
    return Marker(new_id, 1) if known is None else Marker(known.id, known.generation + 1)


def content(marker: Marker) -> bytes:
    """What is written, byte for byte."""
    return msgspec.json.format(msgspec.json.encode(MarkerFile(_ABOUT, marker.id, marker.generation)), indent=2) + b"\n"


def write_marker(at: Attachment, marker: Marker) -> None:
    """Write the marker at the root of this mount, whole or not at all. Raises :class:`OSError`; EXDEV when another
    mount stands there by now."""
    temporary = f"{NAME}.new"
    with at.directory("") as root:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644, dir_fd=root)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o644)  # the agent's user has to read it, whatever the umask here
                file.write(content(marker))
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, NAME, src_dir_fd=root, dst_dir_fd=root)
        except BaseException:
            os.unlink(temporary, dir_fd=root)
            raise
        _sync(root)


def _sync(root: int) -> None:
    try:
        os.fsync(root)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a directory
            raise
