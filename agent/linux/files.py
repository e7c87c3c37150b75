"""Reading the files of one mounted volume, so that what is read can be proof.

A listing counts only when it was read to its end through a descriptor on the right mount, from a directory that
did not change while its names were read. Nothing is held open between two calls, and nothing for long within one, so
that people can unmount (rule R40).
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from agent.linux import background, blockdev, kernel, sentinels
from agent.linux.ahead import Ahead, Question
from agent.linux.attachment import Attachment, Reading, trouble
from agent.linux.clock import boot_s
from agent.linux.directories import NOT_THERE, PAUSE_EVERY, changed, entry_of, read_names, sort_out
from agent.linux.marker import read_marker
from agent.linux.mountinfo import MOUNTINFO, TableEvents, parse
from agent.linux.pace import Pace
from agent.linux.probe import identity_of
from agent.ports import NOTHING_KNOWN, Chunk, FileEntry, Health, Listing, Marker, Mount, Place, Sought, Trouble
from agent.recognition import recognise
from holdfast import paths
from holdfast.gate import Check
from holdfast.volumes import Identity

# How often a directory that changes while it is read is read again. Writers pause; a directory that changes
# during each of these readings is told as EAGAIN and is looked at later.
READINGS_MAX = 4
# A total size may drift by what others write, where storage is a share of a pool. A lost branch of a union or a
# lost disk behind a share moves it by more than one part in this many.
SIZE_DRIFT = 32
_DEAD_OPTIONS = {"shutdown": errno.ESHUTDOWN, "emergency_ro": errno.EROFS, "abort": errno.EROFS}


class MountedFiles:
    """Implements :class:`agent.ports.Files` for the mount with this unique id at this path.

    ``device`` is its block device ("major:minor", see :func:`agent.linux.blockdev.device_of`); without one, or
    with an anonymous one, the checks of the device are left out. The disk found now is the one adopted.

    ``remote``: a server or a daemon stands between us and the disk. ``asked_to_let_go`` is asked all the time; as
    soon as it says yes, every call ends with ECANCELED.

    Before Linux 6.8 a mount id says little: the disk that is mounted next gets the same. There every pass begins
    with a look at the identity of the volume, which has to be ``identity`` (without one, that of the first pass),
    and any change of the mount table ends the pass: nothing that is read after it counts.

    ``marker`` is what the marker file has to say, where there is one: this id, and no earlier generation.

    ``by_inode``: inode numbers say which file is which, here as in the listing of a directory.

    ``parallel``: it likes to be asked several things at once, should it take its time.
    """

    def __init__(
        self,
        mount_point: str,
        mount_id: int,
        *,
        device: str | None = None,
        identity: Identity | None = None,
        marker: Marker | None = None,
        remote: bool = False,
        by_inode: bool = True,
        parallel: bool = False,
        asked_to_let_go: Callable[[], bool] = lambda: False,
        mountinfo: str = MOUNTINFO,
        sys: str = blockdev.SYS,
    ) -> None:
        self.mount_id = mount_id
        self._attachment = Attachment(mount_point, mount_id)
        self._remote = remote
        self._by_inode = by_inode
        self._asked_to_let_go = asked_to_let_go
        self._total_bytes: int | None = None
        self._mountinfo = mountinfo
        self._table_events = TableEvents(mountinfo)
        self._quiet = True
        self._recycles_ids = not kernel.mount_at(b"/").has_unique_mount_id
        self._identity = identity
        self._marker = marker
        self._device = device or ""
        self._sys = sys
        self._adopted = self._health()
        self._baseline: _Baseline | Trouble = Trouble(errno.EINVAL, "no pass was begun")
        self._ahead = Ahead(self._attachment)
        self._pace = Pace() if parallel else None
        self._expected: dict[str, int] = {}

    def begin(self) -> None:
        """Start of a pass: note what :meth:`gate` looks back to."""
        self._expect_nothing()
        # First forget the past, then look: whatever happens during the look is then seen by the gate.
        self._table_events.happened()
        self._quiet = True
        health = self._health()
        try:
            with self._attachment.directory("") as root:
                if self._recycles_ids:
                    self._check_identity(root)
                # What is mounted does not change its size behind our back: the first reading is the measure.
                if self._total_bytes is None:
                    self._total_bytes = _total_bytes(root)
                self._baseline = _Baseline(health.errors if health else 0, self._total_bytes, _has_entries(root))
        except OSError as error:
            self._baseline = trouble(error, Check.IDENTITY if self._recycles_ids else Check.MOUNT)

    def list(self, directory: str, known: Mapping[str, FileEntry] = NOTHING_KNOWN) -> Listing | Trouble:
        """Read a directory to its end."""
        is_ahead = self._reach(directory)
        began, worked = time.monotonic(), time.thread_time()
        found = self._list(directory, known)
        if not isinstance(found, Trouble):
            self._note(began, worked, 1 + max(0, found.entries - len(known)), ahead=is_ahead)
        elif found.errno == errno.ECANCELED:
            self._expect_nothing()
        return found

    def expect(self, directories: Sequence[str]) -> None:
        """These are going to be listed, in this order."""
        self._ask_ahead(Question(directory, None) for directory in directories)

    def unmoved(self, places: Sequence[Place]) -> Mapping[str, Collection[str]] | Trouble:
        """The directories among these that have their times still, and which of their files are not as they were."""
        began, worked = time.monotonic(), time.thread_time()
        found: list[Place] = []
        try:
            is_ahead = self._ask_ahead(Question(place.directory, ()) for place in places)
            with self._attachment.reading("", self._asked_to_let_go) as root:
                for number, place in enumerate(places):
                    if not number % PAUSE_EVERY:
                        root.pause()
                    self._reach(place.directory)
                    if self._has_stamp(root.descriptor, place):
                        found.append(place)
            self._ask_ahead(Question(one.directory, [paths.to_os(file.name) for file in one.files]) for one in found)
            moved = {place.directory: self._changed(place) for place in found}
            self._check_undisturbed()
        except OSError as error:
            return trouble(error, "")
        finally:
            self._expect_nothing()
        self._note(began, worked, len(places) + sum(len(place.files) for place in found), ahead=is_ahead)
        return {directory: names for directory, names in moved.items() if names is not None}

    def look_for(self, sought: Sequence[Sought]) -> Mapping[Sought, bool] | Trouble:
        """Whether each of these files is there, asked past every cache that can be passed."""
        try:
            found = sentinels.look_for(self._attachment, sought, remote=self._remote)
            self._check_undisturbed()
        except OSError as error:
            return trouble(error, Check.SENTINELS)
        return found

    def read(self, directory: str, name: str, offset: int, count: int) -> Chunk | Trouble:
        """Up to ``count`` bytes of a file from ``offset`` on, behind everybody else who wants something of the disk."""
        if self._asked_to_let_go():
            return Trouble(errno.ECANCELED, directory)
        try:
            with self._attachment.file(directory, name) as descriptor, background.reading():
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_NOREUSE)
                data = os.pread(descriptor, count, offset)
                found = os.fstat(descriptor)
            self._check_undisturbed()
        except OSError as error:
            return trouble(error, paths.join(directory, name))
        return Chunk(data, entry_of((name, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)))

    def gate(self) -> Sequence[str] | Trouble:
        """The commit gate (R1). Answers with the names of the checks that were passed; where one fails, the
        trouble's ``where`` is its name. Where the kernel's mount ids are unique, ``mount-table`` may be missing
        from the answer: mounts elsewhere are then no reason for doubt."""
        self._expect_nothing()
        if isinstance(self._baseline, Trouble):
            return self._baseline
        root = self._gate_root(self._baseline, self._is_quiet())
        if isinstance(root, Trouble):
            return root
        device = self._gate_device(self._baseline)
        return device if isinstance(device, Trouble) else [*root, *device]

    def close(self) -> None:
        """Give the descriptor of the mount table back, and end what is asked ahead."""
        self._expect_nothing()
        self._table_events.close()

    def _ask_ahead(self, questions: Iterable[Question]) -> bool:
        """Have these asked by others, if that is likely to help; whether they are."""
        self._expect_nothing()
        if self._pace is None or not self._pace.asks_ahead(time.monotonic()):
            return False
        asked = list(questions)
        self._expected = {question.directory: number for number, question in enumerate(asked)}
        if asked:
            self._ahead.begin(asked)
        return bool(asked)

    def _reach(self, directory: str) -> bool:
        """Whether this directory was asked for ahead. The threads do not fall behind it."""
        number = self._expected.get(directory)
        if number is None:
            return False
        self._ahead.reach(number)
        return True

    def _expect_nothing(self) -> None:
        if self._expected:
            self._expected = {}
            self._ahead.end()

    def _note(self, began: float, worked: float, looks: int, *, ahead: bool) -> None:
        if self._pace is not None:
            now = time.monotonic()
            self._pace.note(now, now - began, time.thread_time() - worked, looks, ahead=ahead)

    def _list(self, directory: str, known: Mapping[str, FileEntry]) -> Listing | Trouble:
        for _ in range(READINGS_MAX):
            if self._asked_to_let_go():
                return Trouble(errno.ECANCELED, directory)
            try:
                with self._attachment.reading(directory, self._asked_to_let_go) as reading:
                    listing = self._read(directory, reading, known)
                self._check_undisturbed()
            except OSError as error:
                return trouble(error, directory)
            if listing is not None:
                return listing
        return Trouble(errno.EAGAIN, directory)

    def _read(self, directory: str, reading: Reading, known: Mapping[str, FileEntry]) -> Listing | None:
        """One reading; None when the directory changed meanwhile.

        The names of a large directory are read in a moment; to look at what they stand for takes much longer. What
        comes to the directory in that time belongs to the next listing, and spoils this one only where a name does not
        stand any more for what it did: somebody may be importing photos all day."""
        before = kernel.stat_descriptor(reading.descriptor)
        if before.mount_id != self.mount_id:
            raise OSError(errno.EXDEV, "another mount stands at this path")
        stamp = (before.mtime_ns, before.ctime_ns)
        names = read_names(reading, known)
        read_at = boot_s()
        if _stamp(reading.descriptor) != stamp:
            return None
        found = sort_out(names, reading)
        if self._by_inode and not found.as_listed and _stamp(reading.descriptor) != stamp:
            return None
        return Listing(
            directory,
            before.mount_id,
            *stamp,
            names.entries,
            found.files,
            found.directories,
            found.unclear,
            found.rules,
            found.births,
            boot_s() - read_at,
        )

    def _has_stamp(self, root: int, place: Place) -> bool:
        """Whether a directory has its times still."""
        try:
            found = self._attachment.look(root, place.directory)
        except OSError as error:
            if error.errno not in NOT_THERE:
                raise
            return False
        return (found.st_mtime_ns, found.st_ctime_ns) == place.stamp

    def _changed(self, place: Place) -> Collection[str] | None:
        """The files of a directory that are not as they were; None where a listing has to say."""
        if not place.files:
            return ()
        self._reach(place.directory)
        try:
            with self._attachment.reading(place.directory, self._asked_to_let_go) as reading:
                return changed(reading, place.files)
        except OSError as error:
            if error.errno not in NOT_THERE:
                raise
            return None

    def _gate_root(self, baseline: _Baseline, quiet: bool) -> Sequence[str] | Trouble:
        check = Check.MOUNT
        try:
            with self._attachment.directory("") as root:
                if self._recycles_ids and not quiet:
                    # The id may belong to a mount that was made since; only quiet proves that it does not.
                    return Trouble(errno.EAGAIN, Check.TABLE)
                check = Check.SUPER_BLOCK
                if dead := self._dead(root):
                    return Trouble(dead, check)
                check = Check.ROOT
                if baseline.had_entries and not _has_entries(root):
                    return Trouble(errno.EAGAIN, check)
                check = Check.SIZE
                if abs(_total_bytes(root) - baseline.total_bytes) > baseline.total_bytes // SIZE_DRIFT:
                    return Trouble(errno.EAGAIN, check)
                check = Check.MARKER
                if not self._is_marked(root):
                    return Trouble(errno.ENOENT, check)
        except OSError as error:
            return trouble(error, check)
        passed = [Check.TABLE] if quiet else []
        passed += [Check.MOUNT, Check.SUPER_BLOCK, Check.ROOT, Check.SIZE]
        return passed if self._marker is None else [*passed, Check.MARKER]

    def _gate_device(self, baseline: _Baseline) -> Sequence[str] | Trouble:
        if self._adopted is None:
            return ()
        health = self._health()
        if health is None or health.disks != self._adopted.disks or health.stopped:
            return Trouble(errno.ENODEV, Check.DEVICE)
        if health.errors != baseline.errors:
            return Trouble(errno.EIO, Check.ERRORS)
        return (Check.DEVICE, Check.ERRORS)

    def _is_marked(self, root: int) -> bool:
        """Whether the marker file says what it has to say (R7)."""
        if self._marker is None:
            return True
        found = read_marker(root)
        return found is not None and found.id == self._marker.id and found.generation >= self._marker.generation

    def _is_quiet(self) -> bool:
        """Whether nothing was mounted or unmounted since the pass began. Once it is not, it stays so."""
        self._quiet = self._quiet and not self._table_events.happened()
        return self._quiet

    def _check_undisturbed(self) -> None:
        """Before what was read is given out, where its mount id alone does not prove where it was read."""
        if not self._recycles_ids:
            return
        if isinstance(self._baseline, Trouble) and self._baseline.where == Check.IDENTITY:
            raise OSError(self._baseline.errno, "the pass did not begin on the volume that was adopted")
        if not self._is_quiet():
            raise OSError(errno.EAGAIN, "the mount table changed during the pass")

    def _check_identity(self, root: int) -> None:
        mount = self._line_of(root)
        found = identity_of(mount, root) if mount else None
        if self._identity is None:
            self._identity = found
        if found is None or self._identity is None or not recognise(self._identity, found).is_ours:
            raise OSError(errno.EXDEV, "another volume has the mount id of the one that was adopted")

    def _dead(self, root: int) -> int:
        """The errno for a file system that the mount table shows as given up by the kernel, or 0."""
        mount = self._line_of(root)
        if mount is None:
            return errno.EXDEV
        return next((code for option, code in _DEAD_OPTIONS.items() if option in mount.super_options), 0)

    def _line_of(self, root: int) -> Mount | None:
        """The line of the mount table for the mount of this descriptor."""
        table_id = kernel.table_id_of(root)
        with open(self._mountinfo, "rb", buffering=0) as file:
            lines = file.readall().splitlines()
        own = b"%d " % table_id
        return next((mount for line in lines if line.startswith(own) for mount in parse(line)), None)

    def _health(self) -> Health | None:
        return blockdev.read_health(self._device, self._sys) if self._device else None


class _Baseline(NamedTuple):
    """What held at the start of a pass."""

    errors: int
    total_bytes: int
    had_entries: bool


def _stamp(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_mtime_ns, found.st_ctime_ns


def _has_entries(descriptor: int) -> bool:
    with os.scandir(descriptor) as names:
        return next(names, None) is not None


def _total_bytes(descriptor: int) -> int:
    found = os.fstatvfs(descriptor)
    return found.f_frsize * found.f_blocks
