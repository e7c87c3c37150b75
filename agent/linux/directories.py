"""What is in a directory that is being read: the innermost loop of the agent.

The names are read first, through one descriptor; what they stand for is asked afterwards, with pauses.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter

from agent.linux import kernel
from agent.linux.attachment import Reading
from agent.ports import FileEntry
from holdfast import paths
from holdfast.ignoring import IGNORE_FILE, RULES_BYTES_MAX
from holdfast.media import kind

# Names of a listing that could not be looked at for these reasons are unclear. Any other reason casts doubt on
# the whole directory.
UNCLEAR = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG})
# A known directory or file that is not where it was, or may not be looked at any more: its listing will say more.
NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV, errno.EACCES, errno.EPERM})
# Looks at a file between two questions whether somebody waits for the disk. On a cold disk a look takes 10 ms.
PAUSE_EVERY = kernel.FileLooker.AT_ONCE
# Where more files than these have changed, to look at all of them once more is not much more work.
_CHANGED_MAX = 32

_TYPE = stat.S_IFMT(0xFFFF)
_name = itemgetter(0)
entry_of = partial(tuple.__new__, FileEntry)  # NamedTuple's own constructor costs as much as the system call
_looker = kernel.FileLooker()


@dataclass(slots=True)
class Unsorted:
    """The names of a directory at the moment at which they were read. ``photos``, and ``others`` of which the directory
    does not say what they are, have to be looked at; with each is the inode that it stood for. ``known`` files do not.
    """

    entries: int = 0
    photos: dict[str, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    known: list[FileEntry] = field(default_factory=list)
    directories: dict[str, int] = field(default_factory=dict)
    unclear: list[str] = field(default_factory=list)
    has_rules: bool = False


@dataclass(slots=True)
class Sorted:
    """The names of a directory, told apart; see :class:`agent.ports.Listing`. ``as_listed``: each of them still stood
    for what it did when the names were read."""

    files: list[FileEntry]
    directories: dict[str, int]
    unclear: list[str]
    rules: str | None = None
    births: dict[str, int | None] = field(default_factory=dict)
    as_listed: bool = True


def read_names(reading: Reading, known: Mapping[str, FileEntry]) -> Unsorted:
    """Read a directory. ``known`` files need not be looked at."""
    found = Unsorted()
    photos, others, as_known = found.photos, found.others, found.known
    with os.scandir(reading.descriptor) as names:
        for found.entries, entry in enumerate(names, start=1):
            name = entry.name
            file = known.get(paths.from_os(name)) if known else None
            try:
                if file is not None and _is_as_known(entry, file):
                    as_known.append(file)
                elif kind(name) is not None:
                    photos[name] = entry.inode()
                elif name == IGNORE_FILE:
                    found.has_rules = True
                elif entry.is_dir(follow_symlinks=False):
                    found.directories[paths.from_os(name)] = entry.inode()
                elif not entry.is_file(follow_symlinks=False):
                    others[name] = entry.inode()
            except OSError as error:
                _note_unclear(name, error, found.unclear)
    return found


def sort_out(names: Unsorted, reading: Reading) -> Sorted:
    """Tell the names of a directory apart."""
    found = Sorted(names.known, names.directories, names.unclear)
    _look_at(names.photos, reading, found)
    _look_at(names.others, reading, found, wanted=False)
    if names.has_rules:
        found.rules = _read_rules(reading, found)
    found.files.sort(key=_name)
    found.directories = dict(sorted(found.directories.items()))
    found.unclear.sort()
    return found


def changed(reading: Reading, files: Sequence[FileEntry]) -> Collection[str] | None:
    """Which of these files of a directory are not as they were; None where they are too many to be told. Raises
    :class:`OSError` where one is not there."""
    names: list[str] = []
    for start in range(0, len(files), PAUSE_EVERY):
        if len(names) > _CHANGED_MAX:
            return None
        reading.pause()
        descriptor = reading.descriptor
        for name, inode, size, mtime_ns, ctime_ns in files[start : start + PAUSE_EVERY]:
            found = os.stat(paths.to_os(name) if "\0" in name else name, dir_fd=descriptor, follow_symlinks=False)
            if (
                found.st_mtime_ns != mtime_ns
                or found.st_ctime_ns != ctime_ns
                or found.st_size != size
                # An inode with all its times is the same file still. Where inodes mean nothing, it may be anything.
                or (inode != found.st_ino and (inode or not stat.S_ISREG(found.st_mode)))
            ):
                names.append(name)
    return names


def _is_as_known(entry: os.DirEntry[str], file: FileEntry) -> bool:
    """Whether this is the file: told by what the listing itself says, so that no file system that says it is asked
    anything."""
    return file.inode in (0, entry.inode()) and entry.is_file(follow_symlinks=False)


def _look_at(asked: Mapping[str, int], reading: Reading, found: Sorted, *, wanted: bool = True) -> None:
    """The media files among these names (``wanted``), and directories: those that look like photos, or whose type had
    to be asked for. A photo costs one system call, and nearly every other name none."""
    files, births = found.files, found.births
    names, done = list(asked), 0
    while done < len(names):
        reading.pause()
        part = names[done : done + PAUSE_EVERY]
        seen, error = _looker.look_at(reading.descriptor, [raw.encode("utf-8", "surrogateescape") for raw in part])
        # Fewer were seen than asked for where one could not be looked at.
        for raw, (mode, inode, size, mtime_ns, ctime_ns, birth_ns) in zip(part, seen, strict=False):
            if inode != asked[raw]:
                found.as_listed = False
            name = raw if raw.isascii() else paths.from_os(raw)
            if mode & _TYPE == stat.S_IFREG:
                if wanted:
                    files.append(entry_of((name, inode, size, mtime_ns, ctime_ns)))
                    births[name] = birth_ns
            elif mode & _TYPE == stat.S_IFDIR:
                found.directories[name] = inode
        done += len(seen)
        if error is not None:
            _note_unclear(part[len(seen)], error, found.unclear)
            found.as_listed = False
            done += 1


def _read_rules(reading: Reading, found: Sorted) -> str | None:
    """The text of the ignore file; None for what is too large to be one, or is no file at all."""
    # It does not block, should somebody have given the name to a pipe.
    try:
        descriptor = kernel.open_quietly(IGNORE_FILE, os.O_NOFOLLOW, dir_fd=reading.descriptor)
    except OSError as error:
        if error.errno != errno.ELOOP:
            _note_unclear(IGNORE_FILE, error, found.unclear)
            found.as_listed = False
        return None
    try:
        look = os.fstat(descriptor)
        if not stat.S_ISREG(look.st_mode) or look.st_size > RULES_BYTES_MAX:
            return None
        return os.read(descriptor, RULES_BYTES_MAX).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def _note_unclear(raw: str, error: OSError, unclear: list[str]) -> None:
    if error.errno not in UNCLEAR:
        raise error
    unclear.append(paths.from_os(raw))
