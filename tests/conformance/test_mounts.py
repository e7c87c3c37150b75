"""What the agent relies on of the mount table; the same from a real kernel and from the fake."""

from __future__ import annotations

import select

import pytest

from agent.mounts import covered, resolve
from agent.ports import Mount
from tests.conformance.worlds import World


def on_top(world: World) -> Mount:
    mount = resolve(world.mounts.table(), world.mount_point)
    assert mount is not None
    return mount


def test_a_mounted_volume_is_in_the_table(volume: World) -> None:
    mount = on_top(volume)
    assert (mount.mount_point, mount.root) == (volume.mount_point, "/")
    assert "rw" in mount.options
    assert not covered(volume.mounts.table(), mount)


def test_r5_every_change_is_told_exactly_once(volume: World) -> None:
    volume.mounts.changed()
    assert not volume.mounts.changed()
    for change in (volume.umount, volume.mount, volume.cover, volume.uncover, lambda: volume.umount(lazy=True)):
        change()
        assert volume.mounts.changed()
        assert not volume.mounts.changed()


def test_r5_several_changes_are_told_as_one(volume: World) -> None:
    volume.umount()
    volume.mount()
    assert volume.mounts.changed()
    assert not volume.mounts.changed()


def test_r5_the_descriptor_wakes_who_waits(volume: World) -> None:
    poll = select.poll()
    poll.register(volume.mounts.fileno(), select.POLLPRI)
    poll.poll(0)
    volume.mounts.changed()
    assert poll.poll(0) == []
    volume.umount()
    assert poll.poll(5_000)
    assert volume.mounts.changed()


def test_asking_is_no_change(volume: World) -> None:
    volume.mounts.changed()
    volume.mounts.table()
    volume.mounts.unique_id(volume.mount_point)
    assert not volume.mounts.changed()


@pytest.mark.parametrize("lazy", [False, True])
def test_an_unmounted_path_leads_to_what_is_below(volume: World, lazy: bool) -> None:
    mounted = volume.mounts.unique_id(volume.mount_point)
    volume.umount(lazy=lazy)
    assert on_top(volume).mount_point != volume.mount_point
    assert volume.mounts.unique_id(volume.mount_point) not in (mounted, None)


def test_r12_unique_ids_are_never_used_again(volume: World) -> None:
    unique_ids = []
    for _ in range(5):
        unique_ids.append(volume.mounts.unique_id(volume.mount_point))
        volume.umount()
        volume.mount()
    assert len(set(unique_ids)) == 5


def test_r14_a_covered_mount_is_still_in_the_table_under_its_id(volume: World) -> None:
    mount, unique_id = on_top(volume), volume.mounts.unique_id(volume.mount_point)
    volume.cover()
    table = volume.mounts.table()
    assert mount in table
    assert covered(table, mount)
    assert volume.mounts.unique_id(volume.mount_point) != unique_id
    volume.uncover()
    assert volume.mounts.unique_id(volume.mount_point) == unique_id


def test_a_path_that_leads_nowhere_has_no_mount(volume: World) -> None:
    assert volume.mounts.unique_id(f"{volume.mount_point}/no/such") is None
