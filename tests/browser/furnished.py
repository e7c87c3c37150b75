"""A catalog in which every page has something to show: storage in several states, libraries, losses that wait."""

from __future__ import annotations

import os
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from holdfast import ids
from holdfast.volumes import STATE_OF, Capacity, Reason, sentence
from sidecar.catalog.clock import now_us
from sidecar.catalog.tables import volume_transition
from tests.sidecar.browser import add_account
from tests.sidecar.world import Agent, World, absent, file, listed

DAY_US = 86_400 * 1_000_000
TB = 10**12
FOLDERS = ("spring", "summer holidays", "birthday", "christmas")


@dataclass(frozen=True)
class Household:
    """``library`` has several of everything, ``archive`` is away with its disk, ``hold`` waits for a decision."""

    world: World
    library: str
    archive: str
    hold: str


def furnish(world: World) -> Household:
    """Fill an empty catalog."""
    for role in ("admin", "operator", "reader"):
        add_account(world.engine, role, role)
    nas, office, garage = (Agent(world, name, f"{name}.home") for name in ("nas", "office", "garage"))
    _becomes(nas, "Family photos", "/mnt/family", Reason.VERIFIED, Capacity(4 * TB, 5 * TB // 4))
    library = _library(world, nas, "Family", "/mnt/family/photos", "photos", server_path="/media/photos")
    for year in range(2018, 2026):
        for folder in FOLDERS:
            photos = [file(f"IMG_{number:04}.jpg", 3_200_000 + number) for number in range(40)]
            nas.send(listed(f"photos/{year}/{folder}", *photos, file("film.mp4", 90_000_000)))
    for folder in FOLDERS:
        nas.send(absent(f"photos/2021/{folder}", *(f"IMG_{number:04}.jpg" for number in range(40))))
    nas.send(absent("photos/2025/spring", "IMG_0001.jpg"))
    _becomes(office, "Archive USB", "/media/archive", Reason.VERIFIED, Capacity(2 * TB, TB // 20))
    archive = _library(world, office, "Archive 1998 to 2014", "/media/archive", "")
    office.send(listed("scans", *(f"slide {number}.tif" for number in range(180))))
    _becomes(office, "Archive USB", "/media/archive", Reason.UNPLUGGED, Capacity(2 * TB, TB // 20))
    _becomes(garage, "Phone backups", "/srv/phones", Reason.VERIFIED, Capacity(TB // 2, TB // 4))
    _becomes(garage, "Phone backups", "/srv/phones", Reason.COVERED, Capacity(TB // 2, TB // 4))
    world.post("/libraries", {"owner": "bert", "kind": "upload"})
    _look_back(world, nas, (5.2, Reason.HUNG), (5.1, Reason.VERIFIED))
    _look_back(world, office, (4.0, Reason.UNPLUGGED), (2.5, Reason.VERIFIED))
    _look_back(world, garage, (3.3, Reason.AGENT_SILENT), (3.1, Reason.VERIFIED))
    hold = max(world.get("/holds", state="open")["items"], key=lambda one: int(one["files"]))
    return Household(world, library, archive, hold["id"])


def _library(world: World, agent: Agent, name: str, path: str, directory: str, **more: str) -> str:
    import_path = {"agent": agent.id, "path": path, **more}
    made = world.post("/libraries", {"name": name, "owner": "anna", "import_paths": [import_path]})
    agent.bind(made, directory)
    return str(made["id"])


def _becomes(agent: Agent, label: str, mount_point: str, reason: Reason, capacity: Capacity) -> None:
    """The volume of an agent, under its name and at its place, comes into a state."""
    agent.becomes(reason, mount_point if reason is Reason.VERIFIED else None)
    agent.status = msgspec.structs.replace(
        agent.status,
        version=agent.status.version + 1000,
        label=label,
        last_mounted_at=mount_point,
        detail=sentence(reason, mount_point),
        since=now_us() / 1_000_000,
        capacity=capacity,
    )
    agent.heartbeat()


def _look_back(world: World, agent: Agent, *steps: tuple[float, Reason]) -> None:
    """Write into the history of a volume what happened so many days ago."""
    raw, before = ids.from_text("volume", agent.volume), "online"
    with world.engine.begin() as connection:
        for days, reason in steps:
            at = now_us() - int(days * DAY_US)
            row = {"id": ids.new(at // 1000, os.urandom(10)), "volume_id": raw, "from_state": before, "at": at}
            before = STATE_OF[reason].value
            told = {"to_state": before, "reason": reason.value, "detail": sentence(reason, "/mnt")}
            connection.execute(sa.insert(volume_transition).values({**row, **told}))
