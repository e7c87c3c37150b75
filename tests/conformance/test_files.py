"""What the agent relies on when it reads files; the same for real storage and for the fake."""

from __future__ import annotations

import errno

import pytest

from agent.ports import Chunk, Listing, Place, Trouble
from holdfast import paths
from holdfast.gate import Check
from holdfast.ignoring import RULES_BYTES_MAX
from tests.conformance.worlds import World

CHANGES = {
    "create": ("write", ("d/new.jpg",), {"d": "mc"}),
    "overwrite in place": ("write", ("d/a.jpg",), {"d/a.jpg": "mc"}),
    "append": ("append", ("d/a.jpg",), {"d/a.jpg": "mc"}),
    "remove": ("unlink", ("d/a.jpg",), {"d": "mc"}),
    "make a directory": ("mkdir", ("d/new",), {"d": "mc"}),
    "remove a directory": ("rmdir", ("d/empty",), {"d": "mc"}),
    "rename within a directory": ("rename", ("d/a.jpg", "d/z.jpg"), {"d": "mc", "d/z.jpg": "c"}),
    "move": ("rename", ("d/a.jpg", "e/a.jpg"), {"d": "mc", "e": "mc", "e/a.jpg": "c"}),
    "move over another": ("rename", ("d/a.jpg", "e/b.jpg"), {"d": "mc", "e": "mc", "e/b.jpg": "c"}),
    "rename a directory": ("rename", ("d/full", "d/other"), {"d": "mc", "d/other": "c"}),
    "link": ("link", ("d/a.jpg", "e/a.jpg"), {"e": "mc", "d/a.jpg": "c"}),
    "make a symbolic link": ("symlink", ("d/link.jpg",), {"d": "mc"}),
    "set a time": ("touch", ("d/a.jpg", 1_700_000_000_000_000_000), {"d/a.jpg": "mc"}),
    "take permissions": ("deny", ("d/full",), {"d/full": "c"}),
}


# Everything that a change may touch and that furnish() made.
KNOWN = ("d", "e", "d/empty", "d/full", "d/a.jpg", "e/b.jpg")


def furnish(world: World) -> None:
    for directory in ("d", "e", "d/empty", "d/full"):
        world.mkdir(directory)
    for file in ("d/a.jpg", "e/b.jpg", "d/full/c.jpg", "d/notes.txt"):
        world.write(file)


def listed(world: World, directory: str = "") -> Listing:
    listing = world.files().list("/".join(part for part in (world.prefix, directory) if part))
    assert isinstance(listing, Listing), listing
    return listing


def trouble(world: World, directory: str) -> int:
    answer = world.files().list("/".join(part for part in (world.prefix, directory) if part))
    assert isinstance(answer, Trouble), answer
    return answer.errno


