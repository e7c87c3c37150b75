"""Very many assets, made up, in the tables of the catalog as a library of years has them.

They are written in bulk, behind the back of everything that would look at them; their figures are kept.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from holdfast import ids
from holdfast.media import Kind
from sidecar.asset import Status
from sidecar.catalog import asset_rows, bulk, figures
from sidecar.catalog.clock import CLOCK
from sidecar.catalog.engine import transact
from sidecar.catalog.tables import asset
from sidecar.figures import NOWHERE, Figure, Sort
from tests.sidecar.world import Agent, Item, World

BATCH = 10_000
BEGAN_US = 1_600_000_000_000_000
# The content of every fiftieth file: what a camera writes by mistake.
COMMON = "sha1:" + base64.b64encode(hashlib.sha1(b"common", usedforsecurity=False).digest()).decode()
ROOT = b"photos"


class Place(NamedTuple):
    """Where some of the assets are; the ids are bytes. ``volume`` is None for uploads."""

    library: bytes
    volume: bytes | None
    import_path: bytes | None


@dataclass(frozen=True)
class Crowd:
    """Two libraries of Anna's, the first one on two volumes, and what Ben has uploaded."""

    rows: int
    agents: list[Agent]
    libraries: list[Item]
    places: list[Place]
    folder: int  # how many files a folder has

    def place_of(self, number: int) -> Place:
        """Where a file is: of twenty folders the first library has fourteen, one of them on its second volume."""
        folder = number // self.folder % 20
        return self.places[0 if folder < 13 else 1 if folder == 13 else 2 if folder < 19 else 3]


def begin(world: World, rows: int, folder: int = 100) -> Crowd:
    """Everything but the assets."""
    agents = [Agent(world, name, f"{name}.home") for name in ("one", "two", "three")]
    for agent in agents:
        agent.heartbeat()
    paths = [{"agent": agent.id, "path": "/mnt/usb/photos", "server_path": f"/{agent.name}"} for agent in agents]
    first = world.post("/libraries", {"owner": "anna", "import_paths": paths[:2]})
    second = world.post("/libraries", {"owner": "anna", "name": "second", "import_paths": paths[2:]})
    uploads = world.post("/libraries", {"owner": "ben", "kind": "upload"})
    for agent, library in zip(agents, (first, first, second), strict=True):
        agent.bind(library, ROOT.decode())
    places = []
    for agent, library in zip(agents, (first, first, second), strict=True):
        (path,) = (one["id"] for one in library["import_paths"] if one["agent"] == agent.id)
        places.append(Place(raw("library", library["id"]), raw("volume", agent.volume), raw("import_path", path)))
    places.append(Place(raw("library", uploads["id"]), None, None))
    return Crowd(rows, agents, [first, second, uploads], places, folder)


def fill(world: World, rows: int, folder: int = 100) -> Crowd:
    """So many assets."""
    crowd = begin(world, rows, folder)
    for start in range(0, rows, BATCH):
        write(world.engine, crowd, start, min(start + BATCH, rows))
    return crowd


def write(engine: sa.Engine, crowd: Crowd, start: int, end: int) -> None:
    """The assets with these numbers, in one transaction."""

    def work(connection: sa.Connection) -> None:
        grown: Counter[tuple[Any, ...]] = Counter()
        size: Counter[tuple[Any, ...]] = Counter()
        claiming: Counter[tuple[Any, ...]] = Counter()
        rows = list(_rows(crowd, start, end, CLOCK.take(connection, end - start)))
        for row in rows:
            sort = (row[1], row[2] or NOWHERE, row[3] or NOWHERE, row[6], row[10])
            grown[sort] += 1
            claiming[sort] += row[5] is not None
            size[sort] += row[7]
        bulk.insert(connection, asset, rows)
        sorts = {one: Sort(*one[:3], Kind(one[3]), Status(one[4])) for one in grown}
        figures.add(connection, {sorts[one]: Figure(grown[one], claiming[one], size[one]) for one in grown})

    transact(engine, work)


def asset_id(number: int) -> bytes:
    """The id of an asset; they ascend with the numbers."""
    return ((BEGAN_US // 1000 + number // 100) << 80 | 0x7 << 76 | 0b10 << 62 | number).to_bytes(16, "big")


def path_of(crowd: Crowd, number: int) -> bytes:
    """The path on the volume; that of an upload is the photo server's own."""
    folder, file = divmod(number, crowd.folder)
    root = b"/uploads" if crowd.place_of(number).volume is None else ROOT
    return b"%s/%d/trip-%05d/IMG_%04d.jpg" % (root, 2000 + folder % 25, folder, file)


def content_of(number: int) -> str | None:
    """The content of every other file is known; that of every fiftieth is the same."""
    if number % 50 == 0:
        return COMMON
    if number % 2:
        return None
    return "sha1:" + base64.b64encode(hashlib.sha1(b"%d" % number, usedforsecurity=False).digest()).decode()


def status_of(crowd: Crowd, number: int) -> Status:
    """Nine of ten are present; an upload is never missing."""
    if crowd.place_of(number).volume is None:
        return Status.PRESENT
    return {3: Status.MISSING, 17: Status.EXCLUDED, 31: Status.REMOVED, 63: Status.UNREADABLE}.get(
        number % 100, Status.PRESENT
    )


def raw(what: str, text: str) -> bytes:
    """An id as the catalog has it."""
    found = ids.from_text(what, text)
    assert found is not None
    return found


def text(what: str, key: bytes) -> str:
    """An id as the API has it."""
    return ids.to_text(what, key)


def _rows(crowd: Crowd, start: int, end: int, changes: Iterator[int]) -> Iterator[tuple[Any, ...]]:
    """Complete rows, in the order of the table's columns."""
    for number in range(start, end):
        place, status, path = crowd.place_of(number), status_of(crowd, number), path_of(crowd, number)
        # What was reported together changed at the same moment.
        at = BEGAN_US + number // 500 * 1_000_000
        yield (
            asset_id(number),
            place.library,
            place.volume,
            place.import_path,
            path,
            None if status is Status.REMOVED else asset_rows.place_key(path),
            "video" if number % 10 == 9 else "image",
            3_000_000 + number % 1_000,
            BEGAN_US * 1_000,
            at,
            status.value,
            at if status is Status.MISSING else None,
            "EACCES" if status is Status.UNREADABLE else None,
            "*.tmp" if status is Status.EXCLUDED else None,
            at if status is Status.REMOVED else None,
            at if number % 1_000 == 500 else None,
            None,
            None,
            next(changes),
            "asset.added",
            at,
            0 if status is Status.MISSING else None,
            content_of(number),
        )
