"""The disks that tests use: nobody else sees them, and nothing is left of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.linux.disks import Disks, run
from tests.needs import needs


@pytest.mark.root
def test_what_is_mounted_here_is_not_mounted_outside(disks: Disks, tmp_path: Path) -> None:
    place = disks.make(label="inside").mount(tmp_path / "disk")
    with open("/proc/self/mountinfo", encoding="utf-8") as here:
        assert str(place) in here.read()
    with open(f"/proc/{os.getppid()}/mountinfo", encoding="utf-8") as outside:
        assert str(place) not in outside.read()


@pytest.mark.root
def test_nothing_is_left_even_of_disks_that_are_in_use(tmp_path: Path) -> None:
    drawer = Disks(tmp_path)
    disk = drawer.make()
    place = disk.mount(tmp_path / "disk")
    disk.mount(tmp_path / "again")
    holder = os.open(place, os.O_RDONLY)
    drawer.close()
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        assert str(tmp_path) not in table.read()
    os.close(holder)
    assert str(disk.image) not in run("losetup", "--list", "--output", "BACK-FILE")
    assert not disk.image.exists()


@pytest.mark.root
def test_a_disk_that_is_closed_twice_leaves_alone_whoever_has_its_device_now(tmp_path: Path) -> None:
    drawer = Disks(tmp_path)
    closed, other = drawer.make(), drawer.make()
    closed.close()
    closed.device = other.device  # the kernel gives a free device to whoever asks next
    closed.close()
    assert str(other.image) in run("losetup", "--list", "--noheadings", "--output", "BACK-FILE", other.device)
    drawer.close()


def test_what_is_missing_skips_a_test_and_fails_it_where_nothing_may_be_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HOLDFAST_CI", raising=False)
    needs(True, "nothing")
    with pytest.raises(pytest.skip.Exception, match="a lathe"):
        needs(False, "a lathe")
    monkeypatch.setenv("HOLDFAST_CI", "1")
    with pytest.raises(pytest.fail.Exception, match="a lathe"):
        needs(False, "a lathe")
