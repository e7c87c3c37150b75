"""The binder on a fake host: where import paths lead, what unions show, and what does not follow from silence."""

from __future__ import annotations

import errno
import itertools
from collections import deque
from collections.abc import Sequence

import pytest
from msgspec import structs

from agent.binder import Binder, Failed
from agent.messages import Branches, FromWorker, Inspected, Probed
from agent.ports import Mount
from agent.probing import Prober
from agent.processes import Workers
from agent.registry import Registry
from agent.testing.disk import FakeDisk
from agent.testing.host import FakeHost
from agent.testing.mounts import FakeMounts, probe
from agent.volume import Volume
from holdfast.assignments import AssignedPath, Assignment, Binding, BindingState
from holdfast.volumes import Epoch, Reason

POOL = "/mnt/pool"
PHOTOS = AssignedPath(
    id="imp_1", library="lib_1", path=f"{POOL}/photos", server_path=f"{POOL}/photos", exclusion_patterns=[]
)


class AnsweringProber(Prober):
    """What a worker on a fake host would answer. ``branches`` are what the union names; ``refused`` is with which
    errno a look at a host path ends."""

    def __init__(self, host: FakeHost) -> None:
        super().__init__(Workers(), deadline_s=15.0)
        self._host = host
        self.branches = ["/mnt/one", "/mnt/two"]
        self.branches_errno = 0
        self.refused: dict[str, int] = {}
        self.answers: deque[FromWorker] = deque()

    def probe(self, mount: Mount, unique_id: int, now: float) -> None:
        self.probes[unique_id] = found = probe(self._host, mount)
        self.answers.append(Probed(unique_id, None if not hasattr(found, "identity") else found))

    def inspect(
        self,
        import_path: str,
        path: str,
        roots: list[str],
        now: float,
        *,
        shown_at: str | None = None,
        managed: Sequence[str] = (),
    ) -> None:
        number = self.refused.get(path, 0)
        self.answers.append(Inspected(import_path, path, f"{path}: {number}" if number else None, number))

    def ask_branches(self, mount: Mount, unique_id: int, now: float) -> None:
        found = [] if self.branches_errno else self.branches
        self.answers.append(Branches(unique_id, found, self.branches_errno))


class Nas:
    """Two disks and the pool of them, an import path on the pool, and the binder."""

    def __init__(self, *, recycles_ids: bool = False) -> None:
        self.host = FakeHost(recycles_ids=recycles_ids)
        self.one, self.two = self._disk("one"), self._disk("two")
        pool = self.host.disk("pool", "fuse.mergerfs")
        pool.mkdir("photos")
        self.host.mount(pool, POOL)
        self.table = FakeMounts(self.host)
        self.prober = AnsweringProber(self.host)
        self.registry = Registry(assignment=Assignment(revision=1, catalog="cat_1", volumes=[], import_paths=[PHOTOS]))
        numbers = itertools.count(1)
        self.binder = Binder(self.registry, self.table, self.prober, lambda: f"vol_{next(numbers)}")

    def _disk(self, label: str) -> FakeDisk:
        disk = self.host.disk(label)
        disk.mkdir("photos")
        self.host.mount(disk, f"/mnt/{label}")
        return disk

    def turn(self, now: float = 0.0) -> list[Failed]:
        """Go round until nothing more is asked; what was said against unions."""
        failed: list[Failed] = []
        self.binder.see(self.table.table(), changed=self.table.changed())
        self.binder.inspect_unbound(["/mnt"], now)
        for _ in range(20):
            while self.prober.answers:
                if found := self.binder.take(self.prober.answers.popleft()):
                    failed.append(found)
            self.binder.step(now, 0.0)
            if not self.prober.answers:
                return failed
        raise AssertionError("it asks and asks")

    @property
    def binding(self) -> Binding:
        return self.registry.bindings["imp_1"]

    def attach(self, place: str) -> Volume:
        """The volume that is mounted here is attached."""
        mounted = self.host.place(place).mounted
        (volume,) = [one for one in self.registry.volumes.values() if one.last_mounted_at == place]
        epoch = Epoch("boot", mounted.unique_id, 1)
        attached = structs.replace(volume, epoch=epoch, table_id=mounted.mount.mount_id, mounted_at=place)
        self.registry.volumes[volume.id] = attached
        return attached


