"""The story, scene by scene. Each does something to real disks and checks what the sidecar makes of it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from demo.disks import Disk
from demo.photos import fill
from demo.stage import Stage
from demo.telling import Telling
from holdfast.up.catalog import FeedItem, Statistics

PHOTOS = 1_000
OTHER_PHOTOS = 40
# A volume's state overtakes everything else on its way; a second is what the product promises.
STATE_WAIT_S = 1.0
# Longer than a scan of either disk and both looks of a proof.
QUIET_S = 4.0


class Story:
    """Two disks, one library, six scenes."""

    def __init__(self, telling: Telling, stage: Stage, places: str, usb: Disk, other: Disk) -> None:
        self._telling = telling
        self._stage = stage
        self._usb = usb
        self._other = other
        self._first = os.path.join(places, "usb")
        self._second = os.path.join(places, "elsewhere")
        self._library = ""  # its id, once it is made
        self._ids: dict[str, str] = {}  # path inside the library -> asset id

    def play(self) -> None:
        """All scenes."""
        self._fill_disks()
        self._mounted()
        self._unmounted()
        self._mounted_elsewhere()
        self._deleted_and_put_back()
        self._moved()
        self._other_disk()
        self._right_disk_again()

    def _fill_disks(self) -> None:
        self._other.mount(self._first)
        fill(self._first, OTHER_PHOTOS, "party")
        self._other.umount()
        self._usb.mount(self._first)
        fill(self._first, PHOTOS, "trip")

    def _mounted(self) -> None:
        self._telling.scene(f"A disk with {PHOTOS:,} photos is mounted, and a library made for it.")
        start = time.monotonic()
        self._library = self._stage.library("Trips", self._first).id
        self._stage.wait_for(lambda: self._counts()["present"] == PHOTOS, f"{PHOTOS} photos")
        self._check(True, f"{PHOTOS:,} photos are present", time.monotonic() - start)
        self._stage.await_refresh(self._library, None)
        self._check(self._stage.volume("USB").state == "online", "its volume is online")
        self._ids = {self._inside(asset): identifier for identifier, asset in self._assets().items()}
        self._stage.catch_up()

    def _unmounted(self) -> None:
        self._telling.scene("The disk is unmounted. The mount point is an empty folder now.")
        self._usb.umount()
        gathered = self._stage.gather(_volume_is("offline"), "the volume to go offline")
        volume = self._stage.volume("USB")
        self._check(gathered.took_s <= STATE_WAIT_S, "the feed tells it", gathered.took_s)
        self._check(volume.state == "offline", f"its volume is offline, {volume.reason}: “{volume.detail}”")
        statistics = self._statistics()
        away = statistics.by_availability.get("unavailable", 0)
        self._check(away == PHOTOS, f"{away:,} photos are unavailable")
        self._check(self._counts() == {"present": PHOTOS}, "none is missing")
        self._check(len(gathered.items) == 1, "that was one entry in the feed, and no photo was touched")

    def _mounted_elsewhere(self) -> None:
        self._telling.scene("The disk is mounted again, at another path.")
        items = self._back_at(self._second)
        self._check(not _of_assets(items), "no photo was processed again")
        host_paths = {asset["host_path"] for asset in self._assets().values()}
        self._check(all(path.startswith(self._second) for path in host_paths), "they are shown at the new path")
        self._check_ids("all photos have the ids they had")

    def _deleted_and_put_back(self) -> None:
        victim = sorted(self._ids)[PHOTOS // 2]
        self._telling.scene(f"One photo is deleted: {victim}")
        place = os.path.join(self._second, victim)
        with open(place, "rb") as file:
            content = file.read()
        os.unlink(place)
        gathered = self._stage.gather(_assets_are(1), "the photo to be missing")
        kinds = _of_assets(gathered.items)
        self._check(kinds == {"asset.missing": 1}, "it is missing, after a second look", gathered.took_s)
        self._check(gathered.items[-1].id == self._ids[victim], "and it is that one")
        self._check(self._counts() == {"present": PHOTOS - 1, "missing": 1}, "no other is")
        self._telling.note("Now it is put back.")
        with open(place, "wb") as file:
            file.write(content)
        gathered = self._stage.gather(_assets_are(1), "the photo to be back")
        self._check(_of_assets(gathered.items) == {"asset.restored": 1}, "it is back", gathered.took_s)
        self._check_ids("with the id it had")

    def _moved(self) -> None:
        self._telling.scene("20 photos are moved to a new folder, 5 renamed, and a whole folder renamed.")
        names = sorted(self._ids)
        moves = {name: f"best/{os.path.basename(name)}" for name in names[:20]}
        moves |= {name: f"{os.path.splitext(name)[0]} renamed.jpg" for name in names[100:105]}
        os.mkdir(os.path.join(self._second, "best"))
        for old, new in moves.items():
            os.rename(os.path.join(self._second, old), os.path.join(self._second, new))
        folder = os.path.dirname(names[200])
        os.rename(os.path.join(self._second, folder), os.path.join(self._second, "in the mountains"))
        moves |= {
            name: f"in the mountains/{os.path.basename(name)}" for name in names if os.path.dirname(name) == folder
        }
        gathered = self._stage.gather(_assets_are(len(moves)), f"{len(moves)} moves")
        moved = {item.id for item in gathered.items if item.kind == "asset.moved"}
        self._check(moved == {self._ids[name] for name in moves}, f"{len(moves)} photos have moved", gathered.took_s)
        self._check(set(_of_assets(gathered.items)) == {"asset.moved"}, "none was missing or added meanwhile")
        self._ids = {moves.get(name, name): identifier for name, identifier in self._ids.items()}
        self._check_ids("all have the ids they had, at the new places")

    def _other_disk(self) -> None:
        self._telling.scene("The disk goes back to its first path, and then another disk takes its place there.")
        self._usb.umount()
        self._stage.gather(_volume_is("offline"), "the volume to go offline")
        self._back_at(self._first)
        self._usb.umount()
        self._stage.gather(_volume_is("offline"), "the volume to go offline")
        self._other.mount(self._first)
        gathered = self._stage.gather(_volume_is("conflict"), "the conflict to be noticed")
        volume = self._stage.volume("USB")
        self._check(volume.state == "conflict", f"that is a conflict: “{volume.detail}”", gathered.took_s)
        self._stage.request_scan()
        later = gathered.items + self._stage.listen(QUIET_S)
        self._check(self._counts() == {"present": PHOTOS}, "0 photos are missing, 0 were added")
        self._check(not _of_assets(later), "nothing on the other disk was taken for the library")

    def _right_disk_again(self) -> None:
        self._telling.scene("The right disk comes back.")
        self._other.umount()
        self._back_at(self._first)
        self._check_ids("every photo is present, with the id it had from the start")

    def _back_at(self, place: str) -> list[FeedItem]:
        """Mount the disk, and wait until it was looked through; answers with all that the feed brought."""
        refreshed = self._stage.refreshed_at(self._library)
        self._usb.mount(place)
        gathered = self._stage.gather(_volume_is("online"), "the volume to come online")
        self._check(self._stage.volume("USB").state == "online", "its volume is online", gathered.took_s)
        self._stage.await_refresh(self._library, refreshed)
        return gathered.items + self._stage.catch_up()

    def _check_ids(self, text: str) -> None:
        now = {
            self._inside(asset): identifier
            for identifier, asset in self._assets().items()
            if asset["status"] == "present" and asset["availability"] == "online"
        }
        self._check(now == self._ids, text)

    def _check(self, holds: bool, text: str, took_s: float | None = None) -> None:
        self._telling.check(holds, text, took_s)

    def _assets(self) -> Mapping[str, dict[str, Any]]:
        return self._stage.assets(self._library)

    def _statistics(self) -> Statistics:
        return self._stage.catalog.statistics(self._library)

    def _counts(self) -> Counter[str]:
        return +Counter(self._statistics().by_status)

    def _inside(self, asset: dict[str, Any]) -> str:
        """An asset's path in the library, wherever that is mounted."""
        host_path: str = asset["host_path"]
        places: Collection[str] = (self._first, self._second)
        return next(os.path.relpath(host_path, place) for place in places if host_path.startswith(f"{place}/"))


def _volume_is(state: str) -> Callable[[list[FeedItem]], bool]:
    return lambda items: any(item.kind == f"volume.{state}" for item in items)


def _assets_are(count: int) -> Callable[[list[FeedItem]], bool]:
    return lambda items: sum(item.entity == "asset" for item in items) >= count


def _of_assets(items: Sequence[FeedItem]) -> Counter[str]:
    return Counter(item.kind for item in items if item.entity == "asset")
