"""The seams of the agent: everything it asks of the world, as protocols.

``agent.linux`` implements them on the kernel, ``agent.testing`` as fakes with scripted faults; both pass the same
conformance tests. Expected outcomes are return values: storage that cannot be read answers with a
:class:`Trouble`, not with an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from holdfast.assignments import Assignment, BelievedPage, Heartbeat, HeartbeatResponse
from holdfast.reports import Receipt
from holdfast.volumes import Capacity, Identity


class Moment(NamedTuple):
    """A reading of both clocks: Unix time, which people may set, and seconds since boot, which only grow."""

    wall: float
    boot: float

    def before(self, seconds: float) -> Moment:
        """So many seconds earlier."""
        return Moment(self.wall - seconds, self.boot - seconds)


class Clock(Protocol):
    """Time."""

    def now(self) -> Moment:
        """Both clocks, read together."""


class Mount(msgspec.Struct, frozen=True):
    """One line of the mount table. ``mount_id`` and ``parent_id`` are the table's own, recycled numbers.

    ``root`` is the part of the file system that is mounted. Paths are as Python's ``os`` spells them.
    """

    mount_id: int
    parent_id: int
    device: str  # "major:minor"
    root: str
    mount_point: str
    fs_type: str
    source: str
    options: frozenset[str] = frozenset()
    super_options: frozenset[str] = frozenset()


class Mounts(Protocol):
    """The mount table of this mount namespace. No call here can block on storage, or touches a disk."""

    def table(self) -> list[Mount]:
        """Every mount, in the kernel's order."""

    def unique_id(self, mount_point: str) -> int | None:
        """The id of the mount on top at this path, never reused since boot (before Linux 6.8: the table's own).
        None when the path leads nowhere."""

    @property
    def recycles_ids(self) -> bool:
        """Whether the ids of :meth:`unique_id` may be used again for another mount (before Linux 6.8)."""

    def fileno(self) -> int:
        """A descriptor that polls readable (POLLPRI) when the table has changed."""

    def changed(self) -> bool:
        """Whether the table has changed since the last call. Exact: no change is ever missed."""


class Trouble(NamedTuple):
    """Why storage gave no answer: an errno, and where."""

    errno: int
    where: str


class FileEntry(NamedTuple):
    """A media file in a listing. ``name`` is wire text."""

    name: str
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class Listing(NamedTuple):
    """A directory, read to its end through one descriptor whose mount was checked.

    ``files`` (media only) and ``directories`` (name and inode) are sorted by name; symbolic links are in neither.
    ``unclear`` are names that were listed and then could not be looked at: nothing may be concluded about them.
    ``entries`` counts all names. ``rules`` is the text of the ignore file in it, None without one. ``births`` says when
    each file that was looked at was born: inode numbers are reused, births are not. None: not kept here.

    The names are those of one moment, ``age_s`` seconds before the answer; what they stand for was looked at since.
    """

    directory: str
    mount_id: int
    mtime_ns: int
    ctime_ns: int
    entries: int
    files: list[FileEntry]
    directories: dict[str, int]
    unclear: list[str]
    rules: str | None = None
    births: Mapping[str, int | None] = {}
    age_s: float = 0.0


class Place(NamedTuple):
    """A directory as it was seen: with the times that it had, and the files in it that are to be as they were."""

    directory: str
    stamp: tuple[int, int]
    files: Sequence[FileEntry]


# Every file of a listing is to be looked at.
NOTHING_KNOWN: Mapping[str, FileEntry] = {}


class Sought(NamedTuple):
    """A file that is looked for by its name: one that others vouch by (R9)."""

    directory: str
    name: str


class Chunk(NamedTuple):
    """Some bytes of a file, and what the file was when they were read."""

    data: bytes
    file: FileEntry


