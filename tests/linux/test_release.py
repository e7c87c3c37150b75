"""Rule R40: ``holdfast-agent release``, as a person uses it who wants to unmount a disk."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.local_socket import Request, send_request
from agent.stewards import RELEASED_S
from holdfast.exits import Exit
from tests.linux.disks import Disk, Disks, run
from tests.linux.fuse_faults import Faults, FaultyMount
from tests.linux.matrix.grounds import FOLDERS, fill
from tests.needs import needs
from tests.story.stack import PATIENCE_S, Item, Stack, stack

pytestmark = [pytest.mark.root, pytest.mark.story]


@pytest.fixture
def disk(disks: Disks, tmp_path: Path) -> Disk:
    """Mounted, with photos."""
    one = disks.make("ext4", label="family")
    fill(one.mount(tmp_path / "mnt/disk"))
    return one


@pytest.fixture
def parts(tmp_path: Path, disk: Disk) -> Iterator[Stack]:
    """Everything is scanned, and the volume online."""
    home = tmp_path / "state"
    home.mkdir()
    with stack(home) as running:
        running.start_agent(tmp_path / "mnt")
        library = running.library(disk.path)
        running.feed.until_true(lambda: running.by_status(library) == {"present": FOLDERS})
        running.until_online("family")
        running.feed.drain()
        yield running


def release(parts: Stack, volume: str | Path) -> tuple[int, str]:
    """The exit status, and what was said."""
    command = [sys.executable, "-m", "agent.cli", "release", str(volume), "--config", str(parts.home / "agent.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def becomes(parts: Stack, state: str) -> str:
    """Wait until the disk is in this state; returns the sentence about it."""
    item = parts.feed.until(lambda one: one["kind"] == f"volume.{state}" and one["state"]["label"] == "family")
    return str(item["state"]["detail"])


@pytest.mark.parametrize("called", ["label", "id", "mount point", "folder"])
def test_r40_a_volume_that_was_let_go_of_can_be_unmounted_at_the_first_try(
    parts: Stack, disk: Disk, called: str
) -> None:
    names = {"label": "family", "mount point": str(disk.path), "folder": str(disk.path / "f030")}
    parts.scan()
    code, said = release(parts, names.get(called) or parts.volume("family")["id"])
    assert (code, said) == (0, f"family: let go of. Unmount it: umount {disk.path}\n")
    place = disk.path
    run("umount", str(place))
    disk.forget_mount()
    becomes(parts, "offline")
    disk.mount(place)
    mounted_at = time.monotonic()
    becomes(parts, "online")
    assert time.monotonic() - mounted_at < RELEASED_S / 2, "another mount is taken up at once"
    assert [one for one in parts.feed.drain() if one["entity"] == "asset"] == []


def test_r40_a_path_means_the_innermost_volume(parts: Stack, disk: Disk, disks: Disks) -> None:
    inner = disks.make("ext4", label="inner")
    fill(inner.mount(disk.path / "f007"))
    parts.until_online("inner")
    code, said = release(parts, disk.path / "f007/f001")
    assert (code, said.partition(":")[0]) == (0, "inner")
    assert parts.volume("family")["state"] == "online"
    inner.umount()


def test_r40_a_volume_that_is_not_unmounted_is_taken_up_again_after_a_minute(parts: Stack, disk: Disk) -> None:
    assert release(parts, "family")[0] == 0
    released_at = time.monotonic()
    assert "let go of" in becomes(parts, "unknown")
    parts.scan()  # asking for a scan takes nobody's disk back
    (disk.path / "f002/new.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (disk.path / "f001/IMG_001.jpg").unlink()
    from_item = len(parts.feed.items)
    expected = {("volume.online", "family"), ("asset.added", "new.jpg"), ("asset.missing", "IMG_001.jpg")}

    def told(one: Item) -> tuple[str, str | None]:
        state = one["state"] or {}
        return one["kind"], state.get("label") or state.get("file_name")

    # What is found may be in the catalog before the heartbeat that says from where.
    parts.feed.until(lambda one: told(one) in expected, timeout_s=RELEASED_S + PATIENCE_S)
    assert time.monotonic() - released_at > RELEASED_S - 5.0
    parts.feed.until_true(lambda: expected <= {told(one) for one in parts.feed.items[from_item:]})


def test_what_cannot_be_let_go_of_is_said(parts: Stack, disk: Disk, tmp_path: Path) -> None:
    for unknown in ("nobody", str(tmp_path / "elsewhere")):
        code, said = release(parts, unknown)
        assert code == Exit.TRY_AGAIN
        assert f"No volume that is mounted here is called {unknown}" in said
    place = disk.path
    disk.umount()
    becomes(parts, "offline")
    code, said = release(parts, "family")
    assert (code, "No volume that is mounted here" in said) == (Exit.TRY_AGAIN, True)
    disk.mount(place)
    becomes(parts, "online")
    parts.stop_agent()
    code, said = release(parts, "family")
    assert (code, "No agent answers at" in said) == (Exit.UNAVAILABLE, True)


def test_r17_a_volume_whose_storage_hangs_is_said_not_to_be_let_go_of(parts: Stack, tmp_path: Path) -> None:
    needs(os.access("/dev/fuse", os.R_OK | os.W_OK), "needs FUSE")
    far = tmp_path / "far"
    fill(far, folders=2)
    with FaultyMount(far, tmp_path / "mnt/share") as share:
        library = parts.library(share.place, name="Share")
        parts.feed.until_true(lambda: parts.by_status(library) == {"present": 2})
        parts.until_online("share")
        share.set(Faults(hang=["/f001"]))
        send_request(str(parts.home / "agent/agent.sock"), Request("scan", parts.volume("share")["id"]))
        until = time.monotonic() + PATIENCE_S
        while share.waiting() == 0:
            assert time.monotonic() < until
            time.sleep(0.001)  # the kernel counts questions, and tells nobody
        code, said = release(parts, "share")
        assert (code, "does not answer, so it is not let go of yet" in said) == (Exit.TRY_AGAIN, True)
        share.set(Faults())
        parts.feed.until_true(lambda: release(parts, "family")[0] == 0)  # the others are served all the time
