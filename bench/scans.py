"""How long scans take, from the wish to the last file committed in the catalog."""

from __future__ import annotations

import os
import tempfile
import time
from typing import NamedTuple

from bench.tree import FILES
from demo.stage import Stage, StepFailed
from holdfast.client import Client, ScanMode

_SCAN_WAIT_S = 300.0


class Scans(NamedTuple):
    """How long scans took, in seconds."""

    first: list[float]
    listing: list[float]
    changed: list[float]
    new: list[float]


def all_kinds(root: str, rounds: int, rescans: int) -> Scans:
    """First scans into an empty catalog; and scans that find nothing changed: those that list everything, and those
    that somebody asks the catalog for."""
    took = Scans([], [], [], [])
    for _ in range(rounds):
        with (
            tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder,
            Stage(os.path.join(folder, "state"), [root], plain=[root]) as stage,
            Client(stage.url, stage.token) as client,
        ):
            library = stage.library("Bench", root).id
            took.first.append(first(stage, library, FILES))
            took.listing.extend(_again(stage) for _ in range(rescans))
            took.changed.extend(asked(stage, client, library, ScanMode.CHANGED) for _ in range(rescans))
            took.new.extend(asked(stage, client, library, ScanMode.NEW) for _ in range(rescans))
    return took


def first(stage: Stage, library: str, files: int) -> float:
    """From now until the last of so many files is in the catalog."""
    start = time.monotonic()
    # Asking the catalog all the while would take time from what is measured; the agent's answer costs nothing.
    stage.wait_for(stage.is_settled, "the first scan", _SCAN_WAIT_S)
    stage.await_refresh(library, None, _SCAN_WAIT_S)
    took_s = time.monotonic() - start
    check_count(stage, library, files)
    return took_s


def check_count(stage: Stage, library: str, files: int) -> None:
    """The catalog has so many photos of a library, or :class:`StepFailed` is raised."""
    found = stage.catalog.statistics(library).photos
    if found != files:
        raise StepFailed(f"the catalog has {found:,} photos, not {files:,}")


def asked(stage: Stage, client: Client, library: str, mode: ScanMode) -> float:
    """From the request until the catalog says that it is done."""
    began = time.monotonic()
    job = client.scan(library, mode=mode)
    deadline = began + _SCAN_WAIT_S
    while job.finished_at is None:
        if time.monotonic() > deadline:
            raise StepFailed(f"waited {_SCAN_WAIT_S:.0f} s in vain for a scan in mode {mode}")
        stage.pause(0.005)
        job = client.job(job.id)
    return time.monotonic() - began


def _again(stage: Stage) -> float:
    stage.catch_up()
    start = time.monotonic()
    stage.request_scan()
    stage.gather(lambda items: any(item.kind == "scan.finished" for item in items), "the scan", _SCAN_WAIT_S)
    return time.monotonic() - start
