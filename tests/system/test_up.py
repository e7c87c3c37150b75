"""`holdfast up` as a newcomer meets it: real processes, a folder of photos, a disk that comes and goes."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable

import httpx2
import pytest

from tests.linux.disks import Disks
from tests.mariadb import MariaDB, mariadb
from tests.system.console import Console, free_port

__all__ = ["mariadb"]  # a fixture

Up = Callable[..., Console]


@pytest.fixture
def up(tmp_path: os.PathLike[str]) -> Up:
    def run(*arguments: str) -> Console:
        state = os.path.join(tmp_path, "state")
        return Console("--listen", f"127.0.0.1:{free_port()}", *arguments, state=state)

    return run


@pytest.fixture
def photos(tmp_path: os.PathLike[str]) -> str:
    folder = os.path.join(tmp_path, "my photos")
    for trip in ("alps", "sea"):
        os.makedirs(os.path.join(folder, trip))
        for number in range(10):
            write(os.path.join(folder, trip, f"IMG_{number}.jpg"), trip)
    write(os.path.join(folder, "clip.mp4"), "clip")
    write(os.path.join(folder, "notes.txt"), "no photo")
    settle(folder)
    return folder


def settle(folder: str) -> None:
    """Make everything old: a file that was just written might not be whole yet, and is told later."""
    for directory, _, names in os.walk(folder):
        for name in names:
            os.utime(os.path.join(directory, name), (1_600_000_000, 1_600_000_000))


def write(path: str, content: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)


def test_from_the_first_scan_to_ctrl_c(up: Up, photos: str) -> None:
    with up(photos) as console:
        console.expect(r"^20 photos and 1 video, .* on 1 volume; looked through in")
        console.expect(r"volume .*: online$")
        link = console.expect(r"make your account, once: (http://127\.0\.0\.1:\d+/setup/[\w-]{43})$")
        assert "Make your account" in httpx2.get(link[1]).text
        console.expect(r"^Watching\.")
        write(os.path.join(photos, "alps", "new.jpg"), "new")
        console.expect(r"^\d\d:\d\d:\d\d  \+ alps/new\.jpg$")
        os.rename(os.path.join(photos, "alps", "new.jpg"), os.path.join(photos, "sea", "renamed.jpg"))
        console.expect(r"> alps/new\.jpg -> sea/renamed\.jpg$")
        os.unlink(os.path.join(photos, "sea", "renamed.jpg"))
        console.expect(r"- sea/renamed\.jpg missing$")
        os.makedirs(os.path.join(photos, "lake"))
        for number in range(9):
            write(os.path.join(photos, "lake", f"{number}.jpg"), str(number))
        console.expect(r"\+ \d+ photos in lake/$")
        start = time.monotonic()
        assert console.interrupt() == 0
        assert time.monotonic() - start < 15
        assert console.seen[-1].startswith("Stopped.")


def test_a_second_run_goes_on_without_processing_anything_again(up: Up, photos: str) -> None:
    with up(photos) as console:
        console.expect(r"^20 photos")
        assert console.interrupt() == 0
    write(os.path.join(photos, "sea", "meanwhile.jpg"), "meanwhile")
    settle(photos)
    with up(photos) as console:
        console.expect(r"^21 photos and 1 video")
        console.expect(r"\+ sea/meanwhile\.jpg$")
        assert console.interrupt() == 0
        assert not [line for line in console.seen if "IMG_" in line]


def test_a_run_without_changes_says_so(up: Up, photos: str) -> None:
    with up(photos) as console:
        console.expect(r"^Watching")
        assert console.interrupt() == 0
    with up() as console:  # the folders of the first run are remembered
        console.expect(r"[Nn]othing has changed since the last run")
        assert console.interrupt() == 0


def test_a_folder_that_is_added_gets_a_library_of_its_own(up: Up, photos: str, tmp_path: os.PathLike[str]) -> None:
    more = os.path.join(tmp_path, "more")
    os.mkdir(more)
    write(os.path.join(more, "a.jpg"), "a")
    settle(more)
    with up(photos) as console:
        console.expect(r"^Watching")
        assert console.interrupt() == 0
    with up(more) as console:
        console.expect(r"looking after .*my photos$")
        console.expect(r"looking after .*more$")
        console.expect(r"^21 photos and 1 video")
        assert console.interrupt() == 0


def test_an_agent_that_is_killed_is_started_again(up: Up, photos: str) -> None:
    with up(photos) as console:
        console.expect(r"^Watching")
        os.kill(console.children()["agent"], signal.SIGKILL)
        console.expect(r"^The agent was killed by SIGKILL")
        console.expect(r"^Starting the agent again in")
        write(os.path.join(photos, "alps", "after.jpg"), "after")
        console.expect(r"\+ alps/after\.jpg$")
        assert console.interrupt() == 0


def test_a_sidecar_that_is_killed_is_started_again(up: Up, photos: str) -> None:
    with up(photos) as console:
        console.expect(r"^Watching")
        os.kill(console.children()["sidecar"], signal.SIGKILL)
        console.expect(r"^The sidecar was killed by SIGKILL")
        console.expect(r"^Starting the sidecar again in")
        write(os.path.join(photos, "alps", "after.jpg"), "after")
        console.expect(r"\+ alps/after\.jpg$")
        assert console.interrupt() == 0


def test_a_sidecar_that_cannot_start_is_told_with_its_last_lines(
    up: Up, photos: str, tmp_path: os.PathLike[str]
) -> None:
    write(os.path.join(tmp_path, "catalog.sqlite3"), "this is no database at all, but some text" * 100)
    with up(photos, "--database", f"sqlite:///{os.fspath(tmp_path)}/catalog.sqlite3") as console:
        console.expect(r"^The sidecar ended with status \d+ while starting\. Its last lines")
        console.expect(r"^    .*(database|Database)")
        assert console.wait() == 70


@pytest.mark.mariadb
def test_a_catalog_in_mariadb(up: Up, photos: str, mariadb: MariaDB) -> None:
    url = mariadb.fresh_database()
    try:
        with up(photos, "--database", url) as console:
            console.expect(r"^20 photos and 1 video")
            console.expect(r"^Watching")
            for pid in console.children().values():
                with open(f"/proc/{pid}/cmdline", encoding="utf-8") as command:
                    assert url not in command.read(), "a URL may hold a password"
            write(os.path.join(photos, "alps", "new.jpg"), "new")
            console.expect(r"\+ alps/new\.jpg$")
            assert console.interrupt() == 0
    finally:
        mariadb.drop_database(url)


@pytest.mark.root
def test_r27_a_disk_that_goes_away_and_comes_back(
    up: Up, photos: str, disks: Disks, tmp_path: os.PathLike[str]
) -> None:
    disk = disks.make("ext4", label="USB")
    place = os.path.join(tmp_path, "usb")
    os.mkdir(place)
    disk.mount(place)
    shutil.copytree(photos, os.path.join(place, "photos"))
    with up(place) as console:
        console.expect(r"^20 photos")
        console.expect(r"^Watching")
        disk.umount()
        console.expect(r"! volume USB went away: .*not deleted")
        disk.mount(place)
        console.expect(r"\* volume USB is back")
        write(os.path.join(place, "photos", "sea", "last.jpg"), "last")
        console.expect(r"\+ photos/sea/last\.jpg$")
        assert console.interrupt() == 0
        assert not [line for line in console.seen if "missing" in line]
