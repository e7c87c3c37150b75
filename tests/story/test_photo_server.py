"""The story of the toy photo server in examples/: whatever happens to the disk, to the sidecar, or to itself, its
albums keep every entry."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sidecar.catalog import clock
from sidecar.catalog.engine import connect, transact
from tests.linux.disks import Disks
from tests.sidecar.world import new_id
from tests.story.stack import PATIENCE_S, Stack, stack
from tests.story.test_story import fill

pytestmark = [pytest.mark.root, pytest.mark.story]

TOY = Path(__file__).parents[2] / "examples" / "toy_photo_server.py"
PHOTOS, PER_DIRECTORY = 9, 3


class PhotoServer:
    """The example, as a process of its own that may be killed and started again."""

    def __init__(self, home: Path, parts: Stack) -> None:
        self.home = home
        token = parts.post("/tokens", {"scope": "reader", "name": "toy", "owner": "anna"})["token"]
        (home / "token").write_text(token)
        self._url = str(parts.client.base_url).removesuffix("/api/v1/")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, TOY, "follow", self._url, "token"], cwd=self.home)

    def kill(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, "it ended by itself"
        self._process.kill()
        self._process.wait()

    def run(self, *verb: str) -> list[list[str]]:
        command = [sys.executable, TOY, *verb]
        done = subprocess.run(command, cwd=self.home, capture_output=True, text=True, check=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def album(self) -> dict[str, tuple[str, str]]:
        """The entries of the album: id -> path and how it is."""
        return {entry: (path, how) for entry, path, how in self.run("show", "Best of")}

    def until_it_knows(self, count: int) -> None:
        """Wait until it has taken so many photos in."""
        deadline = time.monotonic() + PATIENCE_S
        with contextlib.closing(sqlite3.connect(self.home / "photos.sqlite3", timeout=10)) as photos:
            while photos.execute("SELECT count(*) FROM sqlite_master WHERE name = 'photo'").fetchone() != (1,) or (
                photos.execute("SELECT count(*) FROM photo").fetchone() != (count,)
            ):
                assert time.monotonic() < deadline
                time.sleep(0.1)  # it tells nobody that it has taken something in

    def until(self, true_of: Callable[[dict[str, tuple[str, str]]], bool]) -> dict[str, tuple[str, str]]:
        """The album, once this is true of it."""
        deadline = time.monotonic() + PATIENCE_S
        while not true_of(found := self.album()):
            assert time.monotonic() < deadline, found
            time.sleep(0.2)  # it tells nobody that it has taken something in
        return found


@pytest.fixture
def running(tmp_path: Path, database: str | None) -> Iterator[Stack]:
    (tmp_path / "state").mkdir()
    (tmp_path / "mnt").mkdir()
    with stack(tmp_path / "state", database) as parts:
        parts.start_agent(tmp_path / "mnt")
        yield parts


def test_the_albums_of_a_photo_server_keep_every_entry(
    running: Stack, disks: Disks, tmp_path: Path, database: str | None
) -> None:
    parts, mounted = running, tmp_path / "mnt" / "usb"
    disk = disks.make("ext4", label="family")
    disk.mount(mounted)
    fill(mounted, PHOTOS, PER_DIRECTORY)
    body = {"agent": parts.agent_id(), "path": str(mounted), "server_path": "/media/family"}
    library = parts.post("/libraries", {"name": "All", "owner": "anna", "import_paths": [body]})["id"]
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS})
    parts.until_online("family")
    home = tmp_path / "toy"
    home.mkdir()
    server = PhotoServer(home, parts)
    try:
        tell(server, parts, mounted, disk.umount, lambda: disk.mount(mounted), database)
    finally:
        server.kill()


def tell(
    server: PhotoServer,
    parts: Stack,
    mounted: Path,
    unplug: Callable[[], None],
    replug: Callable[[], object],
    database: str | None,
) -> None:
    def here(album: dict[str, tuple[str, str]]) -> bool:
        return bool(album) and {how for _, how in album.values()} == {"here"}

    photos = sorted(path.relative_to(mounted) for path in mounted.rglob("*.jpg"))
    server.until_it_knows(len(photos))
    for photo in photos:
        server.run("add", "Best of", f"/media/family/{photo}")
    first = server.until(here)
    assert len(first) == len(photos)
    by_path = {path: key for key, (path, _) in first.items()}

    # unplugged: everything is greyed out, with the reason, and nothing is lost
    unplug()
    away = server.until(lambda album: all(how.startswith("away: family: ") for _, how in album.values()))
    assert away.keys() == first.keys()

    # the server is killed, the disk comes back, and a directory is renamed while it is down
    server.kill()
    replug()
    (mounted / "trip 001").rename(mounted / "Lisbon")
    server.start()
    names = {by_path[f"/media/family/{photo}"]: str(photo).replace("trip 001", "Lisbon") for photo in photos}
    moved = server.until(lambda album: here(album) and {path for path, _ in album.values()} == as_seen(names))
    assert {key: path for key, (path, _) in moved.items()} == {k: f"/media/family/{p}" for k, p in names.items()}

    # a photo is deleted: its entry stays, marked; it comes back as the one it was
    lost = mounted / "trip 002" / "IMG_00006.jpg"
    content = lost.read_bytes()
    key = by_path["/media/family/trip 002/IMG_00006.jpg"]
    lost.unlink()
    without = server.until(lambda album: album[key][1] == "missing")
    assert without.keys() == first.keys()
    lost.write_bytes(content)
    server.until(here)

    # the sidecar is killed and started again, the disk unplugged meanwhile
    parts.kill_sidecar()
    unplug()
    parts.start_sidecar()
    server.until(lambda album: not any(how == "here" for _, how in album.values()))
    replug()
    assert server.until(here).keys() == first.keys()

    # the catalog is restored: the feed is read from its beginning
    engine = connect(database or f"sqlite:///{parts.home}/catalog.sqlite3")
    transact(engine, lambda connection: clock.renew(connection, new_id()))
    engine.dispose()
    (mounted / "Lisbon").rename(mounted / "Lisboa")
    names = {key: path.replace("Lisbon", "Lisboa") for key, path in names.items()}
    last = server.until(lambda album: here(album) and {path for path, _ in album.values()} == as_seen(names))
    assert last.keys() == first.keys()


def as_seen(names: dict[str, str]) -> set[str]:
    """Paths on the volume as the photo server calls them."""
    return {f"/media/family/{path}" for path in names.values()}