class TestListing:
    def test_has_media_files_and_directories_by_name_and_counts_all(self, world: World) -> None:
        furnish(world)
        world.symlink("d/link.jpg")
        world.write("d/B.JPG")
        listing = listed(world, "d")
        assert [file.name for file in listing.files] == ["B.JPG", "a.jpg"]
        assert list(listing.directories) == ["empty", "full"]
        assert (listing.entries, listing.unclear) == (6, [])
        assert listing.directory == paths.join(world.prefix, "d")
        assert listing.mount_id == world.mounts.unique_id(world.mount_point)

    def test_shows_size_and_times_of_files_and_of_the_directory(self, world: World) -> None:
        furnish(world)
        world.write("d/a.jpg", size=1234)
        world.touch("d/a.jpg", 1_700_000_000_000_000_000)
        listing = listed(world, "d")
        (file,) = listing.files
        assert (file.size, file.mtime_ns) == (1234, 1_700_000_000_000_000_000)
        assert (file.mtime_ns, file.ctime_ns) == world.times("d/a.jpg")
        assert (listing.mtime_ns, listing.ctime_ns) == world.times("d")

    def test_of_the_root_works(self, world: World) -> None:
        furnish(world)
        assert {"d", "e"} <= set(listed(world).directories)

    def test_r37_spells_names_that_are_not_text(self, world: World) -> None:
        world.mkdir("od\0ff\n")
        world.write("od\0ff\n/\0e9té.jpg")
        assert [file.name for file in listed(world, "od\0ff\n").files] == ["\0e9té.jpg"]

    def test_has_the_text_of_the_ignore_file(self, world: World) -> None:
        furnish(world)
        assert listed(world, "d").rules is None
        world.write_text("d/.holdfastignore", "raw/\n*.tif\n")
        found = listed(world, "d")
        assert (found.rules, [file.name for file in found.files]) == ("raw/\n*.tif\n", ["a.jpg"])
        world.write_text("d/.holdfastignore", "x" * (RULES_BYTES_MAX + 1))
        assert listed(world, "d").rules is None
        world.unlink("d/.holdfastignore")
        world.mkdir("d/.holdfastignore")
        assert listed(world, "d").rules is None
        world.symlink("e/.holdfastignore")
        found = listed(world, "e")
        assert (found.rules, found.unclear) == (None, [])

    def test_r1_of_what_is_not_there_or_no_directory_is_trouble(self, world: World) -> None:
        furnish(world)
        world.symlink("link")
        assert trouble(world, "no") == errno.ENOENT
        assert trouble(world, "no/deeper") == errno.ENOENT
        assert trouble(world, "d/a.jpg") == errno.ENOTDIR
        assert trouble(world, "link") in (errno.ENOTDIR, errno.ELOOP)

    def test_takes_known_files_as_they_are_known(self, world: World) -> None:
        furnish(world)
        before = {file.name: file for file in listed(world, "d").files}
        world.tick()
        world.append("d/a.jpg")
        world.write("d/new.jpg")
        directory = paths.join(world.prefix, "d")
        now = world.files().list(directory, before)
        assert isinstance(now, Listing)
        assert {file.name for file in now.files} == {"a.jpg", "new.jpg"}
        assert now.files[0] == before["a.jpg"]
        assert listed(world, "d").files[0] != before["a.jpg"]
        nameless = world.files().list(directory, {"a.jpg": before["a.jpg"]._replace(inode=0)})
        assert isinstance(nameless, Listing)
        assert nameless.files[0] == before["a.jpg"]._replace(inode=0)

    def test_looks_at_what_took_the_place_of_a_known_file(self, world: World) -> None:
        furnish(world)
        before = {file.name: file for file in listed(world, "d").files}
        world.tick()
        world.rename("e/b.jpg", "d/a.jpg")
        world.symlink("d/link.jpg")
        known = {**before, "link.jpg": before["a.jpg"]._replace(name="link.jpg", inode=0), "gone.jpg": before["a.jpg"]}
        now = world.files().list(paths.join(world.prefix, "d"), known)
        assert isinstance(now, Listing)
        assert now.files == listed(world, "d").files
        assert now.files != list(before.values())

    def test_twice_is_the_same(self, world: World) -> None:
        furnish(world)
        first, second = (listed(world, "d")._replace(age_s=0.0) for _ in range(2))
        assert first == second


class TestTimes:
    @pytest.mark.parametrize("change", CHANGES)
    def test_move_as_linux_moves_them(self, world: World, change: str) -> None:
        verb, arguments, expected = CHANGES[change]
        furnish(world)
        world.tick()
        before = {path: world.times(path) for path in KNOWN}
        getattr(world, verb)(*arguments)
        differences = {
            now: _difference(before[known], world.times(now)) for known, now in _survivors(verb, *arguments).items()
        }
        assert {path: which for path, which in differences.items() if which} == expected


class TestBirths:
    def test_r39_a_moved_file_keeps_inode_and_birth(self, world: World) -> None:
        furnish(world)
        before = births(world, "d", "a.jpg")
        world.rename("d/a.jpg", "e/z.jpg")
        assert births(world, "e", "z.jpg") == {"z.jpg": before["a.jpg"]}

    def test_r39_a_new_file_of_an_old_name_is_another(self, world: World) -> None:
        furnish(world)
        before = births(world, "d", "a.jpg")
        world.tick()
        world.unlink("d/a.jpg")
        world.write("d/a.jpg")
        assert births(world, "d", "a.jpg")["a.jpg"] != before["a.jpg"]

    def test_a_file_written_in_place_is_the_same(self, world: World) -> None:
        furnish(world)
        before = births(world, "d", "a.jpg")
        world.tick()
        world.write("d/a.jpg", size=99)
        assert births(world, "d", "a.jpg") == before

    def test_names_that_are_gone_are_left_out(self, world: World) -> None:
        furnish(world)
        assert list(births(world, "d", "no.jpg", "a.jpg")) == ["a.jpg"]

    def test_both_names_of_a_file_have_one_inode(self, world: World) -> None:
        furnish(world)
        world.link("d/a.jpg", "d/twin.jpg")
        found = births(world, "d", "a.jpg", "twin.jpg")
        assert found["a.jpg"] == found["twin.jpg"]


