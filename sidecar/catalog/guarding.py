"""The guard's place in ingest: what a report would take away is judged, and what may not pass waits instead.

It comes between :func:`sidecar.reconcile.reconcile`, which says what follows from a report, and the writing of it. An
asset that waits is not touched at all: nobody who reads the catalog can see that it is in a hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from msgspec import structs
from sqlalchemy import Connection

from holdfast.reports import Absent, Report
from sidecar.asset import Asset, Status, change_kind, is_there, status
from sidecar.catalog import asset_rows, holds, settings, tallies
from sidecar.catalog.holds import Held, LockedHold
from sidecar.guard import Judgement, Place, Suspect, Tally, balance, is_shifted, judge, went_back
from sidecar.holds import HoldKind, HoldReason, HoldState, branch_of, top_of
from sidecar.ledger import ABSENT, RENAMED_AWAY, Now, Transition, Write
from sidecar.policy import Policy
from sidecar.reconcile import Outcome

# What a loss is, of the reasons why an asset is missing. The others have lost their path to a file that is there.
_LOSSES = (ABSENT, RENAMED_AWAY)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a report is about. ``roots`` are the directories of import paths inside the volume."""

    report: Report
    volume: bytes
    roots: Mapping[bytes, bytes]
    now: Now
    new_ids: Iterator[bytes]


