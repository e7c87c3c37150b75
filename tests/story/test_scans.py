"""Scans that a photo server asks for, and looks at one file, on real disks with a real agent."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.linux.disks import Disk, Disks
from tests.story.stack import Item, Stack

pytestmark = [pytest.mark.root, pytest.mark.story]

DAY_S = 86400
# So many that a scan of them can be caught while it runs.
FOLDERS, PHOTOS = 4_000, 5


@pytest.fixture
def reads() -> str:
    return "yes"


def photo(path: Path, data: bytes = b"\xff\xd8\xff\xe0") -> Path:
    """A photo that nobody has touched since yesterday."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data + path.name.encode())
    then = time.time() - DAY_S
    os.utime(path, (then, then))
    return path


def ask(parts: Stack, library: str, mode: str = "changed", path: Path | None = None) -> Item:
    body = {"mode": mode} | ({} if path is None else {"path": str(path)})
    return dict(parts.post(f"/libraries/{library}/scan", body))


def job(parts: Stack, asked: Item) -> Item:
    return dict(parts.get(f"/jobs/{asked['id']}"))


def finished(parts: Stack, asked: Item) -> Item:
    """Wait until a job has ended."""
    parts.feed.until_true(lambda: job(parts, asked)["finished_at"] is not None)
    return job(parts, asked)


def scanned(parts: Stack, library: str, mode: str = "changed", path: Path | None = None) -> Item:
    return finished(parts, ask(parts, library, mode, path))


def check(parts: Stack, asset: Item) -> Item:
    answer = parts.client.post(f"/assets/{asset['id']}/check", params={"wait": 20})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def assets(parts: Stack) -> dict[str, Item]:
    return {str(one["path"]): one for one in parts.assets().values()}


def write_behind(disk: Disk, old: bytes, new: bytes) -> None:
    """Change what is in a file without any file system's knowing, as a disk that rots does."""
    with disk.image.open("r+b") as image:
        content = image.read()
        assert content.count(old) == 1
        image.seek(content.index(old))
        image.write(new)
        os.fsync(image.fileno())


def test_scans_in_all_modes(running: Stack, disks: Disks, place: Path) -> None:
    parts = running
    usb = disks.make("ext4", size_mib=16, label="usb")
    usb.mount(place / "usb")
    marks = os.urandom(64), os.urandom(64)
    kept = photo(place / "usb/trip/a.jpg", marks[0])
    photo(place / "usb/trip/day/b.jpg")
    photo(place / "usb/other/c.jpg")
    library = parts.library(place / "usb")
    parts.feed.until_true(lambda: len(parts.assets()) == 3)
    parts.feed.until_true(lambda: all(one["content_checksum"] for one in parts.assets().values()))
    scanned(parts, library)
    before = parts.get(f"/libraries/{library}")["refreshed_at"]
    parts.feed.drain()

    for mode in ("new", "changed", "full"):
        done = scanned(parts, library, mode)
        assert (done["state"], done["done"], done["scan"]["complete"]) == ("done", 3, True)
        assert done["result"] == {"directories": 5, "files": 3, "errors": 0}  # lost+found, too
    told = [item["kind"] for item in parts.feed.drain() if item["entity"] == "asset"]
    assert told == [], "nothing has changed"
    assert parts.get(f"/libraries/{library}")["refreshed_at"] > before

    # The disk rots: no size and no time shows it.
    usb.umount()
    write_behind(usb, *marks)
    usb.mount(place / "usb")
    parts.until_online("usb")
    checksum = assets(parts)[str(kept)]["content_checksum"]
    assert scanned(parts, library, "changed")["scan"]["complete"]
    assert assets(parts)[str(kept)]["content_checksum"] == checksum
    scanned(parts, library, "full", kept)
    parts.feed.until_true(lambda: assets(parts)[str(kept)]["content_checksum"] not in (None, checksum))


