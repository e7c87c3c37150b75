"""How soon a reader of the feed knows: of an unmount, and of a new photo."""

from __future__ import annotations

import os
import tempfile

from demo.disks import disk
from demo.photos import fill, photo
from demo.stage import Stage
from holdfast.up.catalog import FeedItem

PHOTOS = 1_000


def unmounts_and_closes(unmounts: int, closes: int) -> tuple[list[float], list[float]]:
    """Seconds from an unmount, and from the close of a new file, to its entry in the feed."""
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        place = os.path.join(folder, "mnt")
        with disk(folder, "BENCH") as drive:
            drive.mount(place)
            fill(place, PHOTOS, "trip")
            with Stage(os.path.join(folder, "state"), [place]) as stage:
                library = stage.library("Bench", place).id
                stage.await_refresh(library, None)
                closed = [_close(stage, os.path.join(place, f"new-{n}.jpg"), n) for n in range(closes)]
                unmounted = []
                for _ in range(unmounts):
                    refreshed = stage.refreshed_at(library)
                    stage.catch_up()
                    drive.umount()
                    unmounted.append(stage.gather(_is_volume, "the unmount").took_s)
                    drive.mount(place)
                    stage.gather(_is_online, "the mount")
                    stage.await_refresh(library, refreshed)
    return unmounted, closed


def _close(stage: Stage, path: str, number: int) -> float:
    stage.catch_up()
    content = photo(number, "new")
    with open(path, "wb") as file:
        file.write(content)
    return stage.gather(lambda items: any(item.kind == "asset.added" for item in items), "the new photo").took_s


def _is_volume(items: list[FeedItem]) -> bool:
    return any(item.entity == "volume" for item in items)


def _is_online(items: list[FeedItem]) -> bool:
    return any(item.kind == "volume.online" for item in items)
