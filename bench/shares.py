"""How long a first look at a share takes whose answers take their time: for the agent's engine, and for find."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench import alone
from tests.linux.fuse_faults import Faults, FaultyMount

DIRECTORIES, PHOTOS = 100, 40
FILES = DIRECTORIES * PHOTOS
ANSWER_S = 0.005
# What sshfs, NFS and SMB remember for a second or more.
_KEPT_S = 3.0


class Looks(NamedTuple):
    """How long they took, in seconds."""

    find: list[float]
    agent: list[float]


def first_looks(rounds: int) -> Looks:
    """Both, each time with nothing cached."""
    took = Looks([], [])
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        far, near = Path(folder, "far"), Path(folder, "near")
        for directory in range(DIRECTORIES):
            (far / f"trip {directory:03}").mkdir(parents=True)
            for photo in range(PHOTOS):
                os.mknod(far / f"trip {directory:03}" / f"IMG_{photo:04}.jpg")
        for _ in range(rounds):
            took.find.append(_on_a_share(far, near, _find))
            took.agent.append(_on_a_share(far, near, _scan))
    return took


def _on_a_share(far: Path, near: Path, look: Callable[[Path], None]) -> float:
    with FaultyMount(far, near, keep_s=_KEPT_S) as share:
        share.set(Faults(drag_s={"/": ANSWER_S}))
        start = time.monotonic()
        look(near)
        return time.monotonic() - start


def _find(place: Path) -> None:
    subprocess.run(["find", place, "-printf", "%s %T@ %i\n"], stdout=subprocess.DEVNULL, check=True)


def _scan(place: Path) -> None:
    alone.first_scan(str(place), FILES, ":memory:", fs_type="fuse.sshfs", parallel=True)
