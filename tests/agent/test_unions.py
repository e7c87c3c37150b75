"""Unions and parts, decided: what a mergerfs says, which branches are lost, and what becomes a part."""

from __future__ import annotations

import pytest
from msgspec import structs

from agent import bindings, parts, unions
from agent.exposure import of_before
from agent.parts import Place
from agent.ports import Mount, Probe
from agent.registry import Registry
from agent.scopes import Scope
from agent.volume import Adopted, Lacking, Verified, Volume, advance, status_of
from holdfast.assignments import AssignedPath, Assignment, Binding, BindingState, Part
from holdfast.volumes import Epoch, Identity, Reason, VolumeState

ROOT = Mount(1, 0, "8:1", "/", "/", "ext4", "/dev/sda1")
A = Mount(2, 1, "8:17", "/", "/mnt/a", "ext4", "/dev/sdb1")
B = Mount(3, 1, "8:33", "/", "/mnt/b", "ext4", "/dev/sdc1")
POOL = Mount(4, 1, "0:40", "/", "/mnt/pool", "fuse.mergerfs", "a:b")
USB = Mount(5, 2, "8:49", "/", "/mnt/a/usb", "vfat", "/dev/sdd1")
AUTO = Mount(6, 2, "0:41", "/", "/mnt/a/auto", "autofs", "systemd-1")
TABLE = [ROOT, A, B, POOL, USB, AUTO]


def volume(name: str, mount: Mount, *, attached: bool = True) -> Volume:
    return Volume(
        id=name,
        label=name,
        identity=Identity(fs_type=mount.fs_type, uuid=name, root_inode=2),
        reason=Reason.VERIFIED if attached else Reason.NOT_MOUNTED,
        since=0.0,
        epoch=Epoch("boot", mount.mount_id + 1000, 1) if attached else None,
        table_id=mount.mount_id if attached else None,
        mounted_at=mount.mount_point if attached else None,
        last_mounted_at=mount.mount_point,
    )


def part(name: str, path: str, directory: str = "photos", via: str | None = "pool") -> Part:
    return Part(path=path, below="", volume=name, directory=directory, via=via)


VOLUMES = {"a": volume("a", A), "b": volume("b", B), "pool": volume("pool", POOL)}
PARTS = [part("a", "/mnt/a/photos"), part("b", "/mnt/b/photos")]
BOUND = Binding(import_path="path_1", state=BindingState.BOUND, volume="pool", directory="photos", parts=PARTS)


@pytest.mark.parametrize(
    ("text", "branches"),
    [
        ("/mnt/a:/mnt/b", ["/mnt/a", "/mnt/b"]),  # srcmounts, all versions
        ("/mnt/a=RW:/mnt/b=NC", ["/mnt/a", "/mnt/b"]),  # 2.33
        ("/mnt/a=RW,50G:/mnt/b=RO,4294967296:/mnt/c=NC", ["/mnt/a", "/mnt/b", "/mnt/c"]),  # 2.40
        ("/mnt/x=y:/mnt/a/", ["/mnt/x=y", "/mnt/a"]),
        ("/mnt/disk*=RW", ["/mnt/disk*"]),
        ("/:/mnt/a:/mnt/a=RW", ["/", "/mnt/a"]),
        ("", []),
    ],
)
def test_r15_branches_are_read_as_every_version_writes_them(text: str, branches: list[str]) -> None:
    assert unions.parse_branches(text) == branches


class TestLost:
    def lost(self, table: list[Mount], branches: list[str], **changed: Volume) -> list[str]:
        return unions.lost_parts(PARTS, "pool", branches, VOLUMES | changed, table)

    def test_r15_none_while_each_branch_is_what_it_was(self) -> None:
        assert self.lost(TABLE, ["/mnt/a", "/mnt/b"]) == []

    def test_r15_an_unmounted_branch_is_lost_though_the_union_still_names_it(self) -> None:
        without = [ROOT, A, POOL]
        assert self.lost(without, ["/mnt/a", "/mnt/b"], b=volume("b", B, attached=False)) == ["/mnt/b/photos"]

    def test_r15_a_branch_whose_disk_is_mounted_elsewhere_is_lost(self) -> None:
        elsewhere = structs.replace(B, mount_point="/media/b")
        assert self.lost([ROOT, A, POOL, elsewhere], ["/mnt/a", "/mnt/b"]) == ["/mnt/b/photos"]

    def test_r13_a_branch_whose_disk_is_mounted_twice_is_not_lost(self) -> None:
        twice = structs.replace(B, mount_id=9, mount_point="/media/b")
        there = structs.replace(volume("b", B), table_id=9, mounted_at="/media/b")
        assert self.lost([*TABLE, twice], ["/mnt/a", "/mnt/b"], b=there) == []

    def test_r15_a_branch_that_the_union_names_no_more_is_lost(self) -> None:
        assert self.lost(TABLE, ["/mnt/a"]) == ["/mnt/b/photos"]
        assert self.lost(TABLE, ["/mnt/a", "/mnt/bb"]) == ["/mnt/b/photos"], "by whole segments"
        assert unions.lost_names(["/mnt/a", "/mnt/b"], ["/mnt/b", "/mnt/c"]) == ["/mnt/a"]

    def test_r4_a_branch_that_nobody_has_looked_at_yet_is_not_lost(self) -> None:
        new = structs.replace(volume("b", B, attached=False), reason=Reason.NOT_YET_VERIFIED)
        assert self.lost(TABLE, ["/mnt/a", "/mnt/b"], b=new) == []


