"""Which watch a volume gets, and why: one mark for its whole file system, or one watch a directory."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from agent.filesystems import traits
from agent.linux.fanotify import FanotifyWatch
from agent.linux.inotify import InotifyWatch
from agent.linux.mountinfo import MOUNTINFO, parse
from agent.mounts import resolve
from agent.ports import Mount, Watch
from agent.settings import WatchChoice

_OFF = 'scans only (watch = "no" in agent.toml)'
# Not made through this kernel, so it has no event for them.
_SHARED = "scans only (a watch does not see what others change on {fs_type})"
_NO_INSTANCES = (
    "scans only, for lack of inotify instances; raise the limit with: sysctl fs.inotify.max_user_instances=1024"
)
_WISHED = 'watch = "inotify" in agent.toml'
_SYSTEM = "fanotify would see everything that the system writes"
# What fanotify needs, by the number of the bit (capabilities(7)): to mark, and to open directories by their handles.
_CAPABILITIES = {21: "CAP_SYS_ADMIN", 2: "CAP_DAC_READ_SEARCH"}


def choose(
    mount: Mount, mount_id: int, choice: WatchChoice, about_to_ask: Callable[[], None]
) -> tuple[Watch | None, str]:
    """The watch for a mount, and why it is no better one, or none.

    Whatever keeps fanotify from working, inotify is tried then. If it is the storage that is at fault, the first look
    at it says so.
    """
    if choice == "no":
        return None, _OFF
    if not traits(mount.fs_type).local:
        return None, _SHARED.format(fs_type=mount.fs_type)
    why = _WISHED if choice == "inotify" else _unfit(mount, choice)
    if not why:
        try:
            return FanotifyWatch(mount.mount_point, mount_id, about_to_ask), ""
        except OSError as error:
            why = _refusal(error)
    try:
        return InotifyWatch(mount.mount_point, mount_id), why
    except OSError as error:
        # The kernel gives each user only so many (R31).
        if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise
    return None, _NO_INSTANCES


def _unfit(mount: Mount, choice: WatchChoice) -> str:
    """Why fanotify is not even tried; "" when it is."""
    if not traits(mount.fs_type).stable_inodes:
        # A handle is made of the inode number. One that names nothing any more would lose a hint in silence.
        return f"fanotify needs handles that last, which {mount.fs_type} lacks"
    if choice == "auto" and _is_of_the_system(mount):
        return _SYSTEM
    return ""


def _is_of_the_system(mount: Mount) -> bool:
    """Whether the system itself runs from this file system: every line of every log would wake us.

    The device tells, and not the place: subvolumes and bind mounts are of the same file system, so a mark sees all.
    """
    with open(MOUNTINFO, "rb") as table:
        root = resolve(parse(table.read()), "/")
    return root is not None and root.device == mount.device


def _refusal(error: OSError) -> str:
    lacking = _lacking() if error.errno == errno.EPERM else []
    if lacking:
        return f"fanotify needs {' and '.join(lacking)}"
    return f"fanotify is refused: {os.strerror(error.errno or errno.EIO)}"


def _lacking() -> list[str]:
    """The capabilities that this process would need and does not have."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        effective = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    return [name for bit, name in _CAPABILITIES.items() if not effective >> bit & 1]
