"""Where import paths may lead (R4): planned mount points, idle automounts, and what is exposed at all."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.linux.inspection import Inspection, inspect
from agent.linux.mountinfo import MountTable
from agent.linux.plans import Plans
from agent.mounts import resolve
from tests.linux.disks import Disks, run
from tests.needs import needs

FSTAB = """\
# <file system> <mount point> <type> <options> <dump> <pass>
UUID=1 / ext4 defaults 0 1
UUID=2 none swap sw 0 0
UUID=3 {top}/mnt/photos\\040and\\040films ext4 noauto 0 2
  nas:/export\t{top}/mnt/nfs/ nfs4 nofail 0 0
"""


@pytest.fixture
def plans(tmp_path: Path) -> Plans:
    (tmp_path / "fstab").write_text(FSTAB.format(top=tmp_path))
    units = tmp_path / "units"
    units.mkdir()
    (units / "mnt-usb.mount").write_text(
        f"[Unit]\nDescription=USB\n[Mount]\nWhat=/dev/sdb1\nWhere={tmp_path}/mnt/usb\n"
    )
    (units / "mnt-cold.automount").write_text(f"[Automount]\nWhere = {tmp_path}/mnt/cold\n")
    (units / "other.service").write_text("[Service]\nWhere=/nowhere\n")
    (units / "masked.mount").symlink_to("/dev/null")
    (tmp_path / "auto.master").write_text(f"+auto.master\n{tmp_path}/mnt/net -hosts\n/- {tmp_path}/auto.direct\n")
    (tmp_path / "auto.direct").write_text(f"# direct\n{tmp_path}/mnt/stick -fstype=vfat :/dev/sdc1\n")
    return Plans(str(tmp_path / "fstab"), (str(units), str(tmp_path / "none")), str(tmp_path / "auto.master"))


def test_r4_plans_are_read_from_wherever_they_are_written(plans: Plans, tmp_path: Path) -> None:
    names = {"photos and films", "nfs", "usb", "cold", "net", "stick"}
    assert plans.mount_points() == {f"{tmp_path}/mnt/{name}" for name in names}


def test_a_machine_without_any_plan_has_none(tmp_path: Path) -> None:
    nothing = str(tmp_path / "nothing")
    assert Plans(nothing, (nothing,), nothing).mount_points() == set()


@pytest.mark.parametrize("name", ["usb", "cold", "stick", "photos and films"])
@pytest.mark.parametrize("stray", [[], ["stray.jpg"]])
def test_r4_a_planned_mount_point_with_nothing_on_it_is_refused_with_or_without_stray_files(
    plans: Plans, tmp_path: Path, name: str, stray: list[str]
) -> None:
    place = tmp_path / "mnt" / name
    (place / "2024").mkdir(parents=True)
    for file in stray:
        (place / file).touch()
    for path in (place, place / "2024"):
        canonical, refusal, _ = inspect(str(path), [str(tmp_path)], plans)
        assert canonical == str(path)
        assert refusal is not None
        assert f"mount {place}" in refusal
    beside = tmp_path / "mnt" / f"{name}-too"
    beside.mkdir()
    assert inspect(str(beside), [str(tmp_path)], plans) == Inspection(str(beside), None)


@pytest.mark.root
def test_r4_with_the_disk_mounted_it_is_not(plans: Plans, disks: Disks, tmp_path: Path) -> None:
    place = disks.make().mount(tmp_path / "mnt/usb")
    (place / "2024").mkdir()
    link = tmp_path / "link"
    link.symlink_to(place / "2024")
    assert inspect(str(link), [str(tmp_path)], plans) == Inspection(str(place / "2024"), None)
    run("umount", str(place))
    place.joinpath("2024").mkdir()
    refusal = inspect(str(link), [str(tmp_path)], plans)[1]
    assert refusal is not None
    assert "nothing mounted" in refusal


def test_what_is_not_exposed_is_refused_with_the_remedy(plans: Plans, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "open/link").symlink_to(tmp_path / "secret")
    roots = [str(tmp_path / "open")]
    assert inspect(str(tmp_path / "open"), roots, plans)[1] is None
    for path in ("secret", "open/link"):
        assert "Add it to 'roots'" in (inspect(str(tmp_path / path), roots, plans)[1] or "")
    assert "does not exist" in (inspect(str(tmp_path / "open/none"), roots, plans)[1] or "")


@pytest.fixture
def automount(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A direct automount that nobody answers for, and the pipe on which the kernel would ask. Whoever triggers it
    hangs. Its daemon is another process: a process of the daemon's own group would never trigger it."""
    needs(os.path.exists("/dev/autofs") or "autofs" in Path("/proc/filesystems").read_text(), "needs autofs")
    place = tmp_path / "cold"
    place.mkdir()
    asked, asks = os.pipe2(os.O_NONBLOCK)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as daemon:
        options = f"fd={asks},pgrp={daemon.pid},minproto=5,maxproto=5,direct".encode()
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.mount(b"systemd-1", os.fsencode(place), b"autofs", 0, options)
        assert failed == 0, os.strerror(ctypes.get_errno())
        yield place, asked
        run("umount", "-l", str(place))
        daemon.terminate()
    os.close(asked)
    os.close(asks)


@pytest.mark.root
def test_r19_an_idle_automount_is_looked_at_without_being_triggered(
    automount: tuple[Path, int], tmp_path: Path
) -> None:
    place, asked = automount
    table = MountTable()
    top = resolve(table.table(), str(place))
    assert top is not None
    assert top.fs_type == "autofs"
    assert table.unique_id(str(place)) is not None
    for path in (place, place / "2024"):
        refusal = inspect(str(path), [str(tmp_path)])[1]
        assert refusal is not None
        assert "idle" in refusal
    with pytest.raises(BlockingIOError):
        os.read(asked, 1)
    table.close()
