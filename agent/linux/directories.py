"""What is in a directory that is being read: the innermost loop of the agent.

The names are read first, through one descriptor; what they stand for is asked afterwards, with pauses.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
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
    photos, others = found.photos, found.others
    with os.scandir(reading.descriptor) as names:
        for entry in names:
            found.entries += 1
            try:
                if kind(entry.name) is not None:
                    if known and (file := _as_known(entry, known)) is not None:
                        found.known.append(file)
                    else:
                        photos[entry.name] = entry.inode()
                elif entry.name == IGNORE_FILE:
                    found.has_rules = True
                elif entry.is_dir(follow_symlinks=False):
                    found.directories[paths.from_os(entry.name)] = entry.inode()
                elif not entry.is_file(follow_symlinks=False):
                    others[entry.name] = entry.inode()
            except OSError as error:
                _note_unclear(entry.name, error, found.unclear)
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


def are_as_known(reading: Reading, files: Sequence[FileEntry]) -> bool:
    """Whether each of these files of a directory is there as it was."""
    for start in range(0, len(files), PAUSE_EVERY):
        reading.pause()
        descriptor = reading.descriptor
        for name, inode, size, mtime_ns, ctime_ns in files[start : start + PAUSE_EVERY]:
            found = os.stat(paths.to_os(name) if "\0" in name else name, dir_fd=descriptor, follow_symlinks=False)
            if found.st_mtime_ns != mtime_ns or found.st_ctime_ns != ctime_ns or found.st_size != size:
                return False
            # An inode with all its times is the same file still. Where inodes mean nothing, it may be anything.
            if inode != found.st_ino and (inode or not stat.S_ISREG(found.st_mode)):
                return False
    return True


def _as_known(entry: os.DirEntry[str], known: Mapping[str, FileEntry]) -> FileEntry | None:
    """A file as it is known, if this is it: told by what the listing itself says, so that no file system that says it
    is asked anything."""
    file = known.get(paths.from_os(entry.name))
    if file is None or file.inode not in (0, entry.inode()):
        return None
    return file if entry.is_file(follow_symlinks=False) else None


def _look_at(asked: Mapping[str, int], reading: Reading, found: Sorted, *, wanted: bool = True) -> None:
    """The media files among these names (``wanted``), and directories: those that look like photos, or whose type had
    to be asked for. A photo costs one system call, and nearly every other name none."""
    files, births = found.files, found.births
    for (raw, listed), seen in _looks(asked, reading):
        if isinstance(seen, OSError):
            _note_unclear(raw, seen, found.unclear)
            found.as_listed = False
            continue
        mode, inode, size, mtime_ns, ctime_ns, birth_ns = seen
        if inode != listed:
            found.as_listed = False
        name = raw if raw.isascii() else paths.from_os(raw)
        if stat.S_ISREG(mode):
            if wanted:
                files.append(entry_of((name, inode, size, mtime_ns, ctime_ns)))
                births[name] = birth_ns
        elif stat.S_ISDIR(mode):
            found.directories[name] = inode


def _looks(asked: Mapping[str, int], reading: Reading) -> Iterator[tuple[tuple[str, int], kernel.FileFacts | OSError]]:
    """Each of these names with what it was asked with, and what it is."""
    names, done = list(asked.items()), 0
    while done < len(names):
        reading.pause()
        part = names[done : done + PAUSE_EVERY]
        seen = _looker.look_at(reading.descriptor, [raw.encode("utf-8", "surrogateescape") for raw, _ in part])
        yield from zip(part, seen, strict=False)  # no further than to the first that cannot be looked at
        done += len(seen)


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
