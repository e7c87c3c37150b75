"""What an agent costs that has nothing to do: time on a processor, and requests to its disks."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack

from bench import processes
from demo.disks import disk
from demo.photos import fill
from demo.stage import Stage, StepFailed
from holdfast.client import Client

DISKS = 3
_PHOTOS = 1_000
_MINUTE_S = 60.0


def minutes(rounds: int) -> list[float]:
    """Seconds on a processor, of the supervisor and its workers together, in each of so many idle minutes with three
    disks that are watched. Raises :class:`StepFailed` where one of the disks was asked for anything meanwhile."""
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder, ExitStack() as drawer:
        places = [os.path.join(folder, f"mnt{number}") for number in range(DISKS)]
        for number, place in enumerate(places):
            drawer.enter_context(disk(folder, f"IDLE{number}")).mount(place)
            fill(place, _PHOTOS, "trip")
            _settle(place)
        with Stage(os.path.join(folder, "state"), places) as stage:
            libraries = [stage.library(f"Idle {number}", place).id for number, place in enumerate(places)]
            for library in libraries:
                stage.await_refresh(library, None)
            # What was read once is read no more.
            with Client(stage.url, stage.token) as client:
                stage.wait_for(lambda: all(one.content_checksum for one in client.assets()), "every photo to be read")
            stage.wait_for(stage.is_settled, "rest")
            return [_minute(stage, places) for _ in range(rounds)]


def _settle(place: str) -> None:
    """Have a file system do at once what it would do by itself within a minute: write journal and super block."""
    for how in ("--freeze", "--unfreeze"):
        subprocess.run(["fsfreeze", how, place], check=True)


def _minute(stage: Stage, places: Sequence[str]) -> float:
    running, requests = processes.of_agent(stage), [_requests(place) for place in places]
    spent_s = processes.spent_s(running)
    stage.pause(_MINUTE_S)
    if [_requests(place) for place in places] != requests:
        raise StepFailed("a disk was asked for something while the agent had nothing to do")
    if processes.of_agent(stage) != running:
        raise StepFailed("the agent has started or ended processes while it had nothing to do")
    return processes.spent_s(running) - spent_s


def _requests(place: str) -> list[str]:
    """Reads, writes and discards that a disk has completed (Documentation/block/stat.rst). Flushes are left out: a
    sync(2) of anybody's is one for each disk."""
    device = os.stat(place).st_dev
    with open(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat", encoding="ascii") as file:
        fields = file.read().split()
    return [fields[one] for one in (0, 4, 11)]
