"""Which mount a path leads to."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import mounts
from agent.linux.mountinfo import parse
from agent.ports import Mount

TABLES = Path(__file__).parent.parent / "linux" / "tables"


def mount(mount_id: int, parent_id: int, mount_point: str, fs_type: str = "ext4") -> Mount:
    return Mount(mount_id, parent_id, f"8:{mount_id}", "/", mount_point, fs_type, f"/dev/{mount_id}")


ROOT = mount(1, 0, "/")


def resolved(table: list[Mount], path: str) -> int | None:
    found = mounts.resolve(table, path)
    return found.mount_id if found else None


def test_a_path_leads_to_the_nearest_mount_above_it() -> None:
    table = [ROOT, mount(2, 1, "/mnt"), mount(3, 2, "/mnt/nas")]
    assert resolved(table, "/mnt/nas/2024") == 3
    assert resolved(table, "/mnt/nas") == 3
    assert resolved(table, "/mnt/nasty") == 2
    assert resolved(table, "/home") == 1


def test_of_two_mounts_at_one_place_the_later_is_on_top() -> None:
    table = [ROOT, mount(2, 1, "/mnt"), mount(3, 2, "/mnt")]
    assert resolved(table, "/mnt/x") == 3
    assert mounts.covered(table, table[1])
    assert not mounts.covered(table, table[2])


def test_r14_a_mount_on_an_ancestor_covers_what_was_mounted_below_it_before() -> None:
    below, above = mount(2, 1, "/mnt/nas"), mount(3, 1, "/mnt")
    table = [ROOT, below, above]
    assert resolved(table, "/mnt/nas/2024") == 3
    assert mounts.covered(table, below)


def test_a_mount_inside_a_later_mount_is_reached() -> None:
    table = [ROOT, mount(2, 1, "/mnt/nas"), mount(3, 1, "/mnt"), mount(4, 3, "/mnt/nas")]
    assert resolved(table, "/mnt/nas/2024") == 4


def test_what_is_mounted_over_the_root_itself_is_never_met() -> None:
    # A walk starts in the root mount and does not step up onto what lies on it.
    table = [ROOT, mount(2, 1, "/"), mount(3, 1, "/mnt")]
    assert resolved(table, "/home") == 1
    assert resolved(table, "/mnt") == 3


def test_order_of_the_table_does_not_decide_which_is_the_root() -> None:
    table = [mount(3, 1, "/mnt"), mount(2, 1, "/"), ROOT]
    assert resolved(table, "/home") == 1


def test_a_table_without_a_root_leads_nowhere() -> None:
    assert mounts.resolve([mount(2, 1, "/mnt")], "/mnt") is None
    assert mounts.covered([mount(2, 1, "/mnt")], mount(2, 1, "/mnt"))


def test_r13_mounts_inside_a_volume_are_found_unless_they_are_covered() -> None:
    nas = mount(2, 1, "/mnt/nas")
    inner, hidden, cover = mount(3, 2, "/mnt/nas/a"), mount(4, 2, "/mnt/nas/b/c"), mount(5, 2, "/mnt/nas/b")
    assert mounts.below([ROOT, nas, inner, hidden, cover], nas) == [inner, cover]


@pytest.mark.parametrize(
    ("path", "fs_type"),
    [
        ("/mnt/usb/DCIM", "vfat"),  # triggered: the disk lies on its automount
        ("/mnt/cold/DCIM", "autofs"),  # idle
        ("/srv/photos/2024", "btrfs"),
        ("/mnt/pool/2024", "fuse.mergerfs"),
        ("/home/family/Pictures/x", "ext4"),
        ("/mnt/photos and films", "ext4"),
        ("/mnt/smb", "cifs"),
    ],
)
def test_paths_of_a_real_machine(path: str, fs_type: str) -> None:
    found = mounts.resolve(parse((TABLES / "nas.mountinfo").read_bytes()), path)
    assert found is not None
    assert found.fs_type == fs_type


def test_in_a_container_the_parent_of_the_root_is_out_of_sight() -> None:
    table = parse((TABLES / "container.mountinfo").read_bytes())
    found = mounts.resolve(table, "/external/2024")
    assert found is not None
    assert mounts.inside(found, "/external/2024") == "2024"
    assert resolved(table, "/var/lib") == 1205


def test_the_path_inside_a_mount() -> None:
    assert mounts.inside(ROOT, "/") == ""
    assert mounts.inside(ROOT, "/a/b") == "a/b"
    assert mounts.inside(mount(2, 1, "/mnt/nas"), "/mnt/nas") == ""
