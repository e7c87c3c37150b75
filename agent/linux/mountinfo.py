"""The kernel's mount table, ``/proc/self/mountinfo`` (proc(5)): reading it, and knowing when it changed.

Reading it touches no disk and cannot block on storage. Its poll is the only notice of mounts that every kernel
gives to everybody; over-mounts and lazy unmounts, which no watch on files ever sees, are in it.
"""

from __future__ import annotations

import os
import re
import select
import weakref

from agent.linux import kernel
from agent.ports import Mount

MOUNTINFO = "/proc/self/mountinfo"
_ESCAPE = re.compile(rb"\\([0-7]{3})")
_EVENTS = select.POLLPRI | select.POLLERR
_READS_MAX = 8  # a table that changes during each of these reads is in a storm; its last reading has to do


def parse(text: bytes) -> list[Mount]:
    """Every mount of a mount table, in its order. Raises :class:`ValueError` for what no kernel writes."""
    return [_parse_line(line) for line in text.split(b"\n") if line]


class MountTable:
    """The mount table of the mount namespace this process is in. Implements :class:`agent.ports.Mounts`."""

    def __init__(self, path: str = MOUNTINFO) -> None:
        self._path = path
        # A poll that fires is thereby answered for that open file. Each of the two purposes needs one of its own.
        self._wake = TableEvents(path)
        self._asked = TableEvents(path)

    def table(self) -> list[Mount]:
        """Every mount, in the kernel's order."""
        text = b""
        for _ in range(_READS_MAX):
            with open(self._path, "rb", buffering=0) as file:
                poll = select.poll()
                poll.register(file, _EVENTS)
                text = file.readall()
                # The kernel hands the table out page by page: one that changed in between is not one table.
                if not poll.poll(0):
                    break
        return parse(text)

    def unique_id(self, mount_point: str) -> int | None:
        """The id of the mount on top at this path; None when the path cannot be reached.

        The mount itself is not asked, however hung it is; only the directories on the way to it are.
        """
        try:
            return kernel.mount_at(os.fsencode(mount_point)).mount_id
        except OSError:
            # Missing, forbidden or dead on the way: in each case there is no mount that this path leads us to.
            return None

    @property
    def recycles_ids(self) -> bool:
        """Whether an id may be used again for another mount, as on Linux before 6.8."""
        return not kernel.mount_at(b"/").has_unique_mount_id

    def fileno(self) -> int:
        """A descriptor that polls POLLPRI, once, when the table has changed."""
        return self._wake.descriptor

    def changed(self) -> bool:
        """Whether the table has changed since the last call, or since this object was made."""
        return self._asked.happened()

    def close(self) -> None:
        """Give the descriptors back."""
        self._wake.close()
        self._asked.close()


class TableEvents:
    """An open mount table whose poll counts: the kernel compares the event counter of the namespace with the one
    this open file saw last, so nothing between two polls is missed, and the first poll after opening is quiet."""

    def __init__(self, path: str = MOUNTINFO) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.close = weakref.finalize(self, os.close, self.descriptor)
        self._poll = select.poll()
        self._poll.register(self.descriptor, _EVENTS)

    def happened(self) -> bool:
        """Whether anything was mounted, unmounted or remounted since this was last asked."""
        return bool(self._poll.poll(0))


def _parse_line(line: bytes) -> Mount:
    # The optional fields (shared:1 master:2 …) end with a lone "-". A source may be empty, so split on each space.
    left, dash, right = line.partition(b" - ")
    fields, tail = left.split(b" "), right.split(b" ")
    if not dash or len(fields) < 6 or len(tail) < 3:
        raise ValueError(f"not a line of a mount table: {line!r}")
    return Mount(
        mount_id=int(fields[0]),
        parent_id=int(fields[1]),
        device=fields[2].decode("ascii"),
        root=_text(fields[3]),
        mount_point=_text(fields[4]),
        fs_type=_text(tail[0]),
        source=_text(tail[1]),
        options=_flags(fields[5]),
        super_options=_flags(tail[2]),
    )


def _flags(field: bytes) -> frozenset[str]:
    return frozenset(_text(field).split(","))


def _text(field: bytes) -> str:
    """Undo the octal escapes of space, tab, newline, backslash and ``#``; the result is as ``os`` spells names."""
    if b"\\" in field:
        field = _ESCAPE.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), field)
    return os.fsdecode(field)
