"""A catalog in which every page has something to show: storage in several states, libraries, losses that wait."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from holdfast import ids
from holdfast.reports import Absent, ScanFinished, ScanStarted
from holdfast.volumes import STATE_OF, Capacity, Reason, sentence
from sidecar.catalog.clock import now_us
from sidecar.catalog.tables import delivery, volume_transition
from sidecar.worker import Worker
from tests.sidecar.browser import add_account
from tests.sidecar.world import Agent, World, absent, file, listed, new_id

DAY_US = 86_400 * 1_000_000
YEAR_NS = 31_557_600 * 10**9
TB = 10**12
FOLDERS = ("spring", "summer holidays", "birthday", "christmas")


@dataclass(frozen=True)
class Household:
    """``library`` has several of everything, ``archive`` is away with its disk, ``hold`` waits for a decision, ``lost``
    is an asset of ``library`` that went missing, ``away`` one of ``archive``. ``dry_run`` and ``removal`` are jobs that
    have ended, ``token`` is one that can be rotated."""

    world: World
    library: str
    archive: str
    hold: str
    lost: str
    away: str
    agent: str
    dry_run: str
    removal: str
    token: str
    webhook: str


def furnish(world: World) -> Household:
    """Fill an empty catalog."""
    for role in ("admin", "operator", "reader"):
        add_account(world.engine, role, role)
    nas, office, garage = (Agent(world, name, f"{name}.home") for name in ("nas", "office", "garage"))
    _becomes(nas, "Family photos", "/mnt/family", Reason.VERIFIED, Capacity(4 * TB, 5 * TB // 4))
    library = _library(world, nas, "Family", "/mnt/family/photos", "photos", server_path="/media/photos")
    for year in range(2018, 2026):
        for folder in FOLDERS:
            taken = (year - 1970) * YEAR_NS
            photos = [file(f"IMG_{number:04}.jpg", 3_200_000 + number, taken + number * 10**11) for number in range(40)]
            nas.send(listed(f"photos/{year}/{folder}", *photos, file("film.mp4", 90_000_000)))
    for folder in FOLDERS:
        nas.send(_gone(f"photos/2021/{folder}", *(f"IMG_{number:04}.jpg" for number in range(40))))
    nas.send(_gone("photos/2025/spring", "IMG_0001.jpg"))
    for folder, count in (("birthday", 14), ("christmas", 3)):
        nas.send(_gone(f"photos/2019/{folder}", *(f"IMG_{number:04}.jpg" for number in range(count))))
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
    away = world.get("/assets", library=archive, limit=1)["items"][0]
    dry_run, removal = _remove(world, nas, library, dry_run=True), _remove(world, nas, library, older_than_s=0)
    for folder in ("birthday", "christmas"):
        nas.send(_gone(f"photos/2020/{folder}", *(f"IMG_{number:04}.jpg" for number in range(5))))
    lost = world.get("/assets", library=library, status="missing", limit=1)["items"][0]
    token = world.post("/tokens", {"scope": "reader", "name": "Picture frame in the hall", "owner": "anna"})
    return Household(
        world,
        library,
        archive,
        hold["id"],
        lost=lost["id"],
        away=away["id"],
        agent=nas.id,
        dry_run=dry_run,
        removal=removal,
        token=token["id"],
        webhook=_webhook(world),
    )


def _gone(directory: str, *names: str) -> Absent:
    """These are gone, as of now."""
    told = absent(directory, *names)
    at = now_us() / 1_000_000
    first, second = (
        msgspec.structs.replace(one, at=at - 6.0 + one.at) for one in (told.proof.first, told.proof.second)
    )
    return msgspec.structs.replace(told, proof=msgspec.structs.replace(told.proof, first=first, second=second))


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


def _remove(world: World, agent: Agent, library: str, **wanted: Any) -> str:
    """Remove what is missing, or see what that would do; an agent looks at what it is asked to."""
    job = str(world.post(f"/libraries/{library}/remove-missing", wanted)["id"])
    worker = Worker(world.engine, 3600.0, new_id(), 0.0)
    worker.step(0.0)
    for one in agent.client.get("/agent/assignment").json()["wanted_scans"]:
        figures = {"complete": True, "directories": 1, "files": 40, "errors": 0, "duration_s": 0.1}
        started = ScanStarted(one["id"], one["directory"], one["mode"])
        agent.send(started, ScanFinished(scan=one["id"], directory=one["directory"], **figures))
    worker.step(0.0)
    return job


def _webhook(world: World) -> str:
    """A web hook with a message that came, one that does not, and one that waits."""
    url = "http://photos.home:2283/hooks/holdfast"
    made = world.post("/webhooks", {"url": url, "description": "Immich", "kinds": ["volume.*", "asset.missing"]})
    for _ in range(3):
        world.post(f"/webhooks/{made['id']}/test", {})
    outcomes = (
        {"state": "delivered", "attempts": 1, "last_status": 204},
        {"state": "failed", "attempts": 10, "last_status": 500, "last_error": "Internal Server Error"},
        {"attempts": 3, "last_error": "Connection refused", "next_at": now_us() + DAY_US // 48},
    )
    with world.engine.begin() as connection:
        rows = connection.execute(sa.select(delivery.c.id).order_by(delivery.c.id)).scalars().all()
        for one, outcome in zip(rows, outcomes, strict=True):
            values = {"last_at": now_us() - 60_000_000, **outcome}
            connection.execute(sa.update(delivery).where(delivery.c.id == one).values(values))
    return str(made["id"])


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
