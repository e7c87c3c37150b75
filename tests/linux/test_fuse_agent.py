"""The whole product over a FUSE file system that dies, hangs, fails and lies, beside a disk that is in order."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from agent.local_socket import Request, ask_status, send_request
from holdfast.status import VolumeReading
from sidecar.uptime import HEARTBEAT_S
from tests.linux.disks import Disks
from tests.linux.fuse_faults import Faults, FaultyMount
from tests.needs import needs
from tests.story.stack import PATIENCE_S, Item, Stack

pytestmark = [pytest.mark.root, pytest.mark.story]

YEARS = ("2023", "2024")
PHOTOS = 12
# Storage takes its time when a disk spins up; what is mounted here answers at once, or never.
WAITS = "patience_s = 2.0\nprobe_deadline_s = 2.0\n"
DAY_S = 86400
# Each fault lasts this long; together they last for several heartbeats.
FAULT_S = 6.0


class ImpatientStack(Stack):
    """Its agent takes storage for hung after two seconds."""

    agent_settings = WAITS


class Scene:
    """A library on a share with faults and one on a healthy disk, both scanned to the end."""

    def __init__(self, parts: Stack, share: FaultyMount, disk: Path) -> None:
        self.parts = parts
        self.share = share
        self.disk = disk
        self.library = parts.library(share.place, name="Share")
        self.other = parts.library(disk, name="Disk")
        both = {self.library, self.other}
        parts.feed.until_true(lambda: all(parts.by_status(one) == {"present": PHOTOS} for one in both))
        self.volume = parts.volume(share.place.name)["id"]
        healthy = parts.volume("healthy")["id"]
        parts.feed.until_true(lambda: all(_scans(parts.feed.items, one) for one in (self.volume, healthy)))
        parts.feed.drain()
        self.known = parts.assets(library=self.library)
        self.seen = len(parts.feed.items)
        assert len(self.known) == PHOTOS

    def becomes(self, state: str) -> str:
        """Wait until the share is in this state; returns the reason."""
        wanted = f"volume.{state}"
        item = self.parts.feed.until(lambda one: one["id"] == self.volume and one["kind"] == wanted)
        return str(item["state"]["reason"])

    def news(self) -> list[Item]:
        """What the feed said about the photos of the share since everything was in order."""
        self.parts.feed.drain()
        return [one for one in self.parts.feed.items[self.seen :] if one["id"] in self.known]

    def nothing_happened_to_the_photos(self) -> None:
        """The same ids, all of them present, and not a word about any."""
        assert self.news() == []
        assert self.parts.assets(library=self.library).keys() == self.known.keys()
        assert self.parts.by_status(self.library) == {"present": PHOTOS}

    def reading(self) -> VolumeReading:
        """The share, as the status socket tells it; it has to answer within a second."""
        status = ask_status(str(self.parts.home / "agent" / "agent.sock"), timeout_s=1.0)
        (found,) = [one for one in status.volumes if one.status.volume == self.volume]
        return found

    def workers(self) -> set[int]:
        """The processes that the agent has started."""
        agent = ask_status(str(self.parts.home / "agent" / "agent.sock"), timeout_s=1.0).pid
        return set(map(int, Path(f"/proc/{agent}/task/{agent}/children").read_text().split()))


def _scans(items: list[Item], volume: str) -> set[str]:
    """The scans of a volume that were finished."""
    return {one["id"] for one in items if one["kind"] == "scan.finished" and one["state"]["volume_id"] == volume}


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Stack]:
    """The stack, which may expose what is mounted below mnt."""
    home = tmp_path / "state"
    home.mkdir()
    running = ImpatientStack(home)
    try:
        running.start_agent(tmp_path / "mnt")
        yield running
        print(running.log())  # noqa: T201 - pytest shows it when the test has failed
    finally:
        running.close()


@pytest.fixture
def scene(tmp_path: Path, disks: Disks, parts: Stack) -> Iterator[Scene]:
    """Everything in order."""
    needs(os.access("/dev/fuse", os.R_OK | os.W_OK), "needs FUSE")
    far = tmp_path / "far"
    fill(far)
    healthy = disks.make("ext4", label="healthy").mount(tmp_path / "mnt/disk")
    fill(healthy)
    with FaultyMount(far, tmp_path / "mnt/share") as share:
        yield Scene(parts, share, healthy)


def fill(top: Path) -> None:
    """Photos of two years, which nobody has touched since yesterday."""
    then = time.time() - DAY_S
    for number in range(PHOTOS):
        folder = top / YEARS[number % len(YEARS)]
        folder.mkdir(parents=True, exist_ok=True)
        photo = folder / f"IMG_{number:04}.jpg"
        photo.write_bytes(b"\xff\xd8\xff\xe0" + bytes([number]) * 16)
        os.utime(photo, (then, then))
    for folder in (*(top / year for year in YEARS), top):
        os.utime(folder, (then, then))


def test_r18_dead_daemon_makes_its_volume_suspect_and_a_new_one_brings_the_same_photos_back(scene: Scene) -> None:
    scene.share.kill()
    scene.parts.scan()
    assert scene.becomes("suspect") == "disconnected"
    scene.nothing_happened_to_the_photos()
    unavailable = scene.parts.assets(library=scene.library)
    assert {asset["availability"] for asset in unavailable.values()} == {"unavailable"}
    scene.share.umount()
    assert scene.becomes("offline") == "not-mounted"
    scene.share.mount()
    scene.becomes("online")
    scene.parts.scan_to_the_end()
    scene.nothing_happened_to_the_photos()


@pytest.mark.parametrize("how", ["stopped", "silent"])
def test_r17_hung_daemon_costs_its_own_volume_and_nothing_else(scene: Scene, how: str) -> None:
    """A daemon that is stopped leaves questions in the queue, where a worker can be killed; one that has taken a
    question and never answers makes even SIGKILL wait."""
    worker = scene.reading().worker_pid
    if how == "stopped":
        scene.share.stop()
    else:
        scene.share.set(Faults(hang=["/"]))
    asked = time.monotonic()
    scene.parts.scan()
    photo = scene.disk / "2024" / "new.jpg"
    photo.write_bytes(b"\xff\xd8\xff\xe0")
    while scene.reading().status.reason != "hung":  # each of these answers within a second, or raises
        assert time.monotonic() - asked < PATIENCE_S
        scene.parts.feed.read(wait_s=0.2)
    told = scene.parts.feed.until(lambda one: one["kind"] == "asset.added")
    assert told["state"]["host_path"] == str(photo)
    assert scene.becomes("suspect") == "hung"
    assert scene.reading().worker_pid != worker, "it was given up"
    assert scene.parts.volume("healthy")["state"] == "online"
    scene.nothing_happened_to_the_photos()
    if how == "stopped":
        scene.share.resume()
    else:
        scene.share.abort()
        scene.share.umount()
        scene.share.kill()
        scene.share.mount()
    scene.becomes("online")
    scene.parts.scan_to_the_end()
    scene.nothing_happened_to_the_photos()
    # One for each volume, one that asks, and a spare.
    scene.parts.feed.until_true(lambda: len(scene.workers()) <= 4)
    assert worker not in scene.workers()


def test_r17_a_folder_that_hangs_does_not_gather_workers(scene: Scene) -> None:
    """What was given up and cannot die holds the next attempt back."""
    scene.share.set(Faults(hang=["/2024"]))
    scene.parts.scan()
    assert scene.becomes("suspect") == "hung"
    until = time.monotonic() + 6.0
    while time.monotonic() < until:
        assert len(scene.workers()) <= 5, "one for each volume, one that asks, a spare, and one that hangs"
        scene.parts.feed.read(wait_s=0.2)
    scene.nothing_happened_to_the_photos()
    scene.share.set(Faults())
    scene.parts.feed.until_true(lambda: scene.reading().status.state == "online")
    scene.parts.scan_to_the_end()
    scene.nothing_happened_to_the_photos()
    scene.parts.feed.until_true(lambda: len(scene.workers()) <= 4)


def test_r17_a_share_mounted_anew_is_served_while_the_old_one_still_holds_a_worker(scene: Scene) -> None:
    worker = scene.reading().worker_pid
    scene.share.set(Faults(hang=["/2024"]))
    scene.parts.scan()
    asked = time.monotonic()
    while scene.share.waiting() == 0:
        assert time.monotonic() < asked + PATIENCE_S
        time.sleep(0.001)  # the kernel counts questions, and tells nobody
    scene.share.umount()
    scene.becomes("offline")
    with FaultyMount(scene.share.source, scene.share.place):
        scene.becomes("online")
        assert scene.reading().worker_pid != worker
        assert worker in scene.workers(), "it still hangs, where nobody waits for it"
        scene.parts.scan_to_the_end()
        scene.nothing_happened_to_the_photos()
    told = [one for one in scene.parts.feed.items[scene.seen :] if one["id"] == scene.volume]
    assert "hung" not in {one["state"]["reason"] for one in told}


def test_r1_eio_on_some_paths_is_suspect_until_they_can_be_read_again(scene: Scene) -> None:
    scene.share.set(Faults(eio=["/2024/IMG_0003.jpg"]))
    scene.parts.scan()
    assert scene.becomes("suspect") == "io-error"
    scene.parts.feed.drain()
    told = len(scene.parts.feed.items)
    until = time.monotonic() + 3.0
    while time.monotonic() < until:
        scene.parts.feed.read(wait_s=0.5)
    states = [one["kind"] for one in scene.parts.feed.items[told:] if one["id"] == scene.volume]
    assert "volume.online" not in states, "it is not taken for good again while the same folder fails"
    scene.nothing_happened_to_the_photos()
    scene.share.set(Faults())
    scene.becomes("online")
    scene.parts.scan_to_the_end()
    scene.nothing_happened_to_the_photos()


def test_r2_a_share_that_turns_empty_is_suspect(scene: Scene) -> None:
    scene.share.set(Faults(empty=["/"]))
    scene.parts.scan()
    assert scene.becomes("suspect") == "empty"
    scene.nothing_happened_to_the_photos()
    scene.share.set(Faults())
    scene.becomes("online")
    scene.parts.scan_to_the_end()
    scene.nothing_happened_to_the_photos()


@pytest.mark.parametrize("whole", [False, True], ids=["short", "empty"])
def test_r1_a_short_listing_of_a_folder_that_did_not_change_proves_nothing(scene: Scene, whole: bool) -> None:
    """The folder lists short and answers for what it leaves out: then nothing is believed, not even what was really
    deleted in another folder, until it lists whole again."""
    short = Faults(empty=["/2024"]) if whole else Faults(left_out={"/2024": ["IMG_0001.jpg", "IMG_0003.jpg"]})
    scene.share.set(short)
    (scene.share.source / "2023/IMG_0000.jpg").unlink()
    scene.parts.scan()
    assert scene.becomes("suspect") == "partial"
    scene.nothing_happened_to_the_photos()
    scene.share.set(Faults())
    scene.becomes("online")
    gone = scene.parts.feed.until(lambda one: one["kind"] == "asset.missing")
    assert scene.known[gone["id"]]["host_path"].endswith("IMG_0000.jpg")
    scene.parts.scan_to_the_end()
    assert [one["id"] for one in scene.news()] == [gone["id"]]
    assert scene.parts.by_status(scene.library) == {"present": PHOTOS - 1, "missing": 1}
    # And when the folder did change, a deletion is one.
    (scene.share.source / "2024/IMG_0001.jpg").unlink()
    scene.parts.scan()
    really = scene.parts.feed.until(lambda one: one["kind"] == "asset.missing")
    assert scene.known[really["id"]]["host_path"].endswith("IMG_0001.jpg")


def test_a_slow_share_is_not_a_hung_one(scene: Scene) -> None:
    scene.share.set(Faults(slow_s={"/2023": 1.0, "/2024": 1.0}))
    scene.parts.scan_to_the_end()
    assert scene.reading().status.state == "online"
    scene.nothing_happened_to_the_photos()


class Pulse:
    """What the sidecar hears of the agent, as a context manager: when, by its own record."""

    def __init__(self, parts: Stack) -> None:
        self._parts = parts
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="pulse")
        self.heard_at: list[datetime] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def longest_s(self) -> float:
        """The longest time between two heartbeats."""
        return max((later - earlier).total_seconds() for earlier, later in pairwise(self.heard_at))

    def _listen(self) -> None:
        while not self._over.wait(0.1):
            (agent,) = self._parts.get("/agents")["items"]
            heard_at = datetime.fromisoformat(agent["last_seen"])
            if not self.heard_at or self.heard_at[-1] != heard_at:
                self.heard_at.append(heard_at)


def befall(share: FaultyMount, fault: str) -> None:
    match fault:
        case "stopped":
            share.stop()
        case "killed":
            share.kill()
        case _:
            share.set(FAULTS[fault])


def mend(share: FaultyMount, fault: str) -> None:
    match fault:
        case "stopped":
            share.resume()
        case "killed":
            share.umount()
            share.mount()
        case _:
            share.set(Faults())


FAULTS = {
    "silent": Faults(hang=["/2024"]),
    "eio": Faults(eio=["/2024/IMG_0003.jpg"]),
    "empty": Faults(empty=["/"]),
    "partial": Faults(left_out={"/2024": ["IMG_0001.jpg", "IMG_0003.jpg"]}),
    "slow": Faults(slow_s={"/2023": 1.0, "/2024": 1.0}),
}


def test_r17_the_agent_answers_and_sends_its_heartbeats_through_every_fault(scene: Scene) -> None:
    """Far more often than an agent has to, to count as one that is there."""
    found = {"stopped": "hung", "silent": "hung", "eio": "io-error", "empty": "empty", "killed": "disconnected"}
    seen: dict[str, set[str]] = {}
    socket = str(scene.parts.home / "agent" / "agent.sock")
    with Pulse(scene.parts) as pulse:
        for fault in ("stopped", "silent", "eio", "empty", "partial", "slow", "killed"):
            befall(scene.share, fault)
            until = time.monotonic() + FAULT_S
            latest = until + (2 * FAULT_S if fault in found else 0.0)  # on a machine that has other things to do
            while time.monotonic() < until or (
                time.monotonic() < latest and found[fault] not in seen.get(fault, set())
            ):
                send_request(socket, Request("scan"))
                seen.setdefault(fault, set()).add(scene.reading().status.reason)  # within a second, or it raises
                scene.parts.feed.read(wait_s=0.2)
            mend(scene.share, fault)
            scene.parts.feed.until_true(lambda: scene.reading().status.state == "online")
    assert pulse.longest_s() < 2 * HEARTBEAT_S
    assert "agent.silent" not in {one["kind"] for one in scene.parts.feed.items}
    assert [fault for fault, reason in found.items() if reason not in seen[fault]] == [], "each has befallen it"
    scene.parts.scan_to_the_end()
    scene.nothing_happened_to_the_photos()
