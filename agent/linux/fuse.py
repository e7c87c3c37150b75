"""FUSE as the kernel and its programs tell of it: connections that hang, and the branches of a mergerfs.

``/sys/fs/fuse/connections/N/waiting`` counts the questions that a FUSE program has not answered. Reading it asks the
program nothing. It is for root only, and absent where ``fusectl`` is not mounted; there the deadlines have to do.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from agent import unions
from agent.linux import kernel
from holdfast import paths

CONNECTIONS = "/sys/fs/fuse/connections"
PROC = "/proc"

# A worker that works says so twice a second. One that was silent for twice as long is worth a look.
_LOOK_S = 1.0

# Control file of every mergerfs; it is in no listing, and asking it wakes no disk.
_CONTROL = ".mergerfs"
_BRANCHES = ("user.mergerfs.branches", "user.mergerfs.srcmounts")
_GLOB_CHARACTERS = frozenset("*?[")
# How a mergerfs says that it has no attribute of that name; versions before 2.33 know the other one only.
_NO_ATTRIBUTE = frozenset({errno.ENODATA, errno.EOPNOTSUPP, errno.EINVAL})
# How many names of a branch are looked for in the union, to see that it really is a branch of that.
_SAMPLE = 8


class Wait(NamedTuple):
    """One worker and the connection of its volume, as they stand: how many questions are open, and how often the
    worker went to sleep so far. A worker that gets answers, however slowly, goes to sleep again and again."""

    waiting: int
    sleeps: int


class Hang(NamedTuple):
    """Since when (boot clock) nothing has moved: questions are open, and the worker sleeps in one of them."""

    since: float
    sleeps: int


def watch(before: Hang | None, wait: Wait | None, now: float) -> Hang | None:
    """What a new reading makes of the one before. Pure. None: it does not hang, or cannot be told to."""
    if wait is None or wait.waiting == 0:
        return None
    if before is None or before.sleeps != wait.sleeps:
        return Hang(now, wait.sleeps)
    return before


class HangWatch:
    """Watches one worker on one FUSE mount while it is at work; an idle mount is not looked at (R17).

    ``limit_s``: one question that is open for so long, while the worker does nothing else, is not answered any more.
    Where a whole look may take longer than that, by many questions, each of them is still answered.
    """

    def __init__(self, device: str, limit_s: float, connections: str = CONNECTIONS) -> None:
        self._connection = connection_of(device)
        self._limit_s = limit_s
        self._connections = connections
        self._hang: Hang | None = None
        self._looked_at = 0.0

    def heard(self) -> None:
        """The worker has said something."""
        self._hang = None

    def hangs(self, pid: int, heard_at: float, now: float) -> bool:
        """Whether this worker, which was heard last then, is stuck in a question."""
        if now < self.due(heard_at):
            return False
        self._looked_at = now
        self._hang = watch(self._hang, read_wait(self._connection, pid, self._connections), now)
        return self._hang is not None and now - self._hang.since >= self._limit_s

    def due(self, heard_at: float) -> float:
        """When to look again."""
        return max(heard_at, self._looked_at) + min(_LOOK_S, self._limit_s / 2)


def connection_of(device: str) -> int:
    """The number of the connection of a FUSE mount, from the device that the mount table shows."""
    major, minor = device.split(":")
    return int(major) << 20 | int(minor)


def read_wait(connection: int, pid: int, connections: str = CONNECTIONS, proc: str = PROC) -> Wait | None:
    """How a connection and a worker stand; None where the kernel does not tell. Never blocks: neither file asks the
    program behind the mount, nor waits for a process that sleeps."""
    waiting = _number(f"{connections}/{connection}/waiting")
    sleeps = _sleeps(f"{proc}/{pid}/status")
    return None if waiting is None or sleeps is None else Wait(waiting, sleeps)


def read_branches(mount_point: str) -> list[str]:
    """The branches of a mergerfs as canonical host paths (wire text). Raises :class:`OSError`; may block."""
    control = os.path.join(mount_point, _CONTROL)
    text = _attribute(control)
    found: list[str] = []
    for named in unions.parse_branches(os.fsdecode(text)):
        found.extend(paths.from_os(os.path.realpath(path)) for path in _expand(named))
    return list(dict.fromkeys(found))


def shows(union: str, branch: str) -> bool:
    """Whether a directory of a union shows what is in a directory that is said to be a branch's: some names, looked at
    in both. In a container the same path may lead to something else. Raises :class:`OSError`; may block."""
    with kernel.directory(branch) as descriptor, os.scandir(descriptor) as entries:
        names = [entry.name for entry, _ in zip(entries, range(_SAMPLE), strict=False)]
    for name in names:
        shown = _kind(os.path.join(union, name))
        here = _kind(os.path.join(branch, name))  # asked last: what was deleted meanwhile says nothing
        # Sizes and times say nothing either: of two files of one name the union shows the first one's.
        if here is not None and here != shown:
            return False
    return True


def _kind(path: str) -> int | None:
    """What kind of file this is, or None when it is not there."""
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except FileNotFoundError:
        return None


def _attribute(control: str) -> bytes:
    for name in _BRANCHES[:-1]:
        try:
            return os.getxattr(control, name)
        except OSError as error:
            if error.errno not in _NO_ATTRIBUTE:
                raise
    return os.getxattr(control, _BRANCHES[-1])


def _expand(named: str) -> Iterator[str]:
    """A branch may be given as a pattern, ``/mnt/disk*``; mergerfs itself expands it when it starts."""
    if not _GLOB_CHARACTERS & set(named):
        yield named
        return
    parent, _, pattern = named.rpartition("/")
    for directory in _expand(parent) if parent else [""]:
        with kernel.directory(directory or "/") as descriptor, os.scandir(descriptor) as entries:
            names = sorted(entry.name for entry in entries if fnmatch.fnmatchcase(entry.name, pattern))
        yield from (f"{directory}/{name}" for name in names)


def _number(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (FileNotFoundError, PermissionError):
        return None


def _sleeps(path: str) -> int | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches:")), None)
