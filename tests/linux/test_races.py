"""Rule R1 under fire: storage comes and goes while it is read, and no listing is ever accepted that lacks a name.

The flipper is a process of its own, in the same mount namespace, that does nothing but mount and unmount.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.linux import kernel
from agent.linux.files import MountedFiles
from agent.linux.mountinfo import MountTable
from agent.ports import Listing, Trouble
from tests.linux.disks import Disks

pytestmark = pytest.mark.root

NAMES = [f"{number:03}.jpg" for number in range(60)]
WRONG = ["wrong.jpg"]
BARE = ["bare.jpg"]
ROUNDS_S = 1.5

FLIPPER = """
import ctypes, errno, itertools, os, sys, time
kind, fs_type, place, right, wrong = sys.argv[1], *map(os.fsencode, sys.argv[2:])
libc = ctypes.CDLL(None, use_errno=True)
MNT_DETACH = 2
MS_BIND = 4096

def mount(device):
    # A lazily unmounted disk may still be shutting down.
    while libc.mount(device, place, fs_type, 1, None):
        assert ctypes.get_errno() == errno.EBUSY, os.strerror(ctypes.get_errno())

def umount(flags):
    while libc.umount2(place, flags):
        assert ctypes.get_errno() == errno.EBUSY, os.strerror(ctypes.get_errno())

# The kernel gives a mount id free after a grace period; only after that can two disks have the same.
pause_s = 0.02 if kind == "swap slowly" else 0
print("ready", flush=True)
for turn in itertools.count():
    if os.getppid() == 1:
        break
    if kind == "cover":
        assert libc.mount(wrong, place, None, MS_BIND, None) == 0
        time.sleep(0.0003)
        umount(MNT_DETACH)
    else:
        umount(MNT_DETACH if kind == "lazy" else 0)
        if kind.startswith("swap"):
            time.sleep(pause_s)
            mount(wrong)
            time.sleep(pause_s)
            umount(0)
            time.sleep(pause_s)
        mount(right)
    time.sleep(0.0003 * (turn % 4))
"""


@contextmanager
def flipping(kind: str, *arguments: str) -> Iterator[None]:
    flipper = subprocess.Popen(
        [sys.executable, "-c", FLIPPER, kind, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert flipper.stdout is not None
    assert flipper.stderr is not None
    with flipper, flipper.stdout, flipper.stderr:
        assert flipper.stdout.readline() == "ready\n", flipper.stderr.read()
        try:
            yield
            assert flipper.poll() is None, flipper.stderr.read()
        finally:
            flipper.kill()


@pytest.mark.parametrize("linux", ["6.8", "6.1"])
@pytest.mark.parametrize(
    ("fs_type", "kind"),
    [
        *(("ext4", kind) for kind in ("umount", "lazy", "swap", "swap slowly", "cover")),
        *((fs_type, kind) for fs_type in ("xfs", "btrfs") for kind in ("umount", "swap")),
    ],
)
def test_r1_no_listing_is_accepted_that_lacks_a_name(
    disks: Disks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fs_type: str, kind: str, linux: str
) -> None:
    if linux == "6.1":
        # Without unique mount ids the disks that take turns have one and the same id.
        monkeypatch.setattr(kernel, "STATX_MNT_ID_UNIQUE", kernel.STATX_MNT_ID)
        monkeypatch.setattr(kernel.Statx, "has_unique_mount_id", False)
    right, wrong = disks.make(fs_type), disks.make(fs_type)
    place = tmp_path / "disk"
    hold(place, BARE)
    for disk, names in ((wrong, WRONG), (right, NAMES)):
        disk.mount(place)
        hold(place, names)
        disk.umount()
    right.mount(place, "ro")
    cover = tmp_path / "cover"
    hold(cover, WRONG)
    table = MountTable()
    outcomes: Counter[str] = Counter()
    with flipping(kind, fs_type, str(place), right.device, str(cover) if kind == "cover" else wrong.device):
        until = time.monotonic() + ROUNDS_S
        while time.monotonic() < until:
            mount_id = table.unique_id(str(place))
            assert mount_id is not None
            files = MountedFiles(str(place), mount_id)
            outcomes.update(look_until_it_ends(files, patience_s=0.15 if linux == "6.1" else 0))
            files.close()
    table.close()
    assert outcomes["wrong"] == 0, outcomes
    assert outcomes["complete"] > 10, outcomes
    assert outcomes["trouble"] + outcomes["gate closed"] > 0, outcomes


def hold(place: Path, names: list[str]) -> None:
    (place / "2024").mkdir(parents=True)
    for name in names:
        (place / "2024" / name).touch()


def look_until_it_ends(files: MountedFiles, patience_s: float) -> Iterator[str]:
    """List one attachment again and again, until it ends or at most for some time after that. Whatever stands
    there, right disk, wrong disk or bare mount point, has its own content, and one attachment never has another's."""
    first: list[str] = []
    until = time.monotonic() + max(patience_s, 0.05)
    while time.monotonic() < until:
        files.begin()
        listing = files.list("2024")
        passed = files.gate()
        if not isinstance(listing, Listing):
            yield "trouble"
            if not patience_s:
                return
            continue
        names = [file.name for file in listing.files]
        first = first or names
        whole = names in (NAMES, WRONG, BARE) and names == first
        yield "complete" if whole else "wrong"
        yield "gate closed" if isinstance(passed, Trouble) else "gate passed"


def test_r1_the_flipper_does_fool_who_trusts_a_path(disks: Disks, tmp_path: Path) -> None:
    right, wrong = disks.make(size_mib=8), disks.make(size_mib=8)
    place = right.mount(tmp_path / "disk")
    for name in NAMES:
        (place / name).touch()
    right.umount()
    right.mount(place, "ro")
    fooled = 0
    with flipping("umount", "ext4", str(place), right.device, wrong.device):
        until = time.monotonic() + 10
        while not fooled and time.monotonic() < until:
            fooled += len(os.listdir(place)) < len(NAMES)
    assert fooled
