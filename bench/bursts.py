"""What a flood of new files costs: a camera card with fifty thousand of them, copied at full speed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from typing import NamedTuple

from demo.disks import disk
from demo.stage import Stage, StepFailed

FILES = 50_000
_PER_DIRECTORY = 500
# With an inode for each file of a round.
_DISK_MIB = 1_024
_BYTES = b"not much of a photo"
_WAIT_S = 300.0


class Bursts(NamedTuple):
    """In seconds: from the first file that cp(1) makes to the last one committed; and cp alone, when nobody looks."""

    took: list[float]
    copying: list[float]


def copies(rounds: int) -> Bursts:
    """Copy a tree onto a watched disk, again and again, each time into a folder of its own."""
    found = Bursts([], [])
    size_mib = _DISK_MIB * rounds
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder, disk(folder, "BURST", size_mib) as drive:
        card, place = os.path.join(folder, "card"), os.path.join(folder, "mnt")
        _fill(card)
        drive.mount(place)
        for _ in range(rounds):
            found.copying.append(_copy(card, os.path.join(place, "DCIM")))
            shutil.rmtree(os.path.join(place, "DCIM"))
        with Stage(os.path.join(folder, "state"), [place]) as stage:
            library = stage.library("Burst", place).id
            stage.await_refresh(library, None)
            for number in range(rounds):
                target = os.path.join(place, f"DCIM-{number}")
                start = time.monotonic()
                _copy(card, target)
                wanted = (number + 1) * FILES

                def is_whole(wanted: int = wanted) -> bool:
                    return stage.catalog.statistics(library).photos >= wanted

                stage.wait_for(is_whole, "every new file", _WAIT_S)
                found.took.append(time.monotonic() - start)
            there = stage.catalog.statistics(library).photos
            if there != rounds * FILES:
                raise StepFailed(f"the catalog has {there:,} photos, not {rounds * FILES:,}")
    return found


def _fill(card: str) -> None:
    for number in range(FILES):
        directory = os.path.join(card, f"{number // _PER_DIRECTORY:03d}CANON")
        if number % _PER_DIRECTORY == 0:
            os.makedirs(directory)
        with open(os.path.join(directory, f"IMG_{number:05d}.JPG"), "wb") as file:
            file.write(_BYTES)


def _copy(card: str, target: str) -> float:
    start = time.monotonic()
    subprocess.run(["cp", "-r", card, target], check=True)
    return time.monotonic() - start
