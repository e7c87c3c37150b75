"""Debians as debootstrap makes them: made once a machine, and kept in the user's cache."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.linux.disks import run
from tests.needs import needs


def debian(name: str, packages: tuple[str, ...], finish: Callable[[Path], None] = lambda root: None) -> Path:
    """An archive of the release that runs here, with these packages. What it has is told by its name: other packages,
    or another finish, are another name."""
    needs(shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin"), "needs debootstrap")
    needs(shutil.which("zstd"), "needs zstd")
    release = platform.freedesktop_os_release()
    needs(release["ID"] == "debian", "needs Debian: packages are bound to the Python of the release that built them")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdfast"
    cache.mkdir(parents=True, exist_ok=True)
    kind, _, edition = name.partition("-")
    archive = cache / f"{kind}-{release['VERSION_CODENAME']}-{platform.machine()}-{edition}.tar.zst"
    with (cache / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            _bootstrap(release["VERSION_CODENAME"], packages, finish, archive)
    return archive


@contextlib.contextmanager
def in_memory(place: Path) -> Iterator[None]:
    """An empty file system in memory, for a while: the tools of Debian wait for a disk after every file."""
    run("mount", "-t", "tmpfs", "-o", "size=3g,mode=755", "debian", str(place))
    try:
        yield
    finally:
        run("umount", "--recursive", "--lazy", str(place))


@contextlib.contextmanager
def unpacked(archive: Path, place: Path) -> Iterator[None]:
    """What is in an archive, for a while."""
    with in_memory(place):
        run("tar", "--extract", f"--file={archive}", f"--directory={place}")
        yield


def _bootstrap(codename: str, packages: tuple[str, ...], finish: Callable[[Path], None], archive: Path) -> None:
    place = archive.with_suffix(".root")
    place.mkdir(exist_ok=True)
    with in_memory(place):
        run("debootstrap", "--variant=minbase", f"--include={','.join(packages)}", codename, str(place))
        for waste in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(place / waste)
        (place / "etc/apt/apt.conf.d/90-yes").write_text('APT::Get::Assume-Yes "true";\nAPT::Sandbox::User "root";\n')
        finish(place)
        draft = archive.with_suffix(".new")
        run("tar", "--create", "--zstd", f"--file={draft}", f"--directory={place}", ".")
        draft.rename(archive)
    place.rmdir()
