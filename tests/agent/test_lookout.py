"""The lookout: what the mount table, probes and the slow beat come to, on a fake host."""

from __future__ import annotations

import pytest
from msgspec import structs

from agent.lookout import Lookout
from agent.ports import Mount, Probe
from agent.probing import Prober
from agent.processes import Workers
from agent.testing.devices import FakeDevices
from agent.testing.disk import FakeDisk
from agent.testing.host import FakeHost
from agent.testing.mounts import FakeMounts, probe
from agent.volume import (
    Adopted,
    Attach,
    Concern,
    Doubtful,
    Foreign,
    Gone,
    Sighting,
    Still,
    Verified,
    Volume,
    advance,
)
from holdfast.volumes import Reason, VolumeState

AT = "/mnt/photos"


class AnsweringProber(Prober):
    """Probes mounts of a fake host, which answer at once."""

    def __init__(self, host: FakeHost) -> None:
        super().__init__(Workers(), deadline_s=15.0)
        self._host = host
        self.asked: list[int] = []

    def probe(self, mount: Mount, unique_id: int, now: float) -> None:
        self.asked.append(unique_id)
        self.probes[unique_id] = probe(self._host, mount)


class Post:
    """A lookout on a host with one disk of photos, and what the supervisor does with what it sights."""

    def __init__(self, *, recycles_ids: bool = False, fs_type: str = "ext4") -> None:
        self.host = FakeHost(recycles_ids=recycles_ids)
        self.prober = AnsweringProber(self.host)
        self.mounts = FakeMounts(self.host)
        self.lookout = Lookout(self.mounts, self.prober, FakeDevices(self.host))
        self.disk = self.host.disk("photos", fs_type)
        self.volume = self._enrolled(self.disk)

    def _enrolled(self, disk: FakeDisk) -> Volume:
        self.host.mount(disk, AT)
        found = probe(self.host, self.host.place(AT).mounted.mount)
        assert isinstance(found, Probe)
        self.host.umount(AT)
        return Volume(id="vol_1", label="photos", identity=found.identity, since=0.0, last_mounted_at=AT)

    def look(self, now: float = 1.0) -> Sighting:
        """Look as one turn of the supervisor does, until every mount is probed."""
        self.lookout.changed()
        self.lookout.look([self.volume], now)
        for _ in range(5):
            if (sighting := self.lookout.sight(self.volume, now)) is not None:
                return sighting
        raise AssertionError("mounts that are probed stay unprobed")

    def attach(self, sighting: Sighting) -> None:
        """Let a worker adopt what was sighted."""
        assert isinstance(sighting, Verified)
        self.volume, effects = advance(self.volume, sighting, "boot", 1.0)
        assert isinstance(effects[-1], Attach)
        assert self.volume.epoch is not None
        self.lookout.begin(sighting.mount, self.volume.epoch.mount_id)
        self.volume, _ = advance(self.volume, Adopted(self.volume.epoch), "boot", 1.0)


def test_r12_where_mount_ids_are_recycled_what_was_found_at_one_is_forgotten_with_its_mount() -> None:
    post = Post(recycles_ids=True)
    stranger = post.host.disk("stranger")
    post.host.mount(stranger, AT)
    before = post.host.place(AT).mounted.unique_id
    assert post.look() == Foreign(Reason.WRONG_VOLUME, AT)
    post.host.umount(AT)
    post.host.mount(post.disk, AT)
    assert post.host.place(AT).mounted.unique_id == before
    assert isinstance(post.look(), Verified)


@pytest.mark.parametrize("recycles_ids", [False, True])
def test_r41_mounts_elsewhere_are_no_reason_to_ask_the_others_again(recycles_ids: bool) -> None:
    post = Post(recycles_ids=recycles_ids)
    post.host.mount(post.disk, AT)
    post.host.mount(post.host.disk("another"), "/mnt/another")  # of one type, so that it might be a clone
    post.attach(post.look())
    post.look()
    post.prober.asked.clear()
    post.host.mount(post.host.disk("usb", "vfat"), "/media/usb")
    post.look()
    assert post.prober.asked == []


def test_r5_a_table_that_changed_in_silence_is_seen_by_the_beat() -> None:
    post = Post()
    post.host.mount(post.disk, AT)
    post.attach(post.look())
    post.lookout.beat([post.volume], 6.0)
    assert not post.lookout.beat([post.volume], 11.0)
    post.host.mount(post.host.disk("usb", "vfat"), "/media/usb")
    assert post.lookout.beat([post.volume], 16.0)


def test_r16_a_disk_that_is_unplugged_is_not_only_unmounted() -> None:
    post = Post()
    for reason in (Reason.NOT_MOUNTED, Reason.UNPLUGGED):
        found = post.look()
        assert isinstance(found, Gone)
        assert found.reason is reason
        post.host.yank(post.disk)


def test_r16_a_mount_stands_on_what_it_stood_on_when_it_was_attached() -> None:
    """The stick was pulled and plugged in again before anybody looked: the mount is dead all the same."""
    post = Post()
    post.host.mount(post.disk, AT)
    post.attach(post.look())
    post.host.yank(post.disk)
    post.host.replug(post.disk)
    assert post.lookout.beat([post.volume], 6.0)
    found = post.look(6.0)
    assert isinstance(found, Doubtful)
    assert found.reason is Reason.NO_DEVICE


def test_r11_a_volume_grows_older_while_it_is_attached() -> None:
    """Measured by how old it was last seen, a snapshot from in between would pass for the present."""
    post = Post(fs_type="btrfs")
    post.host.mount(post.disk, AT)
    post.attach(post.look())
    post.disk.write("a.jpg")
    post.lookout.beat([post.volume], 6.0)
    volumes = {post.volume.id: post.volume}
    assert post.lookout.age(volumes)
    assert volumes[post.volume.id].generation == post.disk.generation
    ended = structs.replace(post.volume, epoch=None)
    assert not post.lookout.age({post.volume.id: ended}), "what is seen of an attachment says nothing of the next"


def test_r11_a_volume_in_doubt_is_nothing_to_measure_it_by() -> None:
    post = Post(fs_type="btrfs")
    post.host.mount(post.disk, AT)
    post.attach(post.look())
    known = post.volume.generation
    post.volume, _ = advance(post.volume, Still(Concern(Reason.CLONE)), "boot", 2.0)
    assert post.volume.state is VolumeState.CONFLICT
    post.disk.write("a.jpg")
    post.lookout.beat([post.volume], 6.0)
    volumes = {post.volume.id: post.volume}
    assert not post.lookout.age(volumes)
    assert volumes[post.volume.id].generation == known
