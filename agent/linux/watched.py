"""What the events of inotify(7) mean: which directory each watch descriptor stands for, and the hints that follow.

The kernel watches inodes, not paths. A directory that is renamed keeps its watch, and everything below it then
lives at another path than the one we knew. So watches below a moved directory are given back, and the hints for
its old and its new parent lead to a fresh look that sets them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from inotify_simple import flags

from agent.ports import Hint, Lost
from holdfast import paths

MODIFY, ATTRIB, CLOSE_WRITE = int(flags.MODIFY), int(flags.ATTRIB), int(flags.CLOSE_WRITE)
MOVED_FROM, MOVED_TO = int(flags.MOVED_FROM), int(flags.MOVED_TO)
CREATE, DELETE = int(flags.CREATE), int(flags.DELETE)
DELETE_SELF, MOVE_SELF = int(flags.DELETE_SELF), int(flags.MOVE_SELF)
UNMOUNT, Q_OVERFLOW, IGNORED, ISDIR = (
    int(flags.UNMOUNT),
    int(flags.Q_OVERFLOW),
    int(flags.IGNORED),
    int(flags.ISDIR),
)

# Access is of no interest. ATTRIB is: permissions decide what can be read, and times may be set after closing.
WANTED = (
    CREATE | CLOSE_WRITE | MODIFY | ATTRIB | MOVED_FROM | MOVED_TO | DELETE | DELETE_SELF | MOVE_SELF
    | int(flags.ONLYDIR) | int(flags.EXCL_UNLINK)
)  # fmt: skip

UNMOUNTED = "unmounted"
OVERFLOWED = "the kernel's queue overflowed"
MOVED = "the directory was moved"
ENDED = "the kernel ended the watch"


class RawEvent(NamedTuple):
    """One event as the kernel queues it. ``wd`` is -1 for an overflow; ``name`` is wire text, "" for the
    watched directory itself."""

    wd: int
    mask: int
    name: str


class Watched:
    """The watched directories. Descriptors that its methods answer with are to be given back to the kernel."""

    def __init__(self) -> None:
        self._directory_of: dict[int, str] = {}
        self._wd_of: dict[str, int] = {}
        # Every watched directory below its parent, with the unwatched ones between: finds a subtree without
        # looking through all.
        self._children: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._wd_of)

    def __iter__(self) -> Iterator[str]:
        return iter(self._wd_of)

    @property
    def summary(self) -> str:
        """What is watched, in words."""
        return "inotify, 1 directory" if len(self) == 1 else f"inotify, {len(self):,} directories"

    def bind(self, wd: int, directory: str) -> list[int]:
        """The kernel gave this descriptor for this directory."""
        known = self._wd_of.get(directory)
        if known == wd:
            return []
        # The kernel answers with the same descriptor for the same inode: then the directory was moved here.
        self._release(wd)
        outdated: list[int] = []
        if known is not None:
            # Another directory of the same name stood here before.
            del self._directory_of[known]
            outdated.append(known)
        self._directory_of[wd] = directory
        self._wd_of[directory] = wd
        self._enter(directory)
        return outdated

    def unbind(self, directory: str) -> list[int]:
        """Forget this directory and everything below it."""
        gone: list[int] = []
        waiting = [directory]
        while waiting:
            one = waiting.pop()
            waiting += self._children.pop(one, ())
            wd = self._wd_of.pop(one, None)
            if wd is not None:
                del self._directory_of[wd]
                gone.append(wd)
        self._leave(directory)
        return gone

    def clear(self) -> list[int]:
        """Forget everything."""
        gone = list(self._directory_of)
        self._directory_of.clear()
        self._wd_of.clear()
        self._children.clear()
        return gone

    def understand(self, events: Sequence[RawEvent]) -> tuple[list[Hint | Lost], list[int]]:
        """Turn events into hints, each of them once, and the descriptors to give back.

        An unmount among them ends everything: what was queued before it belongs to the epoch that it closed
        (rule R3), and is dropped.
        """
        if any(event.mask & UNMOUNT for event in events):
            self.clear()
            return [Lost("", UNMOUNTED, ended=True)], []
        found: dict[Hint | Lost, None] = {}
        gone: list[int] = []
        for event in events:
            if event.mask & Q_OVERFLOW:
                found[Lost("", OVERFLOWED)] = None
                continue
            directory = self._directory_of.get(event.wd)
            if directory is None:
                continue  # an event from before this watch was given back
            if event.name:
                found[_hint(directory, event)] = None
                if event.mask & MOVED_FROM and event.mask & ISDIR:
                    gone += self.unbind(paths.join(directory, event.name))
            else:
                found[self._of_itself(directory, event, gone)] = None
        return list(found), gone

    def _of_itself(self, directory: str, event: RawEvent, gone: list[int]) -> Hint | Lost:
        """Something happened to a watched directory as such."""
        if event.mask & MOVE_SELF:
            # Its parent is not watched, or it was watched again under its new name before this was read.
            gone += self.unbind(directory)
            return Lost(directory, MOVED)
        if event.mask & DELETE_SELF:
            self._release(event.wd)
            return Hint(directory, "")
        if event.mask & IGNORED:
            self._release(event.wd)
            return Lost(directory, ENDED)
        return Hint(directory, "")

    def _release(self, wd: int) -> None:
        directory = self._directory_of.pop(wd, None)
        if directory is None:
            return
        del self._wd_of[directory]
        if not self._children.get(directory):
            self._leave(directory)

    def _enter(self, directory: str) -> None:
        while directory:
            parent = paths.split(directory)[0]
            siblings = self._children.setdefault(parent, set())
            if directory in siblings:
                return
            siblings.add(directory)
            directory = parent

    def _leave(self, directory: str) -> None:
        """Take a directory without children out of the tree, and its ancestors that only led to it."""
        while directory:
            parent = paths.split(directory)[0]
            siblings = self._children.get(parent, set())
            siblings.discard(directory)
            if siblings:
                return
            self._children.pop(parent, None)
            if parent in self._wd_of:
                return
            directory = parent


def _hint(directory: str, event: RawEvent) -> Hint:
    if event.mask & ISDIR:
        return Hint(directory, event.name, replaced=bool(event.mask & (DELETE | MOVED_FROM | MOVED_TO)))
    written = bool(event.mask & (CREATE | MODIFY))
    whole = bool(event.mask & (CLOSE_WRITE | MOVED_TO))
    return Hint(directory, event.name, written=written, whole=whole)