@dataclass(slots=True)
class Guarded:
    """What an outcome comes to: ``writes`` and ``transitions`` are what is left of it."""

    writes: list[Write]
    transitions: list[Transition]
    holds: list[LockedHold] = field(default_factory=list)
    waiting: list[_Waiting] = field(default_factory=list)
    freed: list[bytes] = field(default_factory=list)
    tallies: dict[Place, Tally] = field(default_factory=dict)

    def write(
        self,
        connection: Connection,
        volume: bytes,
        evidence_of: Callable[[int], bytes],
        changes: Iterator[int],
        now: int,
    ) -> None:
        """Write all but the assets. ``evidence_of`` keeps an observation and gives its id."""
        tallies.write(connection, volume, self.tallies)
        holds.write(connection, self.holds, changes, now)
        holds.remove(connection, self.freed)
        holds.put(connection, [one.row._replace(evidence_id=evidence_of(one.source)) for one in self.waiting])


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A row to write, but for its evidence, and the index of the observation that is."""

    row: Held
    source: int


def guard(connection: Connection, outcome: Outcome, before: Mapping[bytes, Asset], scene: Scene) -> Guarded:
    """Judge an outcome. ``before`` are the assets that it was made of, which are locked."""
    suspects = _suspects(outcome, before, scene)
    known = _known(connection, outcome, before)
    there = balance(((before.get(one.asset.id), one.asset) for one in outcome.writes), scene.roots)
    if not suspects and not known and not there:
        return Guarded(outcome.writes, outcome.transitions)
    places = {one.directory for one in suspects.values()} | {one for one in there if one is not None}
    locked = tallies.lock(connection, scene.volume, places)
    if not suspects and not known:
        return Guarded(outcome.writes, outcome.transitions, tallies=_counted(locked, there))
    watch = _Watch(connection, outcome, before, scene, known)
    return watch.judge(suspects, locked)


def _suspects(outcome: Outcome, before: Mapping[bytes, Asset], scene: Scene) -> dict[bytes, Suspect]:
    last = {one.asset: one for one in outcome.transitions}
    found = {}
    for write in outcome.writes:
        after, was = write.asset, before.get(write.asset.id)
        if was is None or not is_there(was):
            continue
        directory = top_of(scene.roots.get(after.import_path, b""), after.path)
        if status(after) is Status.MISSING and after.claims and last[after.id].reason in _LOSSES:
            observation = scene.report.observations[last[after.id].source]
            back = isinstance(observation, Absent) and went_back(observation.proof)
            found[after.id] = Suspect(after.id, HoldKind.ABSENT, directory, back)
        elif _is_shift(was, after):
            found[after.id] = Suspect(after.id, HoldKind.CHANGED, directory)
    return found


def _is_shift(was: Asset, after: Asset) -> bool:
    return (
        status(was) is status(after) is Status.PRESENT
        and (was.path, was.size) == (after.path, after.size)
        and was.mtime_ns != after.mtime_ns
        and is_shifted(was.mtime_ns, after.mtime_ns)
    )


def _known(connection: Connection, outcome: Outcome, before: Mapping[bytes, Asset]) -> dict[bytes, Held]:
    """What waits already of the assets that the report speaks of, be it because of another volume."""
    wanted = (outcome.seen | {one.asset.id for one in outcome.writes}) & before.keys()
    if not any(holds.exist(connection, volume) for volume in {before[asset].volume for asset in wanted}):
        return {}
    return holds.of_assets(connection, wanted)


def _counted(locked: Mapping[Place, Tally], grown: Mapping[Place, int]) -> dict[Place, Tally]:
    """The tallies, each with what its place has grown by."""
    return {
        place: replace(tally, present=tally.present + grown[place]) if place in grown else tally
        for place, tally in locked.items()
    }


class _Watch:
    """The guard at work on one report that has suspects, or speaks of assets that wait."""

    def __init__(
        self,
        connection: Connection,
        outcome: Outcome,
        before: Mapping[bytes, Asset],
        scene: Scene,
        known: dict[bytes, Held],
    ) -> None:
        self._outcome, self._before, self._scene, self._known = outcome, before, scene, known
        self._policy: Policy = settings.read(connection)[0]
        self._open = holds.lock_open(connection, scene.volume)
        others = {row.hold_id for row in known.values() if row.hold_id is not None}
        others -= {one.id for one in self._open.values()}
        self._by_id = {one.id: one for one in self._open.values()} | holds.lock(connection, others)
        self._touched: dict[bytes, LockedHold] = {}
        self._waiting: list[_Waiting] = []
        self._withheld: set[bytes] = set()  # assets whose loss or change does not show
        self._kept: set[bytes] = set()  # those that wait as they waited before

    def judge(self, suspects: Mapping[bytes, Suspect], locked: dict[Place, Tally]) -> Guarded:
        """Everything that comes of it."""
        after = {one.asset.id: one for one in self._outcome.writes}
        self._kept = {asset for asset, one in suspects.items() if self._waits_already(one, after[asset])}
        fresh = [one for asset, one in suspects.items() if asset not in self._kept]
        verdict = judge(fresh, locked, self._open.keys(), self._policy, self._scene.now.online_us)
        freed = self._freed(after)
        for one in fresh:
            self._place(one, after[one.asset], verdict)
        moved_on = {one.row.asset_id for one in self._waiting} & self._known.keys()
        for asset in freed | moved_on:
            self._leave(self._known[asset])
        writes, transitions = self._remains(suspects)
        grown = balance(((self._before.get(one.asset.id), one.asset) for one in writes), self._scene.roots)
        counted = _counted(verdict.tallies, grown)
        return Guarded(
            writes, transitions, list(self._touched.values()), self._waiting, sorted(freed - moved_on), counted
        )

    def _waits_already(self, one: Suspect, write: Write) -> bool:
        row = self._known.get(one.asset)
        if row is None or row.kind != one.kind:
            return False
        if row.hold_id is not None and self._by_id[row.hold_id].state is HoldState.DISMISSED:
            return False  # what was dismissed is forgotten, also where nobody came to forget it yet
        facts = (write.asset.size, write.asset.mtime_ns)
        return one.kind is HoldKind.ABSENT or (row.size, row.mtime_ns) == facts

    def _freed(self, after: Mapping[bytes, Write]) -> set[bytes]:
        """The assets that wait no longer: their file was seen, or something else became of them."""
        gone = {asset for asset in self._known if asset in after and not is_there(after[asset].asset)}
        return (self._known.keys() & (self._outcome.seen | gone)) - self._kept

    def _place(self, one: Suspect, write: Write, verdict: Judgement) -> None:
        """Let a suspect pass, or write down that it waits."""
        grace_us = self._policy.missing_grace_s * 1_000_000
        if one.asset in verdict.held:
            place = verdict.held[one.asset]
            hold = self._hold(place, one.kind, verdict.reasons[place, one.kind])
            row, branch = self._row(one, write, hold.id, None)
            hold.add(row, branch)
        elif grace_us and isinstance(self._scene.report.observations[write.source], Absent):
            row, _ = self._row(one, write, None, self._scene.now.online_us + grace_us)
        else:
            return
        self._withheld.add(one.asset)
        self._waiting.append(_Waiting(row, write.source))

    def _row(self, one: Suspect, write: Write, hold: bytes | None, due_us: int | None) -> tuple[Held, bytes]:
        asset = write.asset
        branch = branch_of(self._scene.roots.get(asset.import_path, b""), asset.path)
        row = Held(
            asset_id=asset.id,
            volume_id=asset.volume,
            hold_id=hold,
            kind=one.kind,
            size=asset.size,
            mtime_ns=asset.mtime_ns,
            evidence_id=b"",
            branch_key=asset_rows.key(branch),
            due_us=due_us,
            at=self._scene.now.at,
        )
        return row, branch

    def _hold(self, place: Place, kind: HoldKind, reason: HoldReason | None) -> LockedHold:
        """The open hold of a place; a new one where there is none."""
        found = self._open.get((place, kind))
        if found is None:
            if reason is None:
                raise ValueError("bug: nobody says why this hold is opened")
            found = LockedHold(next(self._scene.new_ids), self._scene.volume, place, kind, reason, is_new=True)
            self._open[place, kind] = found
        elif reason is HoldReason.ROLLED_BACK:
            found.reason = reason
        self._touched[found.id] = found
        return found

    def _leave(self, row: Held) -> None:
        if row.hold_id is not None:
            hold = self._by_id[row.hold_id]
            hold.drop(row)
            self._touched[hold.id] = hold

    def _remains(self, suspects: Mapping[bytes, Suspect]) -> tuple[list[Write], list[Transition]]:
        """The outcome without what is withheld."""
        withheld = self._withheld | self._kept
        lost = {asset for asset in withheld if suspects[asset].kind is HoldKind.ABSENT}
        last = {one.asset: index for index, one in enumerate(self._outcome.transitions)}
        dropped = {last[asset] for asset in lost}
        transitions = [one for index, one in enumerate(self._outcome.transitions) if index not in dropped]
        still = {one.asset for one in transitions}
        writes = []
        for write in self._outcome.writes:
            if write.asset.id not in withheld:
                writes.append(write)
                continue
            was = self._before[write.asset.id]
            after = _undone(write.asset, was, suspects[was.id].kind)
            if after != was or was.id in still:
                writes.append(structs.replace(write, asset=after, kind=change_kind(was, after)))
        return writes, transitions


def _undone(after: Asset, was: Asset, kind: HoldKind) -> Asset:
    """An asset without its loss, or without its new time; whatever else became of it stays."""
    if kind is HoldKind.CHANGED:
        return structs.replace(after, mtime_ns=was.mtime_ns)
    return structs.replace(after, absent_since=None, absent_online_us=None, unreadable_error=was.unreadable_error)
