"""Looking at a host path that is to become an import path. It may block, so it runs in a worker."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from agent.linux.fuse import shows
from holdfast import paths

_FSTAB = "/etc/fstab"
_REFUSALS = {
    errno.ENOENT: "{path} does not exist on the agent's host.",
    errno.ENOTDIR: "{path} is not a directory.",
    errno.EACCES: "The agent has no permission to read {path}. Give its user permission to read and enter it.",
    errno.ELOOP: "{path} leads through symbolic links in a circle.",
    errno.ENOTCONN: "The program that provides {path} has died. Unmount it and mount it again.",
}


class Inspection(NamedTuple):
    """The canonical form of a host path; or the sentence that says why it cannot be an import path, and the errno
    behind that, 0 when there is none."""

    canonical: str
    refusal: str | None
    errno: int = 0


def inspect(path: str, roots: Sequence[str], fstab: str = _FSTAB, *, shown_at: str | None = None) -> Inspection:
    """Look at an absolute host path. Paths are wire text.

    It can be an import path when it is an existing, readable directory below a root: symbolic links are resolved on
    both sides first, so that no link leads out of what the administrator exposed. With ``shown_at`` it must be what a
    union shows at that path (EXDEV when it is something else).
    """
    try:
        canonical = os.path.realpath(paths.to_os(path), strict=True)
        status = os.stat(canonical)
        if not stat.S_ISDIR(status.st_mode):
            return Inspection(path, _REFUSALS[errno.ENOTDIR].format(path=path), errno.ENOTDIR)
        with os.scandir(canonical) as entries:
            is_empty = next(entries, None) is None
        if shown_at is not None and not shows(paths.to_os(shown_at), canonical):
            return Inspection(path, f"{path} is not what {shown_at} shows.", errno.EXDEV)
    except OSError as error:
        number = error.errno or errno.EIO
        text = _REFUSALS.get(number, "{path} cannot be read: " + os.strerror(number) + ".")
        return Inspection(path, text.format(path=path), number)
    if not any(paths.contains(_resolved(root), paths.from_os(canonical)) for root in roots):
        return Inspection(path, f"{path} is not exposed by the agent. Add it to 'roots' in agent.toml.")
    if is_empty and canonical in _mount_points(fstab) and not os.path.ismount(canonical):
        return Inspection(path, f"{path} is a mount point with nothing mounted. Mount the disk first.")
    return Inspection(paths.from_os(canonical), None)


def _resolved(root: str) -> str:
    """A root as :func:`holdfast.paths.contains` takes it: without its slashes at the end, "" for all."""
    return paths.from_os(os.path.realpath(paths.to_os(root))).rstrip("/")


def _mount_points(fstab: str) -> set[str]:
    """The mount points that the administrator has planned."""
    try:
        with open(fstab, encoding="utf-8", errors="surrogateescape") as lines:
            fields = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    except FileNotFoundError:
        return set()
    return {one[1].replace("\\040", " ").rstrip("/") for one in fields if len(one) > 1}
