"""The files of one mount of a fake host, with the fences of the real port."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from agent.linux import directories
from agent.linux import files as real
from agent.ports import NOTHING_KNOWN, Chunk, FileEntry, Listing, Marker, Sought, Trouble
from agent.ports import Place as Known
from agent.recognition import recognise
from agent.testing.disk import FakeDisk
from agent.testing.host import FakeHost, Place
from agent.testing.mounts import identity_of
from agent.testing.node import Node, NodeKind, entry
from holdfast import paths
from holdfast.gate import Check
from holdfast.ignoring import IGNORE_FILE, RULES_BYTES_MAX
from holdfast.media import kind
from holdfast.volumes import Identity


class FakeFiles:
    """Implements :class:`agent.ports.Files` for the mount with this unique id at this path."""

    def __init__(
        self,
        host: FakeHost,
        mount_point: str,
        mount_id: int,
        *,
        identity: Identity | None = None,
        marker: Marker | None = None,
    ) -> None:
        self.mount_id = mount_id
        self._identity = identity
        self._marker = marker
        self._host = host
        self._mount_point = mount_point
        self._baseline: _Baseline | Trouble = Trouble(errno.EINVAL, "no pass was begun")
        self._total_bytes: int | None = None

    def begin(self) -> None:
        """Start of a pass: note what :meth:`gate` looks back to."""
        try:
            self._host.called("files.begin")
            with self._directory("") as (place, root):
                disk, found = place.mounted.disk, identity_of(place.mounted, root)
                self._identity = self._identity or found
                if self._host.recycles_ids and not recognise(self._identity, found).is_ours:
                    self._baseline = Trouble(errno.EXDEV, Check.IDENTITY)
                    return
                if self._total_bytes is None:
                    self._total_bytes = _total_bytes(disk)
                self._baseline = _Baseline(
                    self._host.table_events, disk.faults.errors_counted, self._total_bytes, _shown(place, root)
                )
        except OSError as error:
            self._baseline = Trouble(error.errno or errno.EIO, Check.MOUNT)

    def list(self, directory: str, known: Mapping[str, FileEntry] = NOTHING_KNOWN) -> Listing | Trouble:
        """Read a directory to its end, anew as long as it changes meanwhile."""
        try:
            self._host.called("files.list")
            for _ in range(real.READINGS_MAX):
                with self._directory(directory) as (place, node):
                    times = place.mounted.disk.times(node)
                    self._host.called("files.read")
                    listing = self._read(directory, place, node, known)
                    self._check_undisturbed()
                    if place.mounted.disk.times(node) == times:
                        return listing
        except OSError as error:
            return Trouble(error.errno or errno.EIO, directory)
        return Trouble(errno.EAGAIN, directory)

    def expect(self, directories: Sequence[str]) -> None:
        """Answers at once as ever."""

    def unmoved(self, places: Sequence[Known]) -> Mapping[str, Collection[str]] | Trouble:
        """The directories among these that have their times still, and which of their files are not as they were."""
        try:
            self._host.called("files.unmoved")
            with self._directory(""):
                pass
            found = {place.directory: self._changed(place) for place in places}
            self._check_undisturbed()
        except OSError as error:
            return Trouble(error.errno or errno.EIO, "")
        return {directory: names for directory, names in found.items() if names is not None}

    def look_for(self, sought: Sequence[Sought]) -> Mapping[Sought, bool] | Trouble:
        """Whether each of these files is there, asked past the caches."""
        found: dict[Sought, bool] = {}
        try:
            self._host.called("files.look_for")
            for one in sought:
                self._look_for(one, found)
            self._check_undisturbed()
        except OSError as error:
            return Trouble(error.errno or errno.EIO, Check.SENTINELS)
        return found

    def read(self, directory: str, name: str, offset: int, count: int) -> Chunk | Trouble:
        """Some bytes of a file."""
        try:
            self._host.called("files.read_content")
            with self._directory(directory) as (place, node):
                place.mounted.disk.faults.check(paths.join(place.path, name))
                child = _shown_file(place, node, name)
                data, found = child.content[offset : offset + count], entry(name, child)
            self._check_undisturbed()
        except OSError as error:
            return Trouble(error.errno or errno.EIO, paths.join(directory, name))
        return Chunk(data, found)

    def _look_for(self, one: Sought, found: dict[Sought, bool]) -> None:
        try:
            with self._directory(one.directory) as (place, node):
                place.mounted.disk.faults.check_past_caches(paths.join(place.path, one.name))
                child = node.children.get(one.name)
                found[one] = child is not None and child.kind is NodeKind.FILE
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                found[one] = False
            elif error.errno not in (errno.EACCES, errno.EPERM, errno.EXDEV):
                raise

    def gate(self) -> Sequence[str] | Trouble:
        """The commit gate, with the checks of the real port and their names."""
        if isinstance(self._baseline, Trouble):
            return self._baseline
        try:
            self._host.called("files.gate")
            with self._directory("") as (place, root):
                quiet = self._host.table_events == self._baseline.table_events
                if not quiet and self._host.recycles_ids:
                    return Trouble(errno.EAGAIN, Check.TABLE)
                return _gate(self._baseline, place, root, quiet, self._marker)
        except OSError as error:
            return Trouble(error.errno or errno.EIO, Check.MOUNT)

    def close(self) -> None:
        """Nothing is held."""

    def _check_undisturbed(self) -> None:
        if not self._host.recycles_ids:
            return
        if isinstance(self._baseline, _Baseline):
            if self._baseline.table_events != self._host.table_events:
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        elif self._baseline.where == Check.IDENTITY:
            raise OSError(self._baseline.errno, os.strerror(self._baseline.errno))

    def _changed(self, known: Known) -> Collection[str] | None:
        names: list[str] = []
        try:
            with self._directory(known.directory) as (place, node):
                disk = place.mounted.disk
                disk.faults.check(place.path)
                for file in known.files:
                    path = paths.join(place.path, file.name)
                    disk.faults.check(path)
                    child = node.children.get(file.name)
                    if child is None or not disk.faults.shows(path):
                        return None
                    now = entry(file.name, child)
                    if now not in (file, file._replace(inode=now.inode) if not file.inode else file):
                        names.append(file.name)
                return names if disk.times(node) == known.stamp else None
        except OSError as error:
            if error.errno not in directories.NOT_THERE:
                raise
            return None

    @contextmanager
    def _directory(self, directory: str) -> Iterator[tuple[Place, Node]]:
        paths.check_relative(directory)
        with self._host.open(self._mount_point, self.mount_id, directory) as place:
            node = place.look()
            if not node.is_directory:
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), directory)
            if node.denied:
                raise OSError(node.denied, os.strerror(node.denied), directory)
            yield place, node

    def _read(self, directory: str, place: Place, node: Node, known: Mapping[str, FileEntry]) -> Listing:
        disk = place.mounted.disk
        # A fault that came after the opening is met by the reading. An unmount is not: the descriptor holds on.
        disk.faults.check(place.path)
        if code := disk.faults.listing_errnos.get(place.path):
            raise OSError(code, os.strerror(code), place.path)
        files: list[FileEntry] = []
        inside: dict[str, int] = {}
        unclear: list[str] = []
        shown = _shown(place, node)
        if disk.faults.noticed and len(shown) < len(node.children):
            disk.faults.errors_counted += 1
        for name in shown:
            child = node.children[name]
            if child.is_directory:
                inside[name] = child.inode
            elif child.kind is NodeKind.FILE and kind(name) is not None:
                if (file := known.get(name)) is not None and file.inode in (0, child.inode):
                    files.append(file)
                else:
                    _file(place, name, child, files, unclear)
        mtime_ns, ctime_ns = disk.times(node)
        rules = _rules(place, node, shown, unclear)
        births = {file.name: None if disk.is_remote else node.children[file.name].birth_ns for file in files}
        entries = len(shown)
        return Listing(directory, self.mount_id, mtime_ns, ctime_ns, entries, files, inside, unclear, rules, births)


class _Baseline(NamedTuple):
    table_events: int
    errors: int
    total_bytes: int
    shown: Sequence[str]


def _gate(baseline: _Baseline, place: Place, root: Node, quiet: bool, marker: Marker | None) -> Sequence[str] | Trouble:
    disk = place.mounted.disk
    if "shutdown" in disk.faults.super_options:
        return Trouble(errno.ESHUTDOWN, Check.SUPER_BLOCK)
    if "emergency_ro" in disk.faults.super_options:
        return Trouble(errno.EROFS, Check.SUPER_BLOCK)
    if baseline.shown and not _shown(place, root):
        return Trouble(errno.EAGAIN, Check.ROOT)
    if abs(_total_bytes(disk) - baseline.total_bytes) > baseline.total_bytes // real.SIZE_DRIFT:
        return Trouble(errno.EAGAIN, Check.SIZE)
    passed = [Check.MOUNT, Check.SUPER_BLOCK, Check.ROOT, Check.SIZE]
    if quiet:
        passed.insert(0, Check.TABLE)
    if marker is not None:
        found = disk.marker
        if found is None or found.id != marker.id or found.generation < marker.generation:
            return Trouble(errno.ENOENT, Check.MARKER)
        passed.append(Check.MARKER)
    if disk.is_remote:
        return passed
    if disk.faults.device_gone:
        return Trouble(errno.ENODEV, Check.DEVICE)
    if disk.faults.errors_counted != baseline.errors:
        return Trouble(errno.EIO, Check.ERRORS)
    return [*passed, Check.DEVICE, Check.ERRORS]


def _file(place: Place, name: str, node: Node, files: list[FileEntry], unclear: list[str]) -> None:
    try:
        place.mounted.disk.faults.check(paths.join(place.path, name))
    except OSError as error:
        if error.errno not in directories.UNCLEAR:
            raise
        unclear.append(name)
        return
    files.append(entry(name, node))


def _shown_file(place: Place, node: Node, name: str) -> Node:
    path = paths.join(place.path, name)
    child = node.children.get(name)
    if child is None or not place.mounted.disk.faults.shows(path):
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if child.kind is not NodeKind.FILE:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    return child


def _rules(place: Place, node: Node, shown: Sequence[str], unclear: list[str]) -> str | None:
    child = node.children[IGNORE_FILE] if IGNORE_FILE in shown else None
    if child is None or child.kind is not NodeKind.FILE or child.size > RULES_BYTES_MAX:
        return None
    try:
        place.mounted.disk.faults.check(paths.join(place.path, IGNORE_FILE))
    except OSError as error:
        if error.errno not in directories.UNCLEAR:
            raise
        unclear.append(IGNORE_FILE)
        return None
    return child.text


def _shown(place: Place, node: Node) -> list[str]:
    """The names that a listing has, sorted."""
    faults = place.mounted.disk.faults
    return sorted(name for name in node.children if faults.shows(paths.join(place.path, name)))


def _total_bytes(disk: FakeDisk) -> int:
    return disk.faults.capacity_bytes or disk.capacity_bytes