def test_a_folder_and_a_file(running: Stack, disks: Disks, place: Path) -> None:
    parts = running
    disks.make("ext4", size_mib=16, label="usb").mount(place / "usb")
    for name in ("trip/a.jpg", "trip/day/b.jpg", "other/c.jpg"):
        photo(place / "usb" / name)
    library = parts.library(place / "usb")
    parts.feed.until_true(lambda: len(parts.assets()) == 3)
    scanned(parts, library)
    fresh = parts.get(f"/libraries/{library}")["refreshed_at"]
    folder = scanned(parts, library, "new", place / "usb/trip")
    assert folder["result"] == {"directories": 2, "files": 2, "errors": 0}
    file = scanned(parts, library, "full", place / "usb/trip/a.jpg")
    assert file["result"] == {"directories": 1, "files": 1, "errors": 0}
    assert scanned(parts, library, "full", place / "usb/trip/never.jpg")["done"] == 0
    assert parts.get(f"/libraries/{library}")["refreshed_at"] == fresh, "neither was of all the library"

    # Whoever has just written a file asks for it, and has it when the scan is over.
    (place / "usb/trip/new.jpg").write_bytes(b"\xff\xd8new")
    scanned(parts, library, "changed", place / "usb/trip/new.jpg")
    assert assets(parts)[str(place / "usb/trip/new.jpg")]["status"] == "present"

    # Whoever has deleted some knows when the scan is over that they are missing.
    (place / "usb/trip/a.jpg").unlink()
    (place / "usb/trip/day/b.jpg").unlink()
    assert scanned(parts, library, "new", place / "usb/trip")["scan"]["complete"]
    assert {path: one["status"] for path, one in assets(parts).items()} == {
        str(place / "usb/trip/a.jpg"): "missing",
        str(place / "usb/trip/day/b.jpg"): "missing",
        str(place / "usb/trip/new.jpg"): "present",
        str(place / "usb/other/c.jpg"): "present",
    }


def test_a_look_at_one_file(running: Stack, disks: Disks, place: Path) -> None:
    parts = running
    usb = disks.make("ext4", size_mib=16, label="usb")
    usb.mount(place / "usb")
    there, gone = photo(place / "usb/a.jpg"), photo(place / "usb/b.jpg")
    parts.library(place / "usb")
    parts.feed.until_true(lambda: len(parts.assets()) == 2)
    parts.until_online("usb")  # what is on a volume may be told a little before its state is
    found = check(parts, assets(parts)[str(there)])
    assert (found["looked"], found["found"], found["asset"]["status"]) == (True, True, "present"), found["message"]
    before = assets(parts)[str(gone)]
    gone.unlink()
    found = check(parts, before)
    assert (found["looked"], found["found"]) == (True, False)
    assert (found["asset"]["id"], found["asset"]["status"]) == (before["id"], "missing")
    photo(gone)
    found = check(parts, before)
    assert (found["looked"], found["asset"]["status"]) == (True, "present")

    usb.umount()
    parts.feed.until_true(lambda: parts.volume("usb")["state"] == "offline")
    began = time.monotonic()
    away = check(parts, before)
    assert time.monotonic() - began < 5.0, "nobody waits for a disk in a drawer"
    assert (away["looked"], away["found"]) == (False, None)
    assert (away["asset"]["status"], away["asset"]["availability"]) == ("present", "unavailable")


def test_a_library_on_two_disks_is_scanned_in_two_parts(running: Stack, disks: Disks, place: Path) -> None:
    parts = running
    disks.make("ext4", size_mib=16, label="usb").mount(place / "usb")
    disks.make("ext4", size_mib=16, label="other").mount(place / "other")
    photo(place / "usb/a.jpg")
    photo(place / "other/b.jpg")
    library = parts.library(place / "usb", place / "other")
    parts.feed.until_true(lambda: len(parts.assets()) == 2)
    done = scanned(parts, library)
    assert done["scan"]["complete"]
    assert len(done["scan"]["parts"]) == 2
    assert sum(part["files"] for part in done["scan"]["parts"]) == 2


def test_a_scan_waits_for_its_disk_and_is_one_however_often_it_is_asked_for(
    running: Stack, disks: Disks, place: Path
) -> None:
    parts = running
    usb, nas = disks.make("ext4", size_mib=16, label="usb"), disks.make("ext4", size_mib=16, label="nas")
    usb.mount(place / "usb")
    nas.mount(place / "nas")
    photo(place / "usb/trip/a.jpg")
    photo(place / "nas/b.jpg")
    library = parts.library(place / "usb", place / "nas")
    parts.feed.until_true(lambda: len(parts.assets()) == 2)
    usb.umount()
    parts.feed.until_true(lambda: parts.volume("usb")["state"] == "offline")

    path = ask(parts, library, "changed", place / "usb/trip")
    assert (path["state"], path["scan"]["parts"][0]["state"]) == ("pending", "waiting")
    assert "usb" in path["scan"]["parts"][0]["waiting_for"]
    asked = ask(parts, library)
    assert {ask(parts, library)["id"], ask(parts, library, "new", place / "usb")["id"]} == {asked["id"]}
    assert ask(parts, library, "new", place / "usb/trip/a.jpg")["id"] == path["id"]
    parts.feed.until_true(lambda: {one["state"] for one in job(parts, asked)["scan"]["parts"]} == {"ended", "waiting"})
    assert job(parts, asked)["state"] == "running", "the other disk is there"

    # An agent that is started again knows what is wanted, and what it has done.
    parts.kill_agent()
    parts.start_agent(place)
    usb.mount(place / "usb")
    for one in (path, asked):
        done = finished(parts, one)
        assert (done["state"], done["scan"]["complete"]) == ("done", True)
    assert set(parts.by_status(library)) == {"present"}


