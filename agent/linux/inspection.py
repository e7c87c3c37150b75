"""Looking at a host path that is to become an import path. It may block, so it runs in a worker."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from agent import mounts, places
from agent.linux import kernel
from agent.linux.fuse import shows
from agent.linux.mountinfo import MOUNTINFO, parse
from agent.linux.plans import Plans
from agent.ports import Mount
from holdfast import paths

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


def inspect(
    path: str,
    roots: Sequence[str],
    plans: Plans | None = None,
    mountinfo: str = MOUNTINFO,
    *,
    shown_at: str | None = None,
    managed: Sequence[str] = (),
) -> Inspection:
    """Look at an absolute host path. Paths are wire text.

    It can be an import path when it is an existing, readable directory below a root: symbolic links are resolved on
    both sides first, so that no link leads out of what the administrator exposed. A path below an idle automount is
    refused without a call that would trigger it, and so is one below a planned mount point with nothing mounted on it
    (R4), empty or not. ``managed`` are the directories in which the photo server keeps its own: it would import its
    uploads and thumbnails. With ``shown_at`` it must be what a union shows at that path (EXDEV when it is something
    else).
    """
    planned = (plans or Plans()).mount_points()
    if refusal := _refusal(paths.to_os(path), mountinfo, planned):
        return Inspection(path, refusal)
    try:
        canonical = os.path.realpath(paths.to_os(path), strict=True)
        status = os.stat(canonical)
        if not stat.S_ISDIR(status.st_mode):
            return Inspection(path, _REFUSALS[errno.ENOTDIR].format(path=path), errno.ENOTDIR)
        with kernel.directory(canonical) as descriptor, os.scandir(descriptor) as entries:
            next(entries, None)
        if shown_at is not None and not shows(paths.to_os(shown_at), canonical):
            return Inspection(path, f"{path} is not what {shown_at} shows.", errno.EXDEV)
    except OSError as error:
        number = error.errno or errno.EIO
        text = _REFUSALS.get(number, "{path} cannot be read: " + os.strerror(number) + ".")
        return Inspection(path, text.format(path=path), number)
    if not any(paths.contains(_resolved(root), paths.from_os(canonical)) for root in roots):
        return Inspection(path, f"{path} is not exposed by the agent. Add it to 'roots' in agent.toml.")
    refusal = _refusal(canonical, mountinfo, planned) or _clash(path, paths.from_os(canonical), managed)
    return Inspection(paths.from_os(canonical), None) if refusal is None else Inspection(path, refusal)


def _refusal(path: str, mountinfo: str, planned: set[str]) -> str | None:
    mount = _mount_of(path, mountinfo)
    return None if mount is None else places.refusal(path, mount, sorted(planned))


def _clash(path: str, canonical: str, managed: Sequence[str]) -> str | None:
    for one in managed:
        place = _resolved(one)
        if paths.contains(place, canonical):
            return f"{path} lies in {one}, which the photo server manages by itself. Choose a folder outside of it."
        if paths.contains(canonical, place):
            return f"{path} contains {one}, which the photo server manages by itself. Choose folders beside it."
    return None


def _mount_of(path: str, mountinfo: str) -> Mount | None:
    with open(mountinfo, "rb", buffering=0) as file:
        return mounts.resolve(parse(file.readall()), path)


def _resolved(root: str) -> str:
    """A root as :func:`holdfast.paths.contains` takes it: without its slashes at the end, "" for all."""
    return paths.from_os(os.path.realpath(paths.to_os(root))).rstrip("/")
