"""One round of the matrix: many file systems in one agent, each with a fault of its own, all at the same moment.

Real sidecar, real agent. The round records what the feed said, and how long that took, and mends everything again.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from inotify_simple import INotify, flags

from agent.local_socket import Request, ask_status, send_request
from holdfast.status import VolumeReading
from tests.linux.disks import Disks
from tests.linux.matrix.expected import Moment, Row, outcome
from tests.linux.matrix.faults import FAULTS, companion_place
from tests.linux.matrix.grounds import (
    LAST,
    MIDDLE,
    DiskGround,
    FailingDiskGround,
    FuseGround,
    Ground,
    MergerfsGround,
    OverlayGround,
    SshfsGround,
)
from tests.story.stack import PATIENCE_S, Item, Stack

# A cell that has come to its state must keep it for this long, while it is looked at again.
HOLD_S = 2.0
# A silent fault shows at the next look; looks are asked for this often.
LOOK_EVERY_S = 2.0
# Most faults are there by then; a person's umount must wait for the worker, which goes on after this.
GO_ON_S = 0.02
# Many volumes at once, each with a process that is started again.
COME_TO_S = 2 * PATIENCE_S
# Storage that hangs is given up after this, where something is to hang; longer than a busy machine ever needs.
IMPATIENT = "patience_s = 6.0\nprobe_deadline_s = 6.0\n"
# Root without these obeys the modes of files like everybody else.
_RIGHTS = "-dac_override,-dac_read_search,-fowner"
HUMBLE = ("setpriv", f"--inh-caps={_RIGHTS}", f"--bounding-set={_RIGHTS}")
TOGETHER = 4
_NEVER = frozenset({"asset.missing", "asset.removed"})


class Seen(NamedTuple):
    """What a cell came to. ``after_s`` is the time until the feed said so; None when there was nothing to say."""

    fault: str
    fs_type: str
    moment: str
    state: str
    reason: str
    after_s: float | None
    told: list[str]


class Cell:
    """A fault on a file system, within one round. ``homes`` are the volumes that have its photos, by where they are
    mounted: itself, or the branches of a union."""

    def __init__(self, row: Row, ground: Ground) -> None:
        self.row = row
        self.ground = ground
        self.fault = FAULTS[row.name]
        self.volume = ""
        self.homes: dict[str, str] = {}
        self.befell_at = 0.0
        self.seen: Seen | None = None

    @property
    def name(self) -> str:
        """For people who read a failure."""
        return f"{self.row.name} on {self.ground.fs_type}"

    @property
    def volumes(self) -> set[str]:
        """All volumes of this cell."""
        return {self.volume, *self.homes.values()}


class Round:
    """Use in order: construct, :meth:`befall`, :meth:`wait`, :meth:`mend`."""

    def __init__(self, parts: Stack, moment: Moment, cells: Sequence[Cell], top: Path) -> None:
        self.parts = parts
        self.moment = moment
        self.cells = cells
        self.top = top
        self.companions: list[str] = []
        for cell in cells:
            if cell.fault.prepare is not None:
                cell.fault.prepare(cell.ground)
        self._begin()

    def _begin(self) -> None:
        """Have everything known, and every volume online."""
        turning = [companion_place(cell.ground) for cell in self.cells if cell.row.name == "turns"]
        places = [cell.ground.place for cell in self.cells]
        wanted = [*places, *turning]
        # A few at a time: a process is started for each, and a busy machine must not look like storage that hangs.
        for start in range(0, len(wanted), TOGETHER):
            self.parts.library(*wanted[start : start + TOGETHER], name=f"Photos {start}")
            self.parts.feed.until_true(self._all_bound)
        bound = {one["path"]: one for one in self._import_paths()}
        for cell in self.cells:
            path = bound[str(cell.ground.place)]
            cell.volume = path["volume_id"]
            cell.homes = {one["path"]: one["volume_id"] for one in _branches(path)} or {path["path"]: cell.volume}
        self.companions = [bound[str(place)]["volume_id"] for place in turning]
        everyone = self._everyone()
        self.parts.feed.until_true(lambda: everyone <= self._online())
        homes = {*(home for cell in self.cells for home in cell.homes.values()), *self.companions}
        self.parts.feed.until_true(lambda: homes <= {one["state"]["volume_id"] for one in self._scans()})
        self.known = {one: asset["volume_id"] for one, asset in self._assets().items()}
        missing = homes - set(self.known.values())
        assert not missing, f"nothing was found on {missing}"
        self.parts.feed.drain()
        self.from_item = len(self.parts.feed.items)
        self.scans_before = len(self._scans())

    # The fault

    def befall(self) -> None:
        """Make every fault, at the moment of this round."""
        if self.moment is Moment.AGENT_DOWN:
            self.parts.stop_agent()
        for cell in self.cells:
            worker = self._catch(cell) if self.moment is Moment.MID_SCAN else None
            if worker is None:
                cell.fault.befall(cell.ground)
            else:
                _with_worker(worker, cell)
            cell.befell_at = time.time()
        if self.moment is Moment.AGENT_DOWN:
            self.parts.start_agent(self.top)

    def _catch(self, cell: Cell) -> int:
        """Stop the worker of this volume in the middle of a scan, which the kernel's own events show."""
        socket = str(self.parts.home / "agent" / "agent.sock")
        with INotify(nonblocking=True) as watch:
            scanned = cell.homes[str(cell.ground.scanned_at)]
            middle = watch.add_watch(str(cell.ground.scanned_at / MIDDLE), flags.OPEN)
            watch.add_watch(str(cell.ground.scanned_at / LAST), flags.OPEN)
            for _ in range(50):
                watch.read(timeout=0)
                worker = self._reading(scanned).worker_pid
                assert worker is not None
                send_request(socket, Request("scan", scanned))
                _until_opened(watch, middle)
                os.kill(worker, signal.SIGSTOP)
                if all(event.wd == middle for event in watch.read(timeout=0)):
                    return worker
                os.kill(worker, signal.SIGCONT)
        raise AssertionError(f"{cell.name}: the scan could not be caught in the middle")

    # What came of it

    def wait(self) -> None:
        """Wait until every cell is in the state that it has to be in, and stays there."""
        until = time.monotonic() + COME_TO_S
        look_at = 0.0
        while any(cell.seen is None for cell in self.cells):
            assert time.monotonic() < until, self._complaint()
            if time.monotonic() >= look_at:
                self._look()
                look_at = time.monotonic() + LOOK_EVERY_S
            self.parts.feed.read(wait_s=0.2)
            self._note()
        until = time.monotonic() + HOLD_S
        self._look()
        while time.monotonic() < until:
            self.parts.feed.read(wait_s=0.2)
        states = self._states()
        moved = [
            f"{cell.name}: {states[cell.volume]} after {cell.seen.reason}"
            for cell in self.cells
            if cell.seen is not None
            and states[cell.volume][1] not in outcome(cell.row.name, cell.ground.fs_type, self.moment).reasons
        ]
        assert not moved, "\n".join(["these did not keep the state that they had come to:", *moved])
        self._note_told()

    def _look(self) -> None:
        """Ask for a scan of what shows at a look only, and of what is expected to go on as if nothing was."""
        socket = str(self.parts.home / "agent" / "agent.sock")
        for cell in self.cells:
            expected = outcome(cell.row.name, cell.ground.fs_type, self.moment)
            if cell.seen is None and (cell.row.silent or expected.is_online):
                for volume in cell.volumes:
                    try:
                        send_request(socket, Request("scan", volume))
                    except OSError:
                        return  # the agent is on its way; the next look will find it

    def _note(self) -> None:
        states, scans = self._states(), self._scans()
        for cell in self.cells:
            if cell.seen is not None:
                continue
            expected = outcome(cell.row.name, cell.ground.fs_type, self.moment)
            state, reason = states[cell.volume]
            if reason not in expected.reasons:
                continue
            looked = not expected.is_online or any(
                one["state"]["volume_id"] in cell.homes.values() for one in scans[self.scans_before :]
            )
            if looked:
                after_s = None if expected.is_online else self._after_s(cell, reason)
                cell.seen = Seen(cell.row.name, cell.ground.fs_type, self.moment, state, reason, after_s, [])

    def _after_s(self, cell: Cell, reason: str) -> float | None:
        """How long after the fault the sidecar said so in its feed, by its own record."""
        items = [one for one in self.parts.feed.items[self.from_item :] if one["id"] == cell.volume]
        said = [one["at"] for one in items if one["state"]["reason"] == reason]
        return max(0.0, datetime.fromisoformat(said[0]).timestamp() - cell.befell_at) if said else None

    def _note_told(self) -> None:
        self.parts.feed.drain()
        for cell in self.cells:
            kinds = {one["kind"] for one in self._news(cell)}
            assert cell.seen is not None
            cell.seen = cell.seen._replace(told=sorted(kinds))

    def _news(self, cell: Cell) -> list[Item]:
        """What the feed said about assets of this volume since all was well."""
        return [
            one
            for one in self.parts.feed.items[self.from_item :]
            if one["entity"] == "asset" and one["state"]["volume_id"] in cell.homes.values()
        ]

    # And the end of it

    def mend(self) -> None:
        """End every fault, and check that all is as it was: online, the same ids, every photo present."""
        for cell in self.cells:
            cell.fault.mend(cell.ground)
        everyone = self._everyone()
        until = time.monotonic() + COME_TO_S
        while not everyone <= self._online():
            assert time.monotonic() < until, self._remnants()
            self.parts.feed.read(wait_s=0.2)
        before = len(self._scans())
        self.parts.scan()
        homes = set(self.known.values())
        self.parts.feed.until_true(
            lambda: homes <= {one["state"]["volume_id"] for one in self._scans()[before:]}, timeout_s=PATIENCE_S
        )
        self.parts.feed.drain()
        self._check()

    def _check(self) -> None:
        assets = self._assets()
        for cell in self.cells:
            homes = set(cell.homes.values())
            mine = {one for one, volume in self.known.items() if volume in homes}
            now = {one for one, asset in assets.items() if asset["volume_id"] in homes}
            assert now == mine, f"{cell.name}: {len(now - mine)} new ids, {len(mine - now)} ids gone"
            statuses = {assets[one]["status"] for one in mine}
            assert statuses == {"present"}, f"{cell.name}: {statuses}"
            told = {one["kind"] for one in self._news(cell)}
            allowed = outcome(cell.row.name, cell.ground.fs_type, self.moment).told
            assert told <= allowed, f"{cell.name}: the feed told {sorted(told - allowed)}"
            if not allowed & _NEVER:
                assert not told & _NEVER, f"{cell.name}: a false absence"

    # Asking

    def _import_paths(self) -> list[Item]:
        libraries = self.parts.get("/libraries", limit=500)["items"]
        return [one for library in libraries for one in library["import_paths"]]

    def _everyone(self) -> set[str]:
        return {*(volume for cell in self.cells for volume in cell.volumes), *self.companions}

    def _all_bound(self) -> bool:
        """Whether all are, and those of unions to their branches."""
        unions = {str(cell.ground.place) for cell in self.cells if isinstance(cell.ground, MergerfsGround)}
        found = self._import_paths()
        return all(one["volume_id"] is not None for one in found) and all(
            _branches(one) for one in found if one["path"] in unions
        )

    def _assets(self) -> dict[str, Item]:
        return self.parts.assets()

    def _states(self) -> dict[str, tuple[str, str]]:
        volumes = self.parts.get("/volumes", limit=500)["items"]
        return {one["id"]: (one["state"], one["reason"]) for one in volumes}

    def _online(self) -> set[str]:
        return {one for one, (state, _) in self._states().items() if state == "online"}

    def _scans(self) -> list[Item]:
        return [one for one in self.parts.feed.items if one["kind"] == "scan.finished"]

    def _reading(self, volume: str) -> VolumeReading:
        status = ask_status(str(self.parts.home / "agent" / "agent.sock"))
        return next(one for one in status.volumes if one.status.volume == volume)

    def _complaint(self) -> str:
        states = self._states()
        late = [
            f"{cell.name}: {states[cell.volume]}, not "
            f"{' or '.join(outcome(cell.row.name, cell.ground.fs_type, self.moment).reasons)}; told "
            f"{sorted({one['kind'] for one in self._news(cell)})}"
            for cell in self.cells
            if cell.seen is None
        ]
        return "\n".join([f"{self.moment}:", *late])

    def _remnants(self) -> str:
        states = self._states()
        late = [
            f"{cell.name}: {state}, {reason}"
            for cell in self.cells
            for state, reason in (states[volume] for volume in cell.volumes)
            if state != "online"
        ]
        return "\n".join([f"{self.moment}, and mended:", *late])