def test_a_scan_is_cancelled_before_and_while_it_runs(parts: Stack, disks: Disks, place: Path) -> None:
    usb = disks.make("ext4", size_mib=128, label="usb")
    usb.mount(place / "usb")
    for number in range(FOLDERS):
        folder = place / f"usb/{number:04}"
        folder.mkdir()
        for name in range(PHOTOS):
            os.mknod(folder / f"{name}.jpg")
    library = parts.library(place / "usb")
    parts.feed.until_true(lambda: parts.get(f"/libraries/{library}")["refreshed_at"] is not None)
    usb.umount()
    parts.feed.until_true(lambda: parts.volume("usb")["state"] == "offline")
    waiting = ask(parts, library)
    assert parts.post(f"/jobs/{waiting['id']}/cancel", {})["state"] == "cancelled"
    before = parts.get(f"/libraries/{library}")["refreshed_at"]
    usb.mount(place / "usb")
    parts.feed.until_true(lambda: parts.get(f"/libraries/{library}")["refreshed_at"] != before)

    worker = _worker(parts)
    try:
        running = _caught(parts, library, worker)
        scan = running["scan"]["parts"][0]["id"]
        cancelled = parts.post(f"/jobs/{running['id']}/cancel", {})
        assert (cancelled["state"], cancelled["scan"]["parts"][0]["state"]) == ("cancelled", "dropped")
    finally:
        os.kill(worker, signal.SIGCONT)
    after = scanned(parts, library, "new", place / "usb/0001")
    assert after["result"] == {"directories": 1, "files": PHOTOS, "errors": 0}
    parts.feed.drain()
    ended = {item["id"] for item in parts.feed.items if item["kind"] == "scan.finished"}
    assert scan not in ended
    assert waiting["scan"]["parts"][0]["id"] not in ended


def _caught(parts: Stack, library: str, worker: int) -> Item:
    """A scan in the middle, with the process that does it stopped."""
    for _ in range(30):
        asked = ask(parts, library)
        if _begun(parts, asked, worker) == "running":
            _until(lambda: all(one["status"]["pending"] == 0 for one in _status(parts)))
            if job(parts, asked)["state"] == "running":
                return asked
        os.kill(worker, signal.SIGCONT)
    raise AssertionError("every scan was faster")


def _begun(parts: Stack, asked: Item, worker: int) -> str:
    """Let the worker on for a moment at a time, each much shorter than a scan, until the catalog has heard that this
    one has begun. Returns its state; the worker is stopped."""
    os.kill(worker, signal.SIGSTOP)
    while not _passes(lambda: job(parts, asked)["state"] != "pending", 0.05):
        os.kill(worker, signal.SIGCONT)
        time.sleep(0.005)
        os.kill(worker, signal.SIGSTOP)
    return str(job(parts, asked)["state"])


def _passes(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether a condition comes true within a short time."""
    deadline = time.monotonic() + timeout_s
    while not (is_true := condition()) and time.monotonic() < deadline:
        pass
    return is_true


def _status(parts: Stack) -> list[Item]:
    return list(json.loads(parts.agent_cli("status", "--json"))["volumes"])


def _worker(parts: Stack) -> int:
    """The process that works on the disk, once it does."""
    found: list[int] = []

    def works() -> bool:
        told = _status(parts)
        found[:] = [one["worker_pid"] for one in told if one["status"]["state"] == "online"]
        return bool(found) and all(one["scan"] is None for one in told)

    _until(works)
    return found[0]


def _until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.1)  # the status socket tells of no change by itself