class TestState:
    def test_r15_a_union_that_lacks_a_branch_stays_attached_and_says_which(self) -> None:
        found = Probe(mount_id=1004, identity=VOLUMES["pool"].identity, capacity=None, label="pool")
        pool, _ = advance(volume("pool", POOL, attached=False), Verified(POOL, found), "boot", 1.0)
        assert pool.epoch is not None
        pool, _ = advance(pool, Adopted(pool.epoch), "boot", 1.0)
        lacking, effects = advance(pool, Lacking(pool.epoch, ["/mnt/b/photos"]), "boot", 2.0)
        assert (lacking.state, lacking.reason, effects) == (VolumeState.SUSPECT, Reason.BRANCH_LOST, [])
        assert "/mnt/b/photos" in lacking.detail
        assert status_of(lacking).mounted_at == "/mnt/pool"
        again, _ = advance(lacking, Adopted(pool.epoch), "boot", 3.0)
        assert again.state is VolumeState.ONLINE
        late, _ = advance(again, Lacking(Epoch("boot", 1, 1), ["/mnt/b"]), "boot", 4.0)
        assert late == again, "said of an attachment that has ended"


class TestPlaces:
    def test_r13_what_is_mounted_below_is_found_and_what_holds_no_photos_is_not(self) -> None:
        top = Place(A, "/mnt/a", "")
        assert [(one.path, one.below, one.directory) for one in parts.nested(TABLE, top)] == [("/mnt/a/usb", "usb", "")]
        assert list(parts.nested(TABLE, Place(A, "/mnt/a/photos", ""))) == []
        everything = [one.below for one in parts.nested(TABLE, Place(ROOT, "/", ""))]
        assert sorted(everything) == ["mnt/a", "mnt/a/usb", "mnt/b", "mnt/pool"]

    def test_r15_a_branch_is_where_it_lies(self) -> None:
        union = Place(POOL, "/mnt/pool/photos", "")
        assert parts.branch(TABLE, union, "/mnt/a") == Place(A, "/mnt/a/photos", "", POOL)
        assert parts.branch(TABLE, union, "/") == Place(ROOT, "/photos", "", POOL)
        assert parts.branch(TABLE, Place(POOL, "/mnt/pool", ""), "/mnt/pool") is None, "it is no branch of itself"


class TestNewParts:
    def new(self, place: Place, where: Volume, via: str | None = "pool") -> Part | None:
        return parts.new_part(BOUND, place, where, via, VOLUMES)

    def test_r15_a_further_branch_is_one(self) -> None:
        disk = Mount(7, 1, "8:65", "/", "/mnt/c", "ext4", "/dev/sde1")
        found = self.new(Place(disk, "/mnt/c/photos", "", POOL), volume("c", disk))
        assert found == part("c", "/mnt/c/photos")

    def test_r15_the_bare_directory_of_an_unmounted_branch_is_none(self) -> None:
        assert self.new(Place(ROOT, "/mnt/b/photos", "", POOL), volume("root", ROOT)) is None

    def test_r15_a_disk_in_place_of_a_bare_directory_is_one(self) -> None:
        bare = structs.replace(BOUND, parts=[part("root", "/mnt/b/photos", "mnt/b/photos")])
        known = VOLUMES | {"root": volume("root", ROOT)}
        found = parts.new_part(bare, Place(B, "/mnt/b/photos", "", POOL), VOLUMES["b"], "pool", known)
        assert found == part("b", "/mnt/b/photos")

    def test_r12_another_disk_where_a_branch_was_is_none(self) -> None:
        other = structs.replace(B, device="8:99")
        assert self.new(Place(other, "/mnt/b/photos", "", POOL), volume("other", other)) is None

    def test_r13_what_is_shown_already_is_none(self) -> None:
        assert self.new(Place(A, "/mnt/a/photos", "again"), VOLUMES["a"], None) is None
        assert self.new(Place(A, "/mnt/a/photos/2024", "again"), VOLUMES["a"], None) is None
        assert self.new(Place(A, "/mnt/a/other", "again"), VOLUMES["a"], None) is not None


class TestScopes:
    def registry(self, binding: Binding) -> Registry:
        path = AssignedPath(
            id="path_1",
            library="lib_1",
            path="/mnt/pool/photos",
            server_path="/media",
            exclusion_patterns=["**/raw/**"],
        )
        return Registry(
            volumes=dict(VOLUMES),
            bindings={"path_1": binding},
            exposure=of_before([binding]),
            assignment=Assignment(revision=1, catalog="cat_1", volumes=[], import_paths=[path]),
        )

    def test_r15_branches_are_scanned_and_the_union_is_not(self) -> None:
        registry = self.registry(BOUND)
        assert bindings.scopes(registry, "pool") == []
        assert bindings.scopes(registry, "a") == [Scope("photos", "/media", ("**/raw/**",), "path_1")]
        assert {one.id for one in bindings.in_use(registry)} == {"a", "b", "pool"}
        opaque = self.registry(structs.replace(BOUND, parts=[]))
        assert bindings.scopes(opaque, "pool") == [Scope("photos", "/media", ("**/raw/**",), "path_1")]

    def test_r13_patterns_apply_to_what_is_mounted_below(self) -> None:
        inner = Part(path="/mnt/a/photos/usb", below="usb", volume="b", directory="")
        registry = self.registry(structs.replace(BOUND, volume="a", parts=[inner]))
        assert bindings.scopes(registry, "b") == [Scope("", "/media/usb", ("**/raw/**",), "path_1")]

    def test_r15_parts_survive_an_assignment_that_does_not_know_them_yet(self) -> None:
        registry = self.registry(BOUND)
        assert registry.assignment is not None
        (path,) = registry.assignment.import_paths
        told = structs.replace(path, volume="pool", directory="photos", parts=PARTS[:1])
        bindings.adopt_assignment(registry, structs.replace(registry.assignment, import_paths=[told]), 0.0)
        assert registry.bindings["path_1"].parts == PARTS
