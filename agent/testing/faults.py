"""What can go wrong with a disk. Each fault is one that was measured on real kernels."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from holdfast import paths


class Hung(Exception):
    """A call that never returns. In a real process nothing comes back; here whoever drives it is told."""


@dataclass
class Faults:
    """The faults of one disk, all off. They are independent: what the kernel knows (``device_gone``,
    ``errors_counted`` and so on) need not agree with what a listing shows.
    """

    errno: int = 0
    """Every access fails: EIO of a sick disk, ENOTCONN of a dead FUSE daemon, ESTALE of an NFS server."""
    path_errnos: dict[str, int] = field(default_factory=dict)
    """Access at or below these paths fails."""
    listing_errnos: dict[str, int] = field(default_factory=dict)
    """Reading these directories fails, while looking at them does not: what a cache still answers for."""
    hung: bool = False
    """Every access hangs: the server or the FUSE daemon does not answer."""
    empty: bool = False
    """Directories list as empty and files are ENOENT, without any error: a FAT after its stick was pulled."""
    lists_nothing: bool = False
    """Directories are found by their names and list as empty: a FAT whose stick was pulled, as far as it is cached."""
    hidden: Callable[[str], bool] | None = None
    """Names that are left out of listings, and then cannot be found either, by path: a damaged directory, a union that
    lost a branch."""
    still_found: bool = False
    """What is ``hidden`` is found by its name all the same: only the listings are short."""
    dead_below_caches: bool = False
    """Caches answer for everything; whoever asks past them is told EIO."""
    noticed: bool = False
    """The kernel counts an error whenever a listing leaves out what is ``hidden``, as ext4 does for most damage."""
    device_gone: bool = False
    """The kernel has no such block device any more; the mount stays."""
    errors_counted: int = 0
    """The error counters of disk and file system."""
    super_options: frozenset[str] = frozenset()
    """What the kernel adds to the mount's options: ``shutdown``, ``emergency_ro``."""
    capacity_bytes: int | None = None
    """Another total size than the real one, as behind a share whose disk is gone."""

    def clear(self) -> None:
        """All well again; counters stay, as the kernel's do."""
        counted = self.errors_counted
        self.__dict__.update(Faults(errors_counted=counted).__dict__)

    def check(self, path: str) -> None:
        """Raise what an access to this path answers with, if it does."""
        if self.hung:
            raise Hung(path)
        if self.errno:
            raise OSError(self.errno, os.strerror(self.errno), path)
        for place, code in self.path_errnos.items():
            if paths.contains(place, path):
                raise OSError(code, os.strerror(code), path)
        if path and (self.empty or (self.hidden is not None and not self.still_found and self.hidden(path))):
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def check_past_caches(self, path: str) -> None:
        """The same for an access that no cache answers."""
        if self.dead_below_caches:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        self.check(path)

    def shows(self, path: str) -> bool:
        """Whether a listing has this name."""
        return not self.empty and not self.lists_nothing and not (self.hidden is not None and self.hidden(path))
