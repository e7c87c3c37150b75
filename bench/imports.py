"""An import that goes on for long, into a folder that has very many photos already."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from bench import processes
from demo.disks import disk
from demo.stage import Stage
from holdfast.up.catalog import Catalog, FeedItem

PHOTOS = 40_000
EVERY_S = 0.125
_NEW = 160
_WAIT_S = 300.0
_DISK_MIB = 1_000


class Imported(NamedTuple):
    """Seconds from the close of each new photo to its entry in the feed; and the seconds on a processor that the agent
    had in each second of the import, one a round."""

    told: list[float]
    spent: list[float]


def into_a_large_folder(rounds: int) -> Imported:
    """New photos come to one folder, evenly, and slower than any disk."""
    took = Imported([], [])
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder, disk(folder, "CAMERA", _DISK_MIB) as drive:
        place = os.path.join(folder, "mnt")
        drive.mount(place)
        camera = os.path.join(place, "camera")
        os.mkdir(camera)
        for number in range(PHOTOS):
            _write(os.path.join(camera, f"IMG_{number:06d}.jpg"))
        with Stage(os.path.join(folder, "state"), [place]) as stage:
            library = stage.library("Camera", place).id
            stage.await_refresh(library, None, _WAIT_S)
            # What is read is read once, and takes time of its own.
            stage.gather(_all_read(), "every photo to be read", _WAIT_S)
            for number in range(rounds):
                _round(stage, camera, f"NEW_{number}", took)
    return took


def _round(stage: Stage, camera: str, series: str, took: Imported) -> None:
    stage.wait_for(stage.is_settled, "rest")
    stage.catch_up()
    running = processes.of_agent(stage)
    spent_s, began = processes.spent_s(running), time.monotonic()
    with _Reader(stage) as reader:
        closed: dict[str, float] = {}
        for number in range(_NEW):
            name = f"{series}_{number:04d}.jpg"
            _write(os.path.join(camera, name))
            closed[name] = time.monotonic()
            stage.pause(max(0.0, began + (number + 1) * EVERY_S - closed[name]))
        spent_s = processes.spent_s(running) - spent_s
        took.spent.append(spent_s / (time.monotonic() - began))
        stage.wait_for(lambda: closed.keys() <= reader.told.keys(), "the last of the new photos", _WAIT_S)
    took.told.extend(reader.told[name] - at for name, at in closed.items())


class _Reader:
    """Waits on the feed in a thread of its own, as a photo server does. ``told``: when each photo was in it first, by
    its name."""

    def __init__(self, stage: Stage) -> None:
        self.told: dict[str, float] = {}
        self._catalog = Catalog(stage.url, stage.token)
        self._cursor = stage.cursor
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> _Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        self._catalog.close()

    def _read(self) -> None:
        while not self._ends.is_set():
            page = self._catalog.changes(self._cursor, 1, limit=1000)
            self._cursor, now = page.next, time.monotonic()
            for item in page.items:
                if item.entity == "asset" and item.state is not None:
                    self.told.setdefault(os.path.basename(item.state["path"]), now)


def _write(path: str) -> None:
    with open(path, "wb") as file:
        file.write(os.urandom(64))


def _all_read() -> Callable[[list[FeedItem]], bool]:
    read: set[str] = set()
    seen = 0

    def are_all(items: list[FeedItem]) -> bool:
        nonlocal seen
        read.update(item.id for item in items[seen:] if item.state and item.state.get("content_checksum"))
        seen = len(items)
        return len(read) == PHOTOS

    return are_all
