"""A person's word, through the real command lines: plain folders, markers, clones, and accepting what is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.linux.marker import NAME
from tests.linux.disks import Disks, run
from tests.story.stack import Stack
from tests.story.test_story import fill

pytestmark = [pytest.mark.root, pytest.mark.story]

PHOTOS = 100


def refused(parts: Stack, *arguments: str) -> str:
    """What a verb says that does not do what it was asked to."""
    command = [sys.executable, "-m", "agent.cli", *arguments, "--config", str(parts.home / "agent.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (64, 66), done.stdout + done.stderr
    return done.stderr


def until_bound(parts: Stack, library: str, state: str) -> str:
    """Wait until the import path of a library is in this state; returns what is said about it."""

    def path() -> dict[str, str]:
        (found,) = parts.get(f"/libraries/{library}")["import_paths"]
        return dict(found)

    parts.feed.until_true(lambda: path()["state"] == state)
    return path().get("message") or ""


def until_reason(parts: Stack, label: str, reason: str) -> None:
    parts.feed.until_true(lambda: parts.volume(label)["reason"] == reason)


def test_r4_a_folder_without_a_disk_is_bound_by_a_persons_word_only(parts: Stack, place: Path) -> None:
    folder = place / "folder"
    folder.mkdir()
    fill(folder, PHOTOS)
    library = parts.library(folder)
    message = until_bound(parts, library, "refused")
    assert f"holdfast-agent enrol --plain {folder}" in message
    assert parts.assets(library=library) == {}
    assert "plain_directories" in refused(parts, "enrol", str(folder))
    assert "does not exist" in refused(parts, "enrol", "--plain", str(place / "none"))
    before = sorted(folder.rglob("*"))
    assert "plain folder" in parts.agent_cli("enrol", str(folder), "--plain")
    until_bound(parts, library, "bound")
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS})
    assert sorted(folder.rglob("*")) == before, "nothing is written anywhere"


def test_r7_r10_r11_marker_clone_and_acceptance(parts: Stack, place: Path, disks: Disks) -> None:
    disk = disks.make(label="family")
    usb = disk.mount(place / "usb")
    fill(usb, PHOTOS)
    library = parts.library(usb)
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS})
    parts.until_online("family")

    # Only the marker is written, and it is said what is.
    before = set(usb.rglob("*"))
    said = parts.agent_cli("enrol", str(usb), "--marker")
    assert str(usb / NAME) in said
    assert (usb / NAME).read_text() in said
    assert set(usb.rglob("*")) - before == {usb / NAME}
    assert "nothing to accept" in refused(parts, "accept", "family", "--yes")
    parts.feed.until_true(lambda: "marker" in _matched(parts, "family"))
    parts.until_online("family")

    # Without it the disk is doubted: what comes is told, what goes is not.
    (usb / NAME).unlink()
    (usb / "trip 000/IMG_00000.jpg").unlink()
    (usb / "new.jpg").write_bytes(b"\xff\xd8 new")
    until_reason(parts, "family", "marker-missing")
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS + 1})

    # A person says that it is the right one: the photo that is gone is then proven gone.
    said = parts.agent_cli("accept", "family", "--yes")
    assert "right storage" in said
    parts.until_online("family")
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS, "missing": 1})

    # A clone beside it: the same again, until it is gone.
    run("sync")
    clone = disks.copy(disk)
    clone.mount(place / "clone")
    until_reason(parts, "family", "clone")
    (usb / "trip 000/IMG_00001.jpg").unlink()
    (usb / "newer.jpg").write_bytes(b"\xff\xd8 newer")
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS + 1, "missing": 1})
    clone.umount()
    parts.until_online("family")
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS, "missing": 2})


def _matched(parts: Stack, label: str) -> list[str]:
    status = json.loads(parts.agent_cli("status", "--json"))
    (found,) = [one["matched"] for one in status["volumes"] if one["status"]["label"] == label]
    return list(found)
