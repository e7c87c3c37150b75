"""What must hold, whatever happens. Each checker raises :class:`CheckFailed` with what it has seen."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import msgspec

from agent.ports import Refused, Unreachable
from agent.testing.disk import FakeDisk
from agent.uplink import HttpUplink
from holdfast import ids, paths
from holdfast.assignments import Assignment, BelievedPage, Heartbeat, HeartbeatResponse
from holdfast.reports import Receipt, Report
from tests.simulation.session import Ship
from tests.simulation.sidecar import SimulatedSidecar
from tests.simulation.truth import FileKey, Truth, keys, photos
from tests.simulation.workers import SPOOL_BYTES_MAX

# A pass that began below the limit of the outbox may end above it, by as much as it can find at most.
_PASS_BYTES_MAX = 60_000
_SEALED_MAX = 1  # a report is sealed when the one before was acknowledged
_EXPECTED = "SELECT expected FROM stream WHERE volume_id = ? AND journal = ?"
_CLOCK = "SELECT value FROM clock"
_ASSETS = """SELECT asset.id, volume.label, asset.path, asset.status, asset.size FROM asset
JOIN volume ON volume.id = asset.volume_id"""
_NOWHERE = "x'00000000000000000000000000000000'"
_COUNTED = f"""SELECT library_id, COALESCE(volume_id, {_NOWHERE}), COALESCE(import_path_id, {_NOWHERE}), kind, status,
COUNT(*), COUNT(path_key), SUM(size) FROM asset GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"""
_KEPT = "SELECT * FROM figure WHERE assets <> 0 ORDER BY 1, 2, 3, 4, 5"


class CheckFailed(AssertionError):
    """A checker found something that must never be. The text has the seed and the last steps."""


@dataclass
class CheckedUplink:
    """The way to the sidecar, which looks at what goes by: no false word goes out and no impossible one, nothing is
    acknowledged that is not committed, and a heartbeat costs the feed no more than its volumes."""

    beyond: HttpUplink
    sidecar: SimulatedSidecar
    truth: Truth
    note: Callable[[str], None]

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatResponse:
        before = self._changes()
        answer = self.beyond.heartbeat(heartbeat)
        # One number a volume, one a library whose paths were bound, and one for an agent that is back.
        allowed = len(heartbeat.volumes) + 2
        if (taken := self._changes() - before) > allowed:
            raise CheckFailed(f"a heartbeat of {len(heartbeat.volumes)} volumes took {taken} change numbers")
        return answer

    def assignment(self, revision: int | None, wait_s: float) -> Assignment | None:
        return self.beyond.assignment(revision, wait_s)

    def send(self, volume: str, sequence: int, body: bytes, fence: int) -> Receipt:
        report = msgspec.json.decode(gzip.decompress(body), type=Report)
        for one in report.observations:
            self.note(f"    {volume[-4:]} {sequence}: {one}")
        if false := self.truth.false_words(report):
            raise CheckFailed(f"report {sequence} says what is not so: {false}")
        try:
            receipt = self.beyond.send(volume, sequence, body, fence)
        except Refused as error:
            if error.code == "invalid-report":
                raise CheckFailed(f"report {sequence} is impossible: {error}") from error
            raise
        key = (ids.from_text("volume", volume), ids.from_text("journal", report.journal))
        row = self.sidecar.table.execute(_EXPECTED, key).fetchone()
        if row is None or row[0] <= sequence:
            raise CheckFailed(f"report {sequence} was acknowledged and is not committed: {row}")
        return receipt

    def known(self, volume: str, fence: int, cursor: str | None) -> BelievedPage:
        return self.beyond.known(volume, fence, cursor)

    def _changes(self) -> int:
        return int(self.sidecar.table.execute(_CLOCK).fetchone()[0])


def check_bounds(ships: Iterable[Ship]) -> None:
    """The outboxes of an agent stay within their bounds."""
    for ship in ships:
        size = ship.waiting()[1]
        if size > SPOOL_BYTES_MAX + _PASS_BYTES_MAX:
            raise CheckFailed(f"an outbox has {size} bytes, and may have {SPOOL_BYTES_MAX}")
        sealed = 0 if ship.store is None else ship.store.db.execute("SELECT COUNT(*) FROM sealed").fetchone()[0]
        if sealed > _SEALED_MAX:
            raise CheckFailed(f"{sealed} reports are sealed at once")


def check_catalog(sidecar: SimulatedSidecar, disks: dict[str, FakeDisk], dismissed: Collection[bytes]) -> None:
    """The catalog equals the disks, by their labels. ``dismissed`` assets may be shown although they are gone."""
    wrong = []
    rows = sidecar.table.execute(_ASSETS).fetchall()
    for label, disk in disks.items():
        there = photos(disk)
        present = {
            paths.to_wire(path): size
            for key, on, path, status, size in rows
            if on == label and status == "present" and (key not in dismissed or paths.to_wire(path) in there)
        }
        if there != present.keys():
            lacks, has = sorted(there - present.keys()), sorted(present.keys() - there)
            wrong.append(f"{label}: only on disk {lacks}, only in catalog {has}")
        sizes = {path: (disk.look(path).size, size) for path, size in present.items() if path in there}
        wrong += [f"{label}: size of {path}: {both}" for path, both in sizes.items() if both[0] != both[1]]
    strange_states = [row for row in rows if row[3] not in ("present", "missing") and row[0] not in dismissed]
    others = {(on, paths.to_wire(path), status) for _, on, path, status, _ in strange_states}
    if wrong or others:
        raise CheckFailed(f"the catalog differs from the disks: {wrong} {others or ''}")
    strange = {on for _, on, _, _, _ in rows} - disks.keys()
    if strange:
        raise CheckFailed(f"the catalog has files of {strange}")
    counted, kept = (sidecar.table.execute(text).fetchall() for text in (_COUNTED, _KEPT))
    if counted != kept:
        raise CheckFailed(f"the figures are {kept}, and counting gives {counted}")


def check_available(sidecar: SimulatedSidecar, homes: dict[str, FakeDisk]) -> None:
    """As a photo server sees it: each photo is present, can be opened, and is where it is mounted now."""
    seen: dict[str, str] = {}
    cursor: str | None = None
    while True:
        query = {"limit": "1000"} | ({} if cursor is None else {"cursor": cursor})
        answer = sidecar.people.get("/assets", params=query)
        answer.raise_for_status()
        page = answer.json()
        for item in page["items"]:
            if item["status"] == "present" and item["availability"] != "online":
                raise CheckFailed(f"unavailable although all is well: {item['host_path']} {item['unavailable']}")
            if item["status"] == "present" and item["host_path"] is not None:
                seen[item["host_path"]] = item["id"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    for place, disk in homes.items():
        shown = {f"{place}/{paths.to_display(paths.to_bytes(path))}" for path in photos(disk)}
        if not shown <= seen.keys():
            raise CheckFailed(f"not shown at {place}: {sorted(shown - seen.keys())}")


class Ids:
    """Which asset each file was when all was well: a file that stayed on its disk keeps its id, whatever happened to
    its name."""

    def __init__(self) -> None:
        self._known: dict[FileKey, tuple[bytes, str]] = {}
        self._kept: dict[FileKey, tuple[bytes, str]] = {}
        # Moves are recognised by what the journal has seen. While it was lost, or another agent wrote, a file that
        # was moved may be another asset, also when it is back: the catalog may know it where it was in between. One
        # that was at its name all the time is the same.
        self.is_blurred = False

    def keep(self) -> None:
        """The catalog is backed up."""
        self._kept = dict(self._known)

    def restore(self) -> None:
        """The catalog is set back: what came after the backup gets ids anew."""
        self._known = dict(self._kept)
        self.is_blurred = True

    def check(
        self,
        sidecar: SimulatedSidecar,
        disks: dict[str, FakeDisk],
        truth: Truth,
        exempt: Callable[[FakeDisk, str], bool],
    ) -> None:
        """Compare, and remember."""
        found = {
            (on, paths.to_wire(path)): key
            for key, on, path, _, _ in sidecar.table.execute(f"{_ASSETS} WHERE status = 'present'")
        }
        for label, disk in disks.items():
            if disk.is_remote or disk.is_fat:
                continue
            photo = photos(disk)
            for path, key in keys(disk, truth.storage_of(disk)).items():
                if path not in photo or key in truth.untraceable or exempt(disk, path):
                    continue
                asset = found[label, path]
                before, at = self._known.get(key, (asset, path))
                may_be_another = at != path or key in truth.moved | truth.taken
                if before != asset and not (self.is_blurred and may_be_another):
                    raise CheckFailed(f"{label}: {path} was {before.hex()} at {at} and is now {asset.hex()}")
                self._known[key] = (asset, path)
        self.is_blurred = False
        truth.all_known()


__all__ = ["CheckFailed", "CheckedUplink", "Ids", "Unreachable", "check_available", "check_bounds", "check_catalog"]
