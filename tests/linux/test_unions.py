"""The whole product over a mergerfs pool of two disks: branches go and come back, and the pool itself dies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.linux.disks import Disk, Disks
from tests.linux.programs import Program, mergerfs
from tests.story.stack import Item, Stack, stack

pytestmark = [pytest.mark.root, pytest.mark.story]

DAY_S = 86400


def fill(folder: Path, *numbers: int) -> None:
    """Photos that nobody has touched since yesterday."""
    then = time.time() - DAY_S
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        photo = folder / f"IMG_{number:04}.jpg"
        photo.write_bytes(b"\xff\xd8\xff\xe0" + bytes([number]) * 16)
        os.utime(photo, (then, then))
    os.utime(folder, (then, then))


class Pool:
    """Two disks, the pool of both, and a library on it."""

    def __init__(self, disks: Disks, home: Path) -> None:
        self.top = home
        self.first = disks.make("ext4", label="first")
        self.second = disks.make("ext4", label="second")
        # Neither is below the agent's root; they are exposed by the pool, as far as that shows them.
        self.places = home / "branch-a", home / "branch-b"
        for disk, place, numbers in zip(self.disks, self.places, ((1, 2, 3), (4, 5)), strict=True):
            disk.mount(place)
            fill(place / "photos/2024", *numbers)
            fill(place / "private", 90)
        self.place = home / "mnt/pool"
        # New files go to where most space is free, so those that are written while a disk is away go to the bare
        # directory that it leaves behind, which lies on the largest disk.
        self.union: Program = mergerfs(self.place, *self.places, options="minfreespace=0,category.create=mfs")

    @property
    def disks(self) -> tuple[Disk, Disk]:
        """Both."""
        return self.first, self.second


class Scene:
    """A library on the pool's folder ``photos``, scanned to the end."""

    def __init__(self, parts: Stack, pool: Pool) -> None:
        self.parts, self.pool = parts, pool
        self.library = parts.library(pool.place / "photos")
        parts.feed.until_true(lambda: parts.by_status(self.library) == {"present": 5})
        for label in ("first", "second", "pool"):
            parts.until_online(label)
        parts.scan_to_the_end()
        parts.feed.drain()
        self.known = parts.assets(library=self.library)
        self.seen = len(parts.feed.items)

    def news(self) -> list[Item]:
        """What the feed said since everything was in order."""
        self.parts.feed.drain()
        return self.parts.feed.items[self.seen :]

    def about_photos(self) -> list[Item]:
        return [one for one in self.news() if one["entity"] == "asset"]

    def availability(self) -> dict[str, str]:
        """By the name of the photo."""
        return {one["file_name"]: one["availability"] for one in self.parts.assets(library=self.library).values()}

    def until_pool_is(self, reason: str) -> Item:
        """Wait for a reason of the union's state."""
        self.parts.feed.until_true(lambda: self.parts.volume("pool")["reason"] == reason)
        return self.parts.volume("pool")


@pytest.fixture
def pool(tmp_path: Path, disks: Disks) -> Iterator[Pool]:
    made = Pool(disks, tmp_path)
    try:
        made.union.mount()
        yield made
    finally:
        made.union.close()


@pytest.fixture
def parts(tmp_path: Path, pool: Pool) -> Iterator[Stack]:
    home = tmp_path / "state"
    home.mkdir()
    with stack(home) as running:
        running.start_agent(tmp_path / "mnt")
        yield running


@pytest.fixture
def scene(parts: Stack, pool: Pool) -> Scene:
    return Scene(parts, pool)


NAMES = {number: f"IMG_{number:04}.jpg" for number in range(100)}