class Files(Protocol):
    """Read access to one attachment of one volume. It goes blind, with EXDEV or ENOENT, when that ends.

    Every call opens what it needs, checks on that descriptor that it is on the attached mount, and closes it
    again. Paths are wire text, relative to the root of the volume. Every call may block for ever.
    """

    mount_id: int

    def begin(self) -> None:
        """Start of a pass: what :meth:`gate` looks back to."""

    def list(self, directory: str, known: Mapping[str, FileEntry] = NOTHING_KNOWN) -> Listing | Trouble:
        """Read a directory to its end. Symbolic links are not followed, mounts are not crossed (EXDEV).

        ``known`` are files by their names that are not to be looked at again: one that is still there, a file under
        the same inode (0: any), is listed as it is known.
        """

    def expect(self, directories: Sequence[str]) -> None:
        """These are going to be listed, in this order. Storage that takes its time may be asked for them meanwhile;
        nothing is concluded from that."""

    def unmoved(self, places: Sequence[Place]) -> Mapping[str, Collection[str]] | Trouble:
        """The directories among these that have their times still, each with the names of those of its files that are
        not as they were. That is no proof of anything; where there are no such names, it means that there is nothing
        to do. A directory or a file that is not there any more is left to a listing, and so may be a directory in which
        many files have changed."""

    def look_for(self, sought: Sequence[Sought]) -> Mapping[Sought, bool] | Trouble:
        """Whether each of these files is there, asked past every cache that can be passed.

        Files that we may not look at, or that lie on another mount by now, are left out.
        """

    def read(self, directory: str, name: str, offset: int, count: int) -> Chunk | Trouble:
        """Up to ``count`` bytes of a file from ``offset`` on; fewer only at its end. Everybody else who wants something
        of the disk comes first."""

    def gate(self) -> Sequence[str] | Trouble:
        """The commit gate (R1): check that nothing happened to the storage since :meth:`begin`.

        Answers with the names of the checks that were passed, or the trouble that forbids any absence.
        """


class Hint(NamedTuple):
    """Something may have changed: ``name`` in ``directory``, or the directory itself when it is empty.

    ``written``: bytes may still be coming. ``whole``: the file was closed, or came by a rename. Both are False
    for everything else (gone, attributes). ``replaced``: a directory of this name has left, or come; one that stands
    there now may be another than before, and is not watched.
    """

    directory: str
    name: str
    written: bool = False
    whole: bool = False
    replaced: bool = False


class Lost(NamedTuple):
    """Hints were lost for this directory and all below it. ``ended``: the watch itself ended (unmount)."""

    directory: str
    reason: str
    ended: bool = False


class Watch(Protocol):
    """Hints about changes in directories. They only ever schedule a look."""

    @property
    def summary(self) -> str:
        """The back end and what it watches, such as "inotify, 2 directories"."""

    @property
    def limit(self) -> int:
        """How many directories may be watched, by all watches of this user together."""

    def add(self, directory: str) -> Trouble | None:
        """Watch a directory, not what is below it. Harmless when it is already watched."""

    def remove(self, directory: str) -> None:
        """Stop watching this directory and everything below it."""

    def fileno(self) -> int:
        """A descriptor that polls readable when hints wait."""

    def read(self) -> list[Hint | Lost]:
        """The hints that wait, without blocking."""

    def close(self) -> None:
        """Give all watches back."""

    def __len__(self) -> int:
        """How many directories are watched, or how many marks watch everything."""


class Disk(NamedTuple):
    """A disk as it appeared in the kernel. ``sequence`` is its diskseq, "" before Linux 5.15."""

    device: str
    sequence: str


class Health(NamedTuple):
    """How a block device stands.

    ``disks``: all that the device stands on. ``stopped``: those among them that the kernel has given up.
    ``errors``: all that the kernel counted for them and for their file system; it only grows. ``filesystem_errors``
    are those of the file system alone. ``degraded``: arrays that run without all of their members.
    """

    disks: frozenset[Disk]
    stopped: frozenset[str]
    errors: int
    filesystem_errors: int = 0
    degraded: frozenset[str] = frozenset()


