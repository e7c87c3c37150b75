"""What is known of one directory, in its packed form. Pure.

The known listing of a directory is one packed row: equal bytes mean that nothing changed, which is what a scan
finds nearly everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from agent.ports import FileEntry
from agent.times import Stamp

_pack = msgspec.msgpack.Encoder().encode
unpack_files = msgspec.msgpack.Decoder(list[FileEntry]).decode
unpack_directories = msgspec.msgpack.Decoder(dict[str, int]).decode
_unpack_births = msgspec.msgpack.Decoder(list[int | None]).decode

# The inode of a file or directory that is known by its name only: the catalog told of it, and nobody has looked yet.
# No file has it; some file systems give it to none, and the rest begin at 1.
UNSEEN = 0


class KnownDirectory(NamedTuple):
    """What was last seen in a directory. ``stamp`` are its mtime and ctime then, None when they prove nothing.
    ``told`` is False when its files must be told again although they did not change. ``whole``: all names were compared
    that are wanted now, so that there is nothing to do as long as nothing moves."""

    stamp: Stamp | None
    files_packed: bytes
    births_packed: bytes
    directories_packed: bytes
    told: bool = True
    whole: bool = False

    @property
    def files(self) -> list[FileEntry]:
        """The files, sorted by name."""
        return unpack_files(self.files_packed)

    @property
    def file_count(self) -> int:
        """How many files there are."""
        return file_count(self.files_packed)

    @property
    def births(self) -> list[int | None]:
        """When each of the files was born, beside :attr:`files`."""
        return _unpack_births(self.births_packed)

    @property
    def directories(self) -> dict[str, int]:
        """The directories and their inodes, sorted by name; 0 where inodes mean nothing."""
        return unpack_directories(self.directories_packed)

    @property
    def outline(self) -> Outline | None:
        """The directory as a whole; None where its times prove nothing, or there is something left to do."""
        if not (self.told and self.whole) or self.stamp is None:
            return None
        return Outline(self.stamp, self.file_count, self.directories)


class Outline(NamedTuple):
    """A directory as it was seen, without its files: how many these were, and the names of the directories in it."""

    stamp: Stamp
    file_count: int
    directories: Collection[str]


def pack_files(files: Sequence[FileEntry]) -> bytes:
    """The packed form of a listing; two listings are equal when their packed forms are."""
    return _pack(files)


def pack_births(births: Sequence[int | None]) -> bytes:
    """The packed form of births, beside the files."""
    return _pack(births)


def pack_directories(directories: Mapping[str, int]) -> bytes:
    """The packed form of the directories in a listing."""
    return _pack(directories)


def file_count(packed: bytes) -> int:
    """How many files there are in a packed listing, by its first five bytes: msgpack's fixarray, array 16, array 32."""
    if packed[0] < 0xA0:
        return packed[0] & 0x0F
    return int.from_bytes(packed[1:3] if packed[0] == 0xDC else packed[1:5], "big")