def test_r15_a_pool_is_its_branches(scene: Scene, pool: Pool, parts: Stack) -> None:
    photos = {one["file_name"]: one for one in scene.known.values()}
    assert sorted(photos) == [NAMES[number] for number in (1, 2, 3, 4, 5)], "and nothing of what the path does not show"
    first, second, union = (parts.volume(label) for label in ("first", "second", "pool"))
    assert {photos[NAMES[number]]["volume_id"] for number in (1, 2, 3)} == {first["id"]}
    assert {photos[NAMES[number]]["volume_id"] for number in (4, 5)} == {second["id"]}
    assert {one["via_volume_id"] for one in photos.values()} == {union["id"]}
    assert photos[NAMES[1]]["path"] == str(pool.place / "photos/2024" / NAMES[1])
    assert photos[NAMES[1]]["host_path"] == str(pool.places[0] / "photos/2024" / NAMES[1])
    (path,) = parts.get(f"/libraries/{scene.library}")["import_paths"]
    assert path["volume_id"] == union["id"]
    assert {(one["path"], one["server_path"], one["via_volume_id"]) for one in path["parts"]} == {
        (str(place / "photos"), str(pool.place / "photos"), union["id"]) for place in pool.places
    }
    asked = {"paths": [str(pool.place / "photos/2024" / NAMES[4]), str(pool.places[1] / "photos/2024" / NAMES[4])]}
    for found in parts.post("/assets/lookup", asked)["items"]:
        assert [one["id"] for one in found["assets"]] == [photos[NAMES[4]]["id"]]
    # What is made through the pool is seen on the branch where it lands.
    (pool.place / "photos/2024/new.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    added = parts.feed.until(lambda one: one["kind"] == "asset.added")
    assert added["state"]["path"] == str(pool.place / "photos/2024/new.jpg")


def test_r15_a_lost_branch_takes_its_own_photos_away_and_no_others(scene: Scene, pool: Pool, parts: Stack) -> None:
    pool.second.umount()
    lost = scene.until_pool_is("branch-lost")
    assert lost["state"] == "suspect"
    assert str(pool.places[1] / "photos") in lost["detail"]
    away = {NAMES[4]: "unavailable", NAMES[5]: "unavailable"}
    assert scene.availability() == {NAMES[1]: "online", NAMES[2]: "online", NAMES[3]: "online"} | away
    figures = parts.get(f"/libraries/{scene.library}/statistics")
    assert figures["by_availability"] == {"online": 3, "unavailable": 2, "unknown": 0}
    unavailable = parts.assets(library=scene.library, availability="unavailable")
    assert {one["file_name"] for one in unavailable.values()} == {NAMES[4], NAMES[5]}
    assert {one["unavailable"]["volume_id"] for one in unavailable.values()} == {parts.volume("second")["id"]}
    # One row for the branch, and one for the union that lacks it.
    told = [(one["entity"], one["state"].get("label")) for one in scene.news()]
    assert sorted(told) == [("volume", "pool"), ("volume", "second")]
    # The bare directory takes what is written through the pool now, and it was never a branch.
    fill(pool.place / "photos/2024", 66)
    assert (pool.places[1] / "photos/2024" / NAMES[66]).stat().st_dev == pool.top.stat().st_dev
    parts.scan_to_the_end()
    assert scene.about_photos() == []
    os.unlink(pool.place / "photos/2024" / NAMES[1])
    gone = parts.feed.until(lambda one: one["kind"] == "asset.missing")
    assert gone["state"]["file_name"] == NAMES[1], "the other branch can still prove that a photo is gone"
    pool.second.mount(pool.places[1])
    scene.until_pool_is("verified")
    parts.until_online("second")
    parts.scan_to_the_end()
    assert [one["id"] for one in scene.about_photos()] == [gone["id"]]
    assert parts.assets(library=scene.library).keys() == scene.known.keys()
    assert parts.by_status(scene.library) == {"present": 4, "missing": 1}
    assert set(scene.availability().values()) == {"online"}


def test_r18_a_dead_pool_takes_all_photos_away_and_a_new_one_brings_them_back(
    scene: Scene, pool: Pool, parts: Stack
) -> None:
    asset = next(iter(scene.known))
    tag = parts.client.get(f"/assets/{asset}").headers["ETag"]
    pool.union.kill()
    parts.scan()
    dead = scene.until_pool_is("disconnected")
    assert set(scene.availability().values()) == {"unavailable"}
    shown = parts.client.get(f"/assets/{asset}", headers={"If-None-Match": tag})
    assert shown.status_code == 200, "it has changed, although its own volume has not"
    assert shown.json()["unavailable"]["volume_id"] == dead["id"]
    assert parts.get(f"/libraries/{scene.library}/statistics")["by_availability"]["unavailable"] == 5
    assert len(parts.assets(library=scene.library, availability="unavailable")) == 5
    assert parts.assets(library=scene.library, availability="online") == {}
    assert {parts.volume(label)["state"] for label in ("first", "second")} == {"online"}
    pool.union.umount()
    scene.until_pool_is("not-mounted")
    pool.union.mount()
    scene.until_pool_is("verified")
    parts.scan_to_the_end()
    assert scene.about_photos() == []
    assert set(scene.availability().values()) == {"online"}


def test_r17_a_hung_pool_leaves_its_branches_alone(scene: Scene, pool: Pool, parts: Stack) -> None:
    """Fifteen seconds is how long the agent waits for an answer."""
    pool.union.stop()
    parts.scan()
    scene.until_pool_is("hung")
    assert set(scene.availability().values()) == {"unavailable"}
    assert {parts.volume(label)["state"] for label in ("first", "second")} == {"online"}
    fill(pool.places[0] / "photos/2024", 7)
    parts.feed.until(lambda one: one["kind"] == "asset.added")
    pool.union.resume()
    scene.until_pool_is("verified")
    assert set(scene.availability().values()) == {"online"}


def test_r15_a_pool_is_the_same_after_a_restart_with_a_branch_away(scene: Scene, pool: Pool, parts: Stack) -> None:
    parts.kill_agent()
    pool.union.umount()
    pool.second.umount()
    fill(pool.places[1] / "photos/2024", 4)
    # With its registry gone too, the agent has only what the sidecar knows.
    (parts.home / "agent/registry.json").unlink()
    pool.union.mount()
    parts.start_agent(pool.top / "mnt")
    scene.until_pool_is("branch-lost")
    parts.scan_to_the_end()
    assert {name for name, one in scene.availability().items() if one == "unavailable"} == {NAMES[4], NAMES[5]}
    pool.second.mount(pool.places[1])
    scene.until_pool_is("verified")
    parts.until_online("second")
    parts.scan_to_the_end()
    assert scene.about_photos() == []
    assert parts.assets(library=scene.library).keys() == scene.known.keys()
    (path,) = parts.get(f"/libraries/{scene.library}")["import_paths"]
    assert len(path["parts"]) == 2


def test_r15_a_branch_that_is_added_while_the_pool_runs_is_taken_up(
    scene: Scene, pool: Pool, parts: Stack, disks: Disks
) -> None:
    third = disks.make("ext4", label="third").mount(pool.top / "branch-c")
    fill(third / "photos", 30)
    os.setxattr(pool.place / ".mergerfs", "user.mergerfs.branches", f"+>{third}=NC,1M".encode())
    parts.scan()
    added = parts.feed.until(lambda one: one["kind"] == "asset.added")
    assert added["state"]["path"] == str(pool.place / "photos" / NAMES[30])
    assert added["state"]["volume_id"] == parts.volume("third")["id"]
    assert parts.volume("pool")["reason"] == "verified"
    # Taken out of the running pool, its disk still mounted, it is a lost branch, and its photo is not gone.
    os.setxattr(pool.place / ".mergerfs", "user.mergerfs.branches", f"-{third}".encode())
    parts.scan()
    assert str(third / "photos") in scene.until_pool_is("branch-lost")["detail"]
    parts.scan_to_the_end()
    assert parts.by_status(scene.library) == {"present": 6}


def test_r15_a_photo_that_mergerfs_moves_between_branches_is_at_a_new_place(
    scene: Scene, pool: Pool, parts: Stack
) -> None:
    """As its tools for balancing do; the path that the photo server sees stays."""
    photo = pool.places[1] / "photos/2024" / NAMES[4]
    here = pool.places[0] / "photos/2024" / NAMES[4]
    here.write_bytes(photo.read_bytes())
    photo.unlink()
    added = parts.feed.until(lambda one: one["kind"] == "asset.added")
    gone = parts.feed.until(lambda one: one["kind"] == "asset.missing")
    assert added["state"]["path"] == gone["state"]["path"] == str(pool.place / "photos/2024" / NAMES[4])
    assert (added["state"]["volume_id"], gone["state"]["volume_id"]) == (
        parts.volume("first")["id"],
        parts.volume("second")["id"],
    )


class FarStack(Stack):
    """Its agent is in a mount namespace that has the pool, and bare directories where its branches are: a container."""

    def hide(self, *places: Path) -> None:
        """Before the agent starts: what is mounted here is out of its reach."""
        script = "".join(f"umount {place} && " for place in places) + 'exec "$0" "$@"'
        self.agent_within = ("unshare", "-m", "--propagation", "slave", "sh", "-c", script)


def test_r15_a_pool_whose_branches_are_out_of_reach_proves_nothing_while_one_is_lost(
    tmp_path: Path, pool: Pool
) -> None:
    home = tmp_path / "state"
    home.mkdir()
    parts = FarStack(home)
    try:
        parts.hide(*pool.places)
        parts.start_agent(tmp_path / "mnt")
        library = parts.library(pool.place / "photos")
        parts.feed.until_true(lambda: parts.by_status(library) == {"present": 5})
        parts.until_online("pool")
        parts.scan_to_the_end()
        (volume,) = parts.get("/volumes")["items"]
        assert volume["fs_type"] == "fuse.mergerfs", "it is scanned itself, and nothing else is known of it"
        known = parts.assets(library=library)
        control = pool.place / ".mergerfs"
        os.setxattr(control, "user.mergerfs.branches", f"-{pool.places[1]}".encode())
        parts.scan()
        parts.feed.until_true(lambda: parts.volume("pool")["reason"] == "branch-lost")
        # The folder moves its times, as if two photos had been deleted; and one really is.
        (pool.place / "photos/2024" / NAMES[1]).unlink()
        for _ in range(3):
            parts.scan_to_the_end()
        assert parts.by_status(library) == {"present": 5}
        os.setxattr(control, "user.mergerfs.branches", f"+>{pool.places[1]}".encode())
        parts.scan()
        parts.feed.until_true(lambda: parts.volume("pool")["reason"] == "verified")
        gone = parts.feed.until(lambda one: one["kind"] == "asset.missing")
        assert known[gone["id"]]["file_name"] == NAMES[1]
        parts.scan_to_the_end()
        assert parts.by_status(library) == {"present": 4, "missing": 1}
        assert parts.assets(library=library).keys() == known.keys()
    finally:
        print(parts.log())  # noqa: T201 - pytest shows it when the test has failed
        parts.close()


def test_r13_a_pool_below_an_import_path_is_its_branches_too(parts: Stack, pool: Pool) -> None:
    parts.agent_id()
    parts.agent_cli("enrol", "--plain", str(pool.top / "mnt"))
    library = parts.library(pool.top / "mnt")
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": 7})
    photos = parts.assets(library=library).values()
    assert {one["path"] for one in photos if "IMG_0004" in one["path"]} == {str(pool.place / "photos/2024" / NAMES[4])}
    assert {one["via_volume_id"] for one in photos} == {parts.volume("pool")["id"]}
    pool.second.umount()
    parts.feed.until_true(lambda: parts.volume("pool")["reason"] == "branch-lost")
    away = parts.assets(library=library, availability="unavailable").values()
    assert {one["file_name"] for one in away} == {NAMES[4], NAMES[5], NAMES[90]}
