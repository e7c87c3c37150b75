"""How long scans take, from the wish to the last file committed in the catalog."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time

from bench.tree import FILES
from demo.stage import Stage, StepFailed

_SCAN_WAIT_S = 300.0


def find(root: str, rounds: int) -> list[float]:
    """The yardstick: what find(1) needs to tell size, time and inode of every file, with everything cached."""
    command = ["find", root, "-printf", "%s %T@ %i\n"]
    took = []
    for number in range(rounds + 1):
        start = time.monotonic()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        if number:  # the first round filled the cache
            took.append(time.monotonic() - start)
    return took


def first_and_again(root: str, rounds: int, rescans: int) -> tuple[list[float], list[float]]:
    """First scans into an empty catalog, and scans that find nothing changed."""
    first, again = [], []
    for _ in range(rounds):
        with (
            tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder,
            Stage(os.path.join(folder, "state"), [root]) as stage,
        ):
            first.append(_first(stage, root))
            again += [_again(stage) for _ in range(rescans)]
    return first, again


def _first(stage: Stage, root: str) -> float:
    start = time.monotonic()
    library = stage.library("Bench", root).id
    # Asking the catalog all the while would take time from what is measured; the agent's answer costs nothing.
    stage.wait_for(stage.is_settled, "the first scan", _SCAN_WAIT_S)
    stage.await_refresh(library, None, _SCAN_WAIT_S)
    took_s = time.monotonic() - start
    found = stage.catalog.statistics(library).photos
    if found != FILES:
        raise StepFailed(f"the catalog has {found:,} photos, not {FILES:,}")
    return took_s


def _again(stage: Stage) -> float:
    stage.catch_up()
    start = time.monotonic()
    stage.request_scan()
    stage.gather(lambda items: any(item.kind == "scan.finished" for item in items), "the scan", _SCAN_WAIT_S)
    return time.monotonic() - start
