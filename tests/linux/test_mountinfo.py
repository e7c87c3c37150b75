"""The mount table: captured ones, and the live one of this namespace."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.linux import kernel
from agent.linux.mountinfo import MountTable, TableEvents, parse
from agent.mounts import resolve
from tests.linux.disks import Disks, run

TABLES = Path(__file__).parent / "tables"


@pytest.fixture
def table() -> Iterator[MountTable]:
    live = MountTable()
    yield live
    live.close()


def test_every_line_of_a_nas_is_read_in_order() -> None:
    found = parse((TABLES / "nas.mountinfo").read_bytes())
    assert len(found) == 26
    assert [m.mount_id for m in found][:4] == [22, 23, 24, 25]
    assert [m.mount_id for m in found if m.mount_point == "/mnt/usb"] == [116, 122]


def test_spaces_newlines_tabs_backslashes_and_bytes_that_are_no_text_are_undone() -> None:
    found = parse((TABLES / "nas.mountinfo").read_bytes())
    odd = found[-1]
    assert os.fsencode(odd.mount_point) == b"/mnt/odd\\name\nwith\tall#of it\xff"
    assert odd.source == ""
    assert any(m.mount_point == "/mnt/photos and films" for m in found)
    assert any(m.source == "//filer/Photos (old)" for m in found)


def test_optional_fields_do_not_shift_what_follows() -> None:
    external = next(m for m in parse((TABLES / "container.mountinfo").read_bytes()) if m.mount_point == "/external")
    assert (external.fs_type, external.source, external.root) == ("btrfs", "/dev/sdb1", "/@photos")
    assert external.options == {"ro", "noatime"}
    assert "subvol=/@photos" in external.super_options


@pytest.mark.parametrize("line", [b"1 2 3", b"1 2 8:1 / / rw shared:1 ext4 /dev/sda rw", b"1 2 8:1 / - ext4 x rw"])
def test_a_line_that_no_kernel_writes_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a line of a mount table"):
        parse(line)


def test_a_captured_table_never_changes() -> None:
    calm = MountTable(str(TABLES / "nas.mountinfo"))
    assert len(calm.table()) == 26
    assert not calm.changed()
    calm.close()


def test_nobody_is_at_a_path_that_leads_nowhere(table: MountTable) -> None:
    assert table.unique_id("/no/such/place") is None
    assert table.unique_id("/proc/version/below") is None
    assert table.unique_id("/" + "x" * 300) is None


@pytest.mark.root
def test_r5_each_change_of_the_table_is_told_once(table: MountTable, disks: Disks, tmp_path: Path) -> None:
    assert not table.changed()
    disk = disks.make()
    disk.mount(tmp_path / "disk")
    assert table.changed()
    assert not table.changed()
    disk.umount(lazy=True)
    assert table.changed()


@pytest.mark.root
def test_r5_who_waits_and_who_asks_do_not_take_the_news_from_each_other(
    table: MountTable, disks: Disks, tmp_path: Path
) -> None:
    waiting = select.poll()
    waiting.register(table.fileno(), select.POLLPRI)
    assert waiting.poll(0) == []
    disks.make().mount(tmp_path / "disk")
    assert waiting.poll(5_000)
    assert waiting.poll(0) == []
    assert table.changed()


@pytest.mark.root
def test_r5_what_happened_between_opening_and_asking_counts(disks: Disks, tmp_path: Path) -> None:
    disk = disks.make()
    events = TableEvents()
    disk.mount(tmp_path / "disk")
    disk.umount()
    assert events.happened()
    events.close()


@pytest.mark.root
def test_a_mount_is_in_the_table_as_it_was_made(table: MountTable, disks: Disks, tmp_path: Path) -> None:
    disk = disks.make("ext4")
    place = disk.mount(tmp_path / "two words\nand a line", "ro")
    line = next(m for m in table.table() if m.mount_point == str(place))
    assert (line.fs_type, line.source, line.root) == ("ext4", disk.device, "/")
    assert "ro" in line.super_options


@pytest.mark.root
def test_r14_every_mount_has_an_id_of_its_own_even_at_the_same_place(
    table: MountTable, disks: Disks, tmp_path: Path
) -> None:
    disk = disks.make()
    place = disk.mount(tmp_path / "disk")
    first = table.unique_id(str(place))
    disk.umount()
    bare = table.unique_id(str(place))
    disk.mount(place)
    second = table.unique_id(str(place))
    run("mount", "--bind", str(tmp_path), str(place))
    third = table.unique_id(str(place))
    run("umount", str(place))
    assert len({first, bare, second, third}) == 4
    assert table.unique_id(str(place)) == second


def test_only_old_kernels_recycle_ids(table: MountTable, monkeypatch: pytest.MonkeyPatch) -> None:
    major, minor = map(int, os.uname().release.split(".")[:2])
    assert table.recycles_ids is ((major, minor) < (6, 8))
    monkeypatch.setattr(kernel, "STATX_MNT_ID_UNIQUE", kernel.STATX_MNT_ID)
    assert table.unique_id("/") == resolve(table.table(), "/").mount_id