def test_r15_a_pool_is_bound_with_every_branch_as_a_part() -> None:
    nas = Nas()
    nas.turn()
    assert nas.binding.state is BindingState.BOUND
    assert [(part.path, part.via) for part in nas.binding.parts] == [
        ("/mnt/one/photos", nas.binding.volume),
        ("/mnt/two/photos", nas.binding.volume),
    ]


def test_r15_a_pool_with_a_branch_out_of_reach_is_scanned_itself_and_knows_its_branches() -> None:
    nas = Nas()
    nas.prober.refused["/mnt/two/photos"] = errno.EACCES
    nas.turn()
    assert nas.binding.state is BindingState.BOUND
    assert nas.binding.parts == [], "the other branch alone would show a part of the photos"
    pool = nas.attach(POOL)
    assert nas.registry.unions == {pool.id: ["/mnt/one", "/mnt/two"]}
    assert nas.binder.lost(pool) == []
    nas.prober.branches = ["/mnt/one"]
    nas.turn(120.0)
    assert nas.binder.lost(pool) == ["/mnt/two"]


def test_r15_a_pool_with_a_branch_that_answers_with_errors_is_not_bound_yet() -> None:
    nas = Nas()
    nas.prober.refused["/mnt/two/photos"] = errno.EIO
    nas.turn()
    assert nas.binding.state is BindingState.REFUSED
    nas.prober.refused.clear()
    nas.binder.hurry()
    nas.turn(60.0)
    assert (nas.binding.state, len(nas.binding.parts)) == (BindingState.BOUND, 2)


def test_r15_a_branch_that_has_no_such_folder_is_none_until_it_has() -> None:
    nas = Nas()
    nas.prober.refused["/mnt/two/photos"] = errno.ENOENT
    nas.turn()
    assert [part.path for part in nas.binding.parts] == ["/mnt/one/photos"]
    nas.prober.refused.clear()
    nas.attach(POOL)
    nas.binder.hurry()
    nas.turn(60.0)
    assert [part.path for part in nas.binding.parts] == ["/mnt/one/photos", "/mnt/two/photos"]


def test_r15_a_branch_of_a_pool_that_names_it_no_more_is_lost() -> None:
    nas = Nas()
    nas.turn()
    pool = nas.attach(POOL)
    for place in ("/mnt/one", "/mnt/two"):
        volume = nas.attach(place)
        nas.registry.volumes[volume.id] = structs.replace(volume, reason=Reason.VERIFIED)
    nas.turn(1.0)
    assert nas.binder.lost(pool) == []
    nas.prober.branches = ["/mnt/one"]
    nas.turn(120.0)
    assert nas.binder.lost(pool) == ["/mnt/two/photos"]


@pytest.mark.parametrize("number", [errno.ENOTCONN, errno.EIO, errno.ETIMEDOUT])
def test_r18_a_pool_that_does_not_answer_is_not_one_without_branches(number: int) -> None:
    nas = Nas()
    nas.turn()
    pool = nas.attach(POOL)
    nas.turn(1.0)
    nas.prober.branches_errno = number
    assert [(one.unique_id, one.trouble.errno) for one in nas.turn(120.0)] == [(pool.epoch.mount_id, number)]  # type: ignore[union-attr]


def test_r12_where_ids_are_recycled_the_branches_of_one_pool_are_not_those_of_the_next() -> None:
    nas = Nas(recycles_ids=True)
    nas.turn()
    pool = nas.attach(POOL)
    nas.turn(1.0)
    assert nas.binder.lost(pool) is not None
    nas.host.mount(nas.host.disk("usb", "vfat"), "/media/usb")
    nas.binder.see(nas.table.table(), changed=nas.table.changed())
    assert nas.binder.lost(pool) is None


def test_r13_a_volume_below_which_something_was_unmounted_is_named_once() -> None:
    nas = Nas()
    nas.turn()
    one = nas.attach("/mnt/one")
    nas.host.mount(nas.host.disk("usb", "vfat"), "/mnt/one/photos")
    nas.turn(1.0)
    assert nas.binder.uncovered() == []
    nas.host.umount("/mnt/one/photos")
    nas.turn(2.0)
    assert nas.binder.uncovered() == [one.id]
    assert nas.binder.uncovered() == []


def test_r4_an_import_path_on_storage_that_cannot_be_identified_is_not_bound() -> None:
    nas = Nas()
    nas.host.place("/mnt/two").mounted.disk.faults.errno = errno.EIO
    nas.turn()
    assert nas.binding.state is BindingState.REFUSED
    assert "cannot be identified" in (nas.binding.message or "")