def _branches(import_path: Item) -> list[Item]:
    """The parts of an import path that are branches of its union, each bound."""
    return [one for one in import_path["parts"] if one["via_volume_id"] is not None and one["volume_id"] is not None]


def _until_opened(watch: INotify, wd: int) -> None:
    poll = select.poll()
    poll.register(watch.fileno(), select.POLLIN)
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if poll.poll(1000) and any(event.wd == wd for event in watch.read(timeout=0)):
            return
    raise AssertionError("the scan does not come to the middle")


def _with_worker(worker: int, cell: Cell) -> None:
    """The fault, while the worker stands still in the middle; it goes on as soon as the fault is there, or when it
    holds a directory that must be let go first."""
    go_on = threading.Timer(GO_ON_S, os.kill, (worker, signal.SIGCONT))
    go_on.start()
    cell.fault.befall(cell.ground)
    go_on.join()


@contextmanager
def grounds(disks: Disks, top: Path, rows: Sequence[Row]) -> Iterator[list[Cell]]:
    """A file system for each cell of these rows; all are gone at the end."""
    made: list[Cell] = []
    try:
        for row in rows:
            for fs_type in row.file_systems:
                made.append(Cell(row, _ground(disks, fs_type, top / f"{row.name}-{fs_type}", row)))
        yield made
    finally:
        for cell in made:
            cell.ground.close()


def _ground(disks: Disks, fs_type: str, place: Path, row: Row) -> Ground:
    match fs_type:
        case "overlay":
            return OverlayGround(disks, place)
        case "fuse":
            return FuseGround(place)
        case "sshfs":
            return SshfsGround(place)
        case "mergerfs":
            return MergerfsGround(disks, place)
        case _ if row.name == "disk-errors":
            return FailingDiskGround(disks, fs_type, place)
        case _:
            return DiskGround(disks, fs_type, place)
