"""What a scan does not list, since it looks as it did, on real file systems."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from agent.linux.files import MountedFiles
from agent.linux.mountinfo import MountTable
from agent.ports import Listing, Place, Trouble
from tests.linux.disks import Disks

pytestmark = pytest.mark.root


class Known(NamedTuple):
    """A disk with two folders of photos, as they were when they were listed."""

    files: MountedFiles
    top: Path
    places: list[Place]


def put(photo: Path) -> None:
    photo.parent.mkdir(exist_ok=True)
    photo.write_bytes(b"photo")


def as_listed(files: MountedFiles, directory: str) -> Place:
    """A directory as it is, with its files."""
    listing = files.list(directory)
    assert isinstance(listing, Listing)
    return Place(directory, (listing.mtime_ns, listing.ctime_ns), listing.files)


@pytest.fixture(params=["ext4", "xfs", "btrfs"])
def known(request: pytest.FixtureRequest, disks: Disks, tmp_path: Path) -> Iterator[Known]:
    top = disks.make(request.param).mount(tmp_path / "disk")
    for name in ("2024/a.jpg", "2024/b.jpg", "2025/c.jpg"):
        put(top / name)
    table = MountTable()
    mount_id = table.unique_id(str(top))
    assert mount_id is not None
    with closing(MountedFiles(str(top), mount_id)) as files, closing(table):
        yield Known(files, top, [as_listed(files, "2024"), as_listed(files, "2025")])


def test_a_directory_that_nobody_touches_does_not_move(known: Known) -> None:
    assert known.files.unmoved(known.places) == {"2024": [], "2025": []}


@pytest.mark.parametrize(
    "change",
    [
        lambda top: put(top / "2024/new.jpg"),
        lambda top: (top / "2024/a.jpg").unlink(),
        lambda top: (top / "2024/a.jpg").rename(top / "2025/a.jpg"),
        lambda top: (top / "2024/inside").mkdir(),
        lambda top: (top / "2024").chmod(0o700),
    ],
)
def test_one_whose_names_or_rights_change_does(known: Known, change: Callable[[Path], object]) -> None:
    change(known.top)
    assert "2024" not in known.files.unmoved(known.places)


@pytest.mark.parametrize(
    "change",
    [
        lambda photo: photo.write_bytes(b"another"),
        lambda photo: os.utime(photo, (1, 1)),
        lambda photo: os.truncate(photo, 0),
    ],
)
def test_a_file_in_one_that_changes_is_named_if_it_is_asked_for(known: Known, change: Callable[[Path], object]) -> None:
    change(known.top / "2024/a.jpg")
    assert known.files.unmoved(known.places) == {"2024": ["a.jpg"], "2025": []}
    nothing_asked = [place._replace(files=()) for place in known.places]
    assert known.files.unmoved(nothing_asked) == {"2024": (), "2025": ()}


def test_another_file_with_the_times_of_one_is_not_that_one(known: Known) -> None:
    before = known.places[0]
    here = (known.top / "2024").stat()
    as_another = [file._replace(inode=file.inode + (file.name == "b.jpg")) for file in before.files]
    assert known.files.unmoved([before._replace(files=as_another)]) == {"2024": ["b.jpg"]}
    by_name = [file._replace(inode=0) for file in before.files]
    assert known.files.unmoved([before._replace(files=by_name)]) == {"2024": []}
    assert here.st_mtime_ns == before.stamp[0]


def test_where_many_files_change_a_listing_looks_at_all_of_them(known: Known) -> None:
    for number in range(100):
        put(known.top / f"2026/{number:03}.jpg")
    place = as_listed(known.files, "2026")
    os.utime(known.top / "2026/050.jpg", (1, 1))
    assert known.files.unmoved([place]) == {"2026": ["050.jpg"]}
    for number in range(60):
        os.utime(known.top / f"2026/{number:03}.jpg", (1, 1))
    assert known.files.unmoved([place]) == {}


def test_what_cannot_be_looked_at_is_left_to_its_listing(known: Known) -> None:
    known.top.joinpath("2025").rename(known.top / "2026")
    (known.top / "link").symlink_to("2024")
    linked = known.places[0]._replace(directory="link")
    assert known.files.unmoved([*known.places, linked]) == {"2024": []}


def test_whoever_wants_the_disk_gets_it(known: Known) -> None:
    with closing(MountedFiles(str(known.top), known.files.mount_id, asked_to_let_go=lambda: True)) as files:
        assert files.unmoved(known.places) == Trouble(errno.ECANCELED, "")