class TestGate:
    def test_is_closed_before_a_pass_began(self, world: World) -> None:
        assert isinstance(world.files().gate(), Trouble)

    def test_is_open_when_nothing_happened(self, volume: World) -> None:
        files = volume.files()
        files.begin()
        assert list(files.gate()) == [
            Check.TABLE,
            Check.MOUNT,
            Check.SUPER_BLOCK,
            Check.ROOT,
            Check.SIZE,
            Check.DEVICE,
            Check.ERRORS,
        ]

    def test_r1_is_closed_when_its_pass_began_on_something_else(self, volume: World) -> None:
        furnish(volume)
        files = volume.files()
        files.begin()
        volume.cover()
        files.begin()
        volume.uncover()
        assert isinstance(files.gate(), Trouble)

    @pytest.mark.parametrize("lazy", [False, True])
    def test_r1_is_closed_after_an_unmount(self, volume: World, lazy: bool) -> None:
        furnish(volume)
        files = volume.files()
        files.begin()
        volume.umount(lazy=lazy)
        assert files.gate() == Trouble(errno.EXDEV, Check.MOUNT)
        assert files.list("d") == Trouble(errno.EXDEV, "d")
        assert files.unmoved([Place("d", (1, 1), ())]) == Trouble(errno.EXDEV, "")

    def test_r1_stays_closed_when_the_same_disk_comes_back(self, volume: World) -> None:
        furnish(volume)
        files = volume.files()
        files.begin()
        volume.umount()
        volume.mount()
        assert files.gate() == Trouble(errno.EXDEV, Check.MOUNT)
        assert [file.name for file in listed(volume, "d").files] == ["a.jpg"]

    def test_r14_is_closed_while_the_volume_is_covered(self, volume: World) -> None:
        furnish(volume)
        files = volume.files()
        files.begin()
        volume.cover()
        assert isinstance(files.gate(), Trouble)
        assert files.list("d") == Trouble(errno.EXDEV, "d")
        volume.uncover()
        assert Check.TABLE not in files.gate()
        assert isinstance(files.list("d"), Listing)


def births(world: World, directory: str, *names: str) -> dict[str, tuple[int, int | None]]:
    """Inode and birth of each of these files that is there."""
    found = world.files().list(paths.join(world.prefix, directory))
    assert isinstance(found, Listing), found
    return {file.name: (file.inode, found.births[file.name]) for file in found.files if file.name in names}


def _survivors(verb: str, path: str, new: object = None) -> dict[str, str]:
    """Where everything that was known is after a change, if it is anywhere."""
    left = {known: known for known in KNOWN}
    if verb in ("unlink", "rmdir", "rename"):
        del left[path]
    if verb == "rename":
        left.pop(str(new), None)
        left[path] = str(new)
    return left


def _difference(before: tuple[int, int], after: tuple[int, int]) -> str:
    return ("m" if before[0] != after[0] else "") + ("c" if before[1] != after[1] else "")


class TestReading:
    def read(self, world: World, directory: str, name: str, offset: int = 0, count: int = 1 << 20) -> Chunk | Trouble:
        return world.files().read("/".join(part for part in (world.prefix, directory) if part), name, offset, count)

    def test_gives_bytes_from_an_offset_on_and_what_the_file_is(self, world: World) -> None:
        furnish(world)
        world.write_text("d/a.jpg", "0123456789")
        (file,) = listed(world, "d").files
        assert self.read(world, "d", "a.jpg") == Chunk(b"0123456789", file)
        assert self.read(world, "d", "a.jpg", 2, 3) == Chunk(b"234", file)
        assert self.read(world, "d", "a.jpg", 8, 3) == Chunk(b"89", file)
        assert self.read(world, "d", "a.jpg", 10, 3) == Chunk(b"", file)

    def test_of_what_is_no_file_is_refused(self, world: World) -> None:
        furnish(world)
        world.symlink("d/link.jpg")
        found = {name: self.read(world, "d", name) for name in ("gone.jpg", "link.jpg", "full")}
        numbers = {name: one.errno for name, one in found.items() if isinstance(one, Trouble)}
        assert numbers["gone.jpg"] == errno.ENOENT
        assert numbers["full"] == errno.EINVAL
        assert numbers["link.jpg"] in (errno.ELOOP, errno.EINVAL)

    def test_of_another_mount_is_refused(self, world: World) -> None:
        furnish(world)
        files = world.files()
        world.cover()
        directory = "/".join(part for part in (world.prefix, "d") if part)
        answer = files.read(directory, "a.jpg", 0, 10)
        assert isinstance(answer, Trouble)
        assert answer.errno == errno.EXDEV
        world.uncover()
        assert isinstance(files.read(directory, "a.jpg", 0, 10), Chunk)
