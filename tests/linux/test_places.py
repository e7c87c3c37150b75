"""The whole product where one path shows several file systems, or one file system is at several paths."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.linux.disks import Disks, run, umount
from tests.story.stack import Stack, stack

pytestmark = [pytest.mark.root, pytest.mark.story]

DAY_S = 86400


def fill(folder: Path, *names: str) -> Path:
    """Photos that nobody has touched since yesterday."""
    then = time.time() - DAY_S
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        photo = folder / f"{name}.jpg"
        photo.write_bytes(b"\xff\xd8\xff\xe0" + name.encode())
        os.utime(photo, (then, then))
    os.utime(folder, (then, then))
    return folder


@pytest.fixture
def mnt(tmp_path: Path) -> Iterator[Path]:
    """Where everything is mounted; nothing is when the test is over."""
    place = tmp_path / "mnt"
    place.mkdir()
    yield place
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        if line.split()[1].startswith(str(place)):
            run("umount", "-l", line.split()[1])


@pytest.fixture
def parts(tmp_path: Path, mnt: Path) -> Iterator[Stack]:
    """The stack, which may expose what is mounted below mnt."""
    home = tmp_path / "state"
    home.mkdir()
    with stack(home) as running:
        running.start_agent(mnt)
        yield running


def settled(parts: Stack, library: str, count: int) -> dict[str, Any]:
    """The assets of a library by their path, when it has as many as this."""
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": count})
    return {one["path"]: one for one in parts.assets(library=library).values()}


def test_r13_a_mount_below_an_import_path_is_a_volume_of_its_own_and_covers_without_harm(
    parts: Stack, disks: Disks, mnt: Path
) -> None:
    disk = disks.make("ext4", label="disk").mount(mnt / "disk")
    fill(disk / "2024", "a")
    under = fill(disk / "usb", "under")
    library = parts.library(disk)
    before = settled(parts, library, 2)
    parts.until_online("disk")
    # A stick is mounted over a folder with a photo.
    stick = disks.make("ext4", label="stick")
    fill(stick.mount(mnt / "elsewhere"), "on-stick")
    stick.umount()
    stick.mount(under)
    shown = settled(parts, library, 3)
    on_stick = shown[str(under / "on-stick.jpg")]
    parts.until_online("stick")
    assert on_stick["volume_id"] == parts.volume("stick")["id"]
    assert on_stick["via_volume_id"] is None
    (path,) = parts.get(f"/libraries/{library}")["import_paths"]
    assert [(one["path"], one["server_path"]) for one in path["parts"]] == [(str(under), str(under))]
    parts.scan_to_the_end()
    seen = len(parts.feed.items)
    # And goes again: its photo is unavailable, the covered one was there all the time.
    stick.umount()
    parts.feed.until_true(lambda: parts.volume("stick")["state"] == "offline")
    parts.scan_to_the_end()
    parts.feed.drain()
    assert [one for one in parts.feed.items[seen:] if one["entity"] == "asset"] == []
    now = {one["path"]: one for one in parts.assets(library=library).values()}
    assert {path: one["availability"] for path, one in now.items()} == {
        str(disk / "2024/a.jpg"): "online",
        str(under / "under.jpg"): "online",
        str(under / "on-stick.jpg"): "unavailable",
    }
    assert now[str(under / "under.jpg")]["id"] == before[str(under / "under.jpg")]["id"]
    # The same stick again is the same volume; another one in its place is not.
    stick.mount(under)
    parts.until_online("stick")
    parts.scan_to_the_end()
    assert {one["id"] for one in settled(parts, library, 3).values()} == {one["id"] for one in now.values()}
    stick.umount()
    other = disks.make("ext4", label="other")
    fill(other.mount(mnt / "elsewhere"), "on-stick")
    other.umount()
    other.mount(under)
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": 4})
    parts.until_online("other")
    twins = [one for one in parts.assets(library=library).values() if one["path"] == str(under / "on-stick.jpg")]
    assert {one["availability"] for one in twins} == {"online", "unavailable"}
    assert on_stick["id"] in {one["id"] for one in twins}


def test_r13_what_a_mount_covered_before_anybody_looked_is_found_when_it_goes(
    parts: Stack, disks: Disks, mnt: Path
) -> None:
    disk = disks.make("ext4", label="disk").mount(mnt / "disk")
    under = fill(disk / "usb", "under")
    stick = disks.make("ext4", label="stick")
    fill(stick.mount(under), "on-stick")
    library = parts.library(disk)
    assert list(settled(parts, library, 1)) == [str(under / "on-stick.jpg")]
    for label in ("disk", "stick"):
        parts.until_online(label)
    stick.umount()
    assert str(under / "under.jpg") in settled(parts, library, 2)


def test_r13_a_file_system_that_is_mounted_twice_is_one_volume(parts: Stack, disks: Disks, mnt: Path) -> None:
    disk = disks.make("ext4", label="disk").mount(mnt / "disk")
    fill(disk / "2024", "a")
    (disk / "again").mkdir()
    (mnt / "alias").mkdir()
    run("mount", "--bind", str(disk), str(mnt / "alias"))
    # Even below itself: the photo is shown once, where it was found first.
    run("mount", "--bind", str(disk), str(disk / "again"))
    one, two = parts.library(disk, name="one"), parts.library(mnt / "alias", name="two")
    assert list(settled(parts, one, 1)) == [str(disk / "2024/a.jpg")]
    assert list(settled(parts, two, 1)) == [str(mnt / "alias/2024/a.jpg")]
    parts.scan_to_the_end()
    assert [one["label"] for one in parts.get("/volumes")["items"]] == ["disk"]
    umount(disk / "again")
    umount(disk)
    parts.feed.until_true(lambda: parts.volume("disk")["mounted_at"] == str(mnt / "alias"))
    parts.scan_to_the_end()
    assert parts.by_status(one) == parts.by_status(two) == {"present": 1}


def test_r13_a_part_of_a_file_system_is_a_volume_by_what_part_it_is(parts: Stack, disks: Disks, mnt: Path) -> None:
    """As in a container, which sees /photos of a disk and nothing else of it; and as subvolumes of a btrfs."""
    disk = disks.make("ext4", label="disk")
    whole = disk.mount(mnt / "whole")
    fill(whole / "photos", "a")
    (mnt / "part").mkdir()
    run("mount", "--bind", str(whole / "photos"), str(mnt / "part"))
    disk.umount()
    pool = disks.make("btrfs", label="pool")
    top = pool.mount(mnt / "top")
    for name in ("one", "two"):
        run("btrfs", "subvolume", "create", str(top / name))
        fill(top / name, name)
    for name in ("one", "two"):
        pool.mount(mnt / name, f"subvol={name}")
    library = parts.library(mnt / "part", mnt / "one", mnt / "two")
    before = settled(parts, library, 3)
    roots = {one["identity"].get("root", "/"): one for one in parts.get("/volumes")["items"]}
    assert sorted(roots) == ["/one", "/photos", "/two"]
    # Mounted elsewhere, the part is what it was, and the other subvolume is no stand-in for the first.
    umount(mnt / "part")
    umount(mnt / "one")
    parts.feed.until_true(lambda: {one["state"] for one in parts.get("/volumes")["items"]} == {"offline", "online"})
    disk.mount(mnt / "whole")
    (mnt / "moved").mkdir()
    run("mount", "--bind", str(mnt / "whole/photos"), str(mnt / "moved"))
    pool.mount(mnt / "one", "subvol=two")
    parts.feed.until_true(
        lambda: any(one["mounted_at"] == str(mnt / "moved") for one in parts.get("/volumes")["items"])
    )
    parts.scan_to_the_end()
    assert {one["id"] for one in settled(parts, library, 3).values()} == {one["id"] for one in before.values()}
    away = [one["path"] for one in parts.assets(library=library, availability="unavailable").values()]
    assert away == [str(mnt / "one/one.jpg")]


def test_r15_an_overlay_with_another_lower_layer_is_no_storm_of_deletions(
    parts: Stack, disks: Disks, mnt: Path
) -> None:
    """Its files have the device numbers of their layers, which is no sign of a mount in between."""
    lower, upper = disks.make("ext4").mount(mnt / "lower"), disks.make("ext4").mount(mnt / "upper")
    other = disks.make("ext4").mount(mnt / "other")
    fill(lower / "old/2023", "a", "b", "c")
    fill(upper / "top/new/2024", "d")
    (upper / "work").mkdir()
    (other / "empty").mkdir()
    place = mnt / "view"
    place.mkdir()
    layers = f"upperdir={upper}/top,workdir={upper}/work"
    run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},{layers}", str(place))
    library = parts.library(place)
    before = settled(parts, library, 4)
    parts.until_online("view")
    assert (place / "old/2023/a.jpg").stat().st_dev != (place / "new/2024/d.jpg").stat().st_dev
    (place / "new/2024/d.jpg").unlink()
    gone = parts.feed.until(lambda one: one["kind"] == "asset.missing")
    assert gone["state"]["file_name"] == "d.jpg", "and a deletion is one"
    # Copied up, a file is still itself.
    os.utime(place / "old/2023/a.jpg")
    parts.feed.until(lambda one: one["kind"] == "asset.updated")
    umount(place)
    run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={other}/empty,{layers}", str(place))
    parts.feed.until_true(lambda: parts.volume("view")["state"] in ("suspect", "conflict"))
    assert parts.by_status(library) == {"present": 3, "missing": 1}
    umount(place)
    run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},{layers}", str(place))
    parts.until_online("view")
    parts.scan_to_the_end()
    assert parts.by_status(library) == {"present": 3, "missing": 1}
    assert {one["id"] for one in parts.assets(library=library).values()} == {one["id"] for one in before.values()}
