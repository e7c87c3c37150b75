"""What a supervisor makes of its registry and of the mount table, on fakes and without a process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import bindings
from agent.registry import Registry
from agent.testing.host import FakeHost
from agent.testing.uplink import FakeSidecar
from agent.volume import Volume
from holdfast.assignments import AssignedPath, Assignment
from holdfast.volumes import Identity, Reason
from tests.simulation.machine import Machine

PLACE = "/mnt/one"
PATHS = [AssignedPath(id="imp_1", library="lib_1", path=PLACE, server_path=PLACE, exclusion_patterns=[])]


@contextmanager
def running(place: Path, host: FakeHost) -> Iterator[Machine]:
    sidecar = FakeSidecar(Assignment(revision=1, catalog="cat_1", volumes=[], import_paths=PATHS))
    machine = Machine("one", host, "agt_1", sidecar, str(place / "one"), random.Random(1), [PLACE])
    try:
        go_on(machine)
        yield machine
    finally:
        machine.close()


def go_on(machine: Machine, seconds: int = 10) -> None:
    for _ in range(seconds):
        machine.host.clock.advance(1)
        while machine.run_ready():
            pass


def reason(machine: Machine) -> Reason:
    (volume,) = machine.volumes()
    return volume.reason


@pytest.mark.parametrize("is_noticed", [True, False])
def test_r16_a_disk_that_is_replugged_under_a_recycled_mount_number_is_not_dead_any_more(
    tmp_path: Path, *, is_noticed: bool
) -> None:
    host = FakeHost(recycles_ids=True)
    disk = host.disk("photos")
    disk.write("a.jpg")
    host.mount(disk, PLACE)
    with running(tmp_path, host) as machine:
        assert reason(machine) is Reason.VERIFIED
        host.yank(disk)
        if is_noticed:
            go_on(machine)
            assert reason(machine) is Reason.NO_DEVICE
        # Before anybody looks at the table again, so that its line there is as it was.
        host.umount(PLACE, lazy=True)
        host.replug(disk)
        host.mount(disk, PLACE)
        go_on(machine)
        assert reason(machine) is Reason.VERIFIED


def test_r16_a_disk_that_was_pulled_stays_so_whatever_else_is_mounted(tmp_path: Path) -> None:
    host = FakeHost(recycles_ids=True)
    disk = host.disk("photos", "vfat")
    disk.write("a.jpg")
    host.mount(disk, PLACE)
    with running(tmp_path, host) as machine:
        host.yank(disk)
        go_on(machine)
        host.mount(host.disk("other"), "/mnt/other")
        go_on(machine)
        assert reason(machine) is Reason.NO_DEVICE


def test_r36_a_registry_that_was_set_back_is_heard_at_once() -> None:
    now = 1_800_000_000.0
    identity = Identity(fs_type="ext4", uuid="1" * 32, root_inode=2)
    told = Volume(id="vol_1", label="photos", identity=identity, since=now, version=int(now * 1000) + 7)
    registry = Registry(volumes={"vol_1": told})
    bindings.raise_versions(registry, now + 3600)
    assert registry.volumes["vol_1"].version > told.version + 1_000
    # Whatever the clock says, no version is told a second time.
    bindings.raise_versions(registry, 0.0)
    assert registry.volumes["vol_1"].version > told.version


def test_r36_an_agent_that_counts_from_an_earlier_time_goes_on_where_the_sidecar_is(tmp_path: Path) -> None:
    host = FakeHost()
    host.mount(host.disk("photos"), PLACE)
    with running(tmp_path, host) as machine:
        (volume,) = machine.volumes()
        machine.session.on_overtaken({volume.id: volume.version + 100, "vol_unknown": 1})
        go_on(machine, 1)
        (following,) = machine.volumes()
        assert following.version == volume.version + 101
        machine.session.on_overtaken({volume.id: volume.version})
        go_on(machine, 1)
        assert machine.volumes() == [following]
