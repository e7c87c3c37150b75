"""Which host paths may be bound (R4): where nothing is mounted, an empty or a stray folder is no storage. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from agent import mounts
from agent.ports import Mount

_UNMOUNTED = (
    "{path} belongs to {place}, a mount point with nothing mounted on it. Mount the storage first "
    "('mount {place}'); what lies in the bare folder is left alone."
)
_NOT_VOUCHED = (
    "{path} is a folder on the disk of the system, and no disk is mounted there. If one belongs there, mount it "
    "first. If it is a plain folder, say so: 'holdfast-agent enrol --plain {path}', or list it in plain_directories "
    "in agent.toml."
)
_IDLE = "The automount at {place} is idle. Open {path} once, so that its storage is mounted; the agent never does that."


def refusal(path: str, mount: Mount, planned: Iterable[str]) -> str | None:
    """Why a path cannot be bound now, whatever a person says of it; None when nothing forbids it.

    ``mount`` is the one that the path leads to, ``planned`` are mount points that the administrator has planned.
    """
    if mount.fs_type == "autofs":
        return _IDLE.format(place=mount.mount_point, path=path)
    for place in planned:
        is_beyond = place != mount.mount_point and mounts.contains(mount.mount_point, place)
        if is_beyond and mounts.contains(place, path):
            return _UNMOUNTED.format(path=path, place=place)
    return None


def needs_word(path: str, mount: Mount, plain: Iterable[str]) -> str | None:
    """The sentence that asks for a person's word, when a path is on no mount of its own and none was given.

    ``plain`` are the directories that a person calls plain; what lies below one of them is too.
    """
    if mount.mount_point != "/" or any(mounts.contains(one.rstrip("/") or "/", path) for one in plain):
        return None
    return _NOT_VOUCHED.format(path=path)