class Surroundings(NamedTuple):
    """What is connected to this machine, mounted or not. UUIDs are lower case without dashes and colons.

    ``is_complete``: what is not in ``devices`` is not connected; False where nobody keeps such a list. ``devices``
    are names such as "sdb1" by the UUID on them, a file system's or that of an encrypted device. ``open_luks`` are
    those encrypted devices that are unlocked. ``arrays`` are the states of RAID arrays, such as "clean" or
    "inactive", and ``members`` those of which at least one disk is connected. ``pools`` are the ZFS pools that are
    imported, None where there is no ZFS.
    """

    is_complete: bool = False
    devices: Mapping[str, str] = {}
    open_luks: frozenset[str] = frozenset()
    arrays: Mapping[str, str] = {}
    members: frozenset[str] = frozenset()
    pools: frozenset[str] | None = None


class Devices(Protocol):
    """What the kernel knows about devices. No call here can block on storage, or touches a disk."""

    def health(self, mount: Mount) -> Health | None:
        """How the block device of a mount stands; None when it is gone."""

    def has_device(self, mount: Mount) -> bool:
        """Whether this is a mount of a block device at all."""

    def generation(self, mount: Mount, uuid: str) -> int | None:
        """The generation of a whole btrfs, None elsewhere."""

    def surroundings(self) -> Surroundings:
        """What is connected."""


class Foundation(msgspec.Struct, frozen=True):
    """What a block device stands on: the UUIDs of encrypted (LUKS) and of RAID (md) devices below it, as 32
    hexadecimal digits. Remembered, so that a cause can be named when the file system is nowhere to be seen."""

    luks: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()


class Marker(msgspec.Struct, frozen=True):
    """What a marker file says: a random id, and how often it was written by a person's wish."""

    id: str
    generation: int


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What was found at the root of a mount, read through one descriptor of it.

    ``marker`` is what the marker file says, None when there is none. ``generation`` is that of a whole btrfs, None
    elsewhere.
    """

    mount_id: int
    identity: Identity
    capacity: Capacity | None
    label: str
    marker: Marker | None = None
    generation: int | None = None
    foundation: Foundation = Foundation()


class Refused(Exception):
    """The sidecar refuses; sending the same again is useless. ``code`` is the problem's, see the API."""

    def __init__(self, status: int, code: str, detail: str, expected: int | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.expected = expected


class Unreachable(Exception):
    """No answer, or one that says to come back later. ``retry_after_s`` is the sidecar's wish, if it had one."""

    def __init__(self, why: str, retry_after_s: float | None = None) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class Uplink(Protocol):
    """The sidecar. Every call raises :class:`Unreachable` or :class:`Refused`."""

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatResponse:
        """Tell all volume states."""

    def assignment(self, revision: int | None, wait_s: float) -> Assignment | None:
        """The assignment, when it is newer than ``revision``; waits up to ``wait_s`` for one. None: no news."""

    def renew(self, keep: Callable[[str], None]) -> None:
        """Get another token, have it kept, and use it from then on. Raises what ``keep`` raises: where no token can
        be kept, none is asked for."""

    def send(self, volume: str, sequence: int, body: bytes, fence: int) -> Receipt:
        """Deliver one report, gzip-compressed JSON, under the grant of this fence."""

    def known(self, volume: str, fence: int, cursor: str | None) -> BelievedPage:
        """A page of what the catalog believes to be on a volume: the one behind ``cursor``, the first without one."""


class ServiceManager(Protocol):
    """Whoever started the agent and restarts it when it stands still. Times are seconds of the boot clock."""

    def alive(self, now: float, summary: str) -> None:
        """The agent has gone round its loop: it serves, and ``summary`` is how it stands, in one line."""

    def due(self) -> float | None:
        """When it wants to hear again at the latest; None: whenever there is something to say."""
