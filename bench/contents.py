"""A library of which the agent reads what is in the photos, for hours, behind everybody else."""

from __future__ import annotations

import os
import tempfile
import time

from bench import processes
from demo.stage import Stage
from holdfast.up.catalog import FeedItem

_SECONDS = 5.0
_WAIT_S = 300.0


def sidecar_meanwhile(root: str, rounds: int) -> list[float]:
    """The seconds on a processor that the sidecar has in each second of it, one a round. Photos and feed are left to
    themselves."""
    spent: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder,
        Stage(os.path.join(folder, "state"), [root], plain=[root]) as stage,
    ):
        library = stage.library("Bench", root).id
        stage.await_refresh(library, None, _WAIT_S)
        stage.catch_up()
        stage.gather(_one_is_read, "the first photo to be read", _WAIT_S)
        running = processes.of_sidecar(stage)
        for _ in range(rounds):
            before_s, began = processes.spent_s(running), time.monotonic()
            stage.pause(_SECONDS)
            spent.append((processes.spent_s(running) - before_s) / (time.monotonic() - began))
    return spent


def _one_is_read(items: list[FeedItem]) -> bool:
    return any(item.state is not None and item.state.get("content_checksum") for item in items)
