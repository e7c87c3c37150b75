"""Reconcile what a report observed with what the catalog knows: which rows change, and why.

Everything comes in as a value and goes out as one. The caller loads the assets and .xmp files that the steps
touch (:func:`touched` names them), and writes what comes out.

| step    | the asset at the path is          | what becomes of it                                              |
| ------- | --------------------------------- | --------------------------------------------------------------- |
| Seen    | unknown                           | added, in every library that the path belongs to                |
|         | the same                          | nothing at all                                                  |
|         | present, of other size or mtime   | updated                                                         |
|         | missing or unreadable             | restored, same id                                               |
|         | there, but a rule excludes it now | excluded, same id; included again when the rule no longer does  |
| Shifted | known at the old path             | moved, same id; whatever held the new path is displaced         |
|         | unknown at the old path           | as Seen                                                         |
| Gone    | present or unreadable             | missing, with the observation as its evidence                   |
|         | missing or unknown                | nothing                                                         |
| Blocked | present, in or below it           | unreadable                                                      |

Steps are applied in order, moves of one observation at once; a row is written once, with its final facts, and every
status change and move on the way leaves its transition. A displaced asset has lost its path to another file, and is
missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from holdfast.media import Kind
from sidecar import companions
from sidecar.asset import Asset, Status, change_kind, status
from sidecar.membership import OUTSIDE, Membership, Place
from sidecar.steps import Blocked, Gone, Seen, Shifted, Step

XmpFacts = tuple[int, int]  # size, mtime_ns

ABSENT = "absent"  # the reason of a transition that a proven absence made, and nothing else
RENAMED_AWAY = "renamed away"  # the file has a name now that no photo server wants


@dataclass(frozen=True, slots=True)
class Touched:
    """The paths that steps speak of: of media files, of .xmp files, and those that media files moved to."""

    media: set[bytes]
    xmp: set[bytes]
    arrived: set[bytes]


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog knows: the assets at the touched paths, the photos beside changed .xmp files, and the .xmp
    files at the touched paths and beside new photos."""

    assets: Sequence[Asset]
    xmp: dict[bytes, XmpFacts]


class Now(NamedTuple):
    """The time on both clocks: microseconds since 1970, and the volume's verified-online time."""

    at: int
    online_us: int


class Transition(msgspec.Struct, frozen=True, gc=False):
    """A step of an asset's history. ``source`` is the index of the observation that caused it."""

    asset: bytes
    was: Status
    now: Status
    from_path: bytes | None
    to_path: bytes | None
    reason: str
    source: int


class Write(msgspec.Struct, frozen=True, gc=False):
    """A row to write. ``kind`` is what the feed calls the change, ``source`` the index of its last observation."""

    asset: Asset
    kind: str
    is_new: bool
    source: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to write. ``released`` are assets that must give up their path before anything is written, so that
    no two rows claim one path half-way. ``blocked`` still has to be applied to all rows that were not touched.
    ``seen`` are the assets whose file was there at the end, changed or not."""

    writes: list[Write]
    transitions: list[Transition]
    released: list[bytes]
    blocked: list[Blocked]
    seen: set[bytes]
    xmp_written: dict[bytes, XmpFacts]
    xmp_gone: set[bytes]


def at_once(steps: Sequence[Step]) -> Iterator[Step | list[Shifted]]:
    """The steps in their order, with the moves of one observation together: they happened at once."""
    for source, group in groupby(steps, key=lambda step: (isinstance(step, Shifted), step.source)):
        if source[0]:
            yield [step for step in group if isinstance(step, Shifted)]
        else:
            yield from group


def touched(steps: Sequence[Step]) -> Touched:
    """The paths whose rows must be known before these steps can be reconciled."""
    found = Touched(set(), set(), set())
    for step in steps:
        match step:
            case Seen(path=path, kind=kind) | Gone(path=path, kind=kind):
                (found.xmp if kind is Kind.SIDECAR else found.media).add(path)
            case Shifted(origin=origin, origin_kind=kind, now=now):
                (found.xmp if kind is Kind.SIDECAR else found.media).add(origin)
                if now is not None and now.kind is Kind.SIDECAR:
                    found.xmp.add(now.path)
                elif now is not None:
                    found.media.add(now.path)
                    found.arrived.add(now.path)
            case Blocked():
                pass
    return found


def xmp_after(steps: Sequence[Step]) -> dict[bytes, XmpFacts | None]:
    """What the steps say of .xmp files, at their end: path -> facts, or None when it is gone."""
    after: dict[bytes, XmpFacts | None] = {}
    for group in at_once(steps):
        match group:
            case list():
                after |= {step.origin: None for step in group if step.origin_kind is Kind.SIDECAR}
                arrived = (step.now for step in group if step.now is not None)
                after |= {now.path: (now.size, now.mtime_ns) for now in arrived if now.kind is Kind.SIDECAR}
            case Seen(kind=Kind.SIDECAR) as step:
                after[step.path] = (step.size, step.mtime_ns)
            case Gone(kind=Kind.SIDECAR) as step:
                after[step.path] = None
            case _:
                pass
    return after


def reconcile(
    known: Known, steps: Sequence[Step], membership: Membership, now: Now, new_ids: Iterator[bytes], volume: bytes
) -> Outcome:
    """Apply the steps of one report. ``new_ids`` gives the ids of new assets."""
    ledger = _Ledger(known.assets, membership, now, new_ids, volume)
    for group in at_once(steps):
        ledger.apply(group)
    after = xmp_after(steps)
    changed = {path for path, facts in after.items() if known.xmp.get(path) != facts}
    existing = {path for path in known.xmp if path not in after} | {p for p, f in after.items() if f}
    ledger.attach(existing, changed)
    return Outcome(
        writes=ledger.writes(),
        transitions=ledger.transitions,
        released=ledger.released(),
        blocked=ledger.blocked,
        seen=ledger.seen,
        xmp_written={path: facts for path in changed if (facts := after[path]) is not None},
        xmp_gone={path for path in changed if after[path] is None},
    )


def block(assets: Sequence[Asset], step: Blocked) -> tuple[list[Write], list[Transition]]:
    """Apply an unreadable directory to assets below it that no other step touched."""
    writes, transitions = [], []
    for before in assets:
        if status(before) is not Status.PRESENT:
            continue
        after = replace(before, unreadable_error=step.error)
        writes.append(Write(after, change_kind(before, after), is_new=False, source=step.source))
        transitions.append(Transition(before.id, Status.PRESENT, status(after), None, None, "unreadable", step.source))
    return writes, transitions


class _Ledger:
    """The rows in hand while steps are applied. Lives for one call of :func:`reconcile`."""

    def __init__(
        self,
        assets: Sequence[Asset],
        membership: Membership,
        now: Now,
        new_ids: Iterator[bytes],
        volume: bytes,
    ) -> None:
        self._membership, self._now, self._new_ids, self._volume = membership, now, new_ids, volume
        self._before = {one.id: one for one in assets}
        self._rows = dict(self._before)
        self._claims: dict[bytes, dict[bytes, bytes]] = {}  # path -> library -> asset
        for one in assets:
            if one.claims:
                self._claims.setdefault(one.path, {})[one.library] = one.id
        self._places: dict[str, dict[bytes, Place]] = {}
        self._touched: dict[bytes, int] = {}  # rows that may have to be written, in order, with their last source
        self._noted: set[bytes] = set()  # rows to write even if they end as they began
        self.transitions: list[Transition] = []
        self.blocked: list[Blocked] = []
        self.seen: set[bytes] = set()

    def apply(self, group: Step | list[Shifted]) -> None:
        """Apply a step, or moves that happened at once."""
        match group:
            case list():
                self._shift(group)
            case Seen() as step:
                if step.kind is not Kind.SIDECAR:
                    self._see(step)
            case Gone() as step:
                if step.kind is not Kind.SIDECAR:
                    self._lose(step.path, ABSENT, step.source)
            case Blocked() as step:
                self._block(step)
            case _:
                raise AssertionError("bug: a move outside its group")

    def _see(self, step: Seen) -> None:
        places = self._places_of(step.directory)
        claims = self._claims.get(step.path)
        if claims is not None:
            for asset in tuple(claims.values()):
                self._look(asset, step, places, "seen")
        for library, place in places.items():
            if (claims is None or library not in claims) and place.excluded_by(step.name) is None:
                self._add(step, place)

    def _shift(self, steps: Sequence[Shifted]) -> None:
        """Files that moved at once: all of them leave their old places before any takes its new one."""
        leaving = []
        for step in steps:
            movers = dict(self._claims.get(step.origin, {})) if step.origin_kind is not Kind.SIDECAR else {}
            for asset in movers.values():
                self._unclaim(self._rows[asset])
            leaving.append((step, movers))
        for step, movers in leaving:
            if step.now is not None and step.now.kind is not Kind.SIDECAR:
                for library, asset in movers.items():
                    self._move(asset, library, step.now)
                self._see(step.now)
        for step, movers in leaving:
            if step.now is None or step.now.kind is Kind.SIDECAR:
                for library, asset in movers.items():
                    self._rename_away(asset, library, step)

    def _rename_away(self, asset: bytes, library: bytes, step: Shifted) -> None:
        """The file has a name now that no photo server wants. Its old one is kept for it, unless another has it."""
        if library in self._claims.get(step.origin, {}):
            self._displace(asset, "displaced", step.source)
            return
        self._claims.setdefault(step.origin, {})[library] = asset
        self._lose(step.origin, RENAMED_AWAY, step.source)

    def _move(self, asset: bytes, library: bytes, now: Seen) -> None:
        holder = self._claims.get(now.path, {}).get(library)
        if holder is not None:
            self._unclaim(self._rows[holder])
            self._displace(holder, "displaced", now.source)
        self._claims.setdefault(now.path, {})[library] = asset
        self._look(asset, now, self._places_of(now.directory), "moved")

    def _displace(self, asset: bytes, reason: str, source: int) -> None:
        """The file of this asset is gone, and its path may be another's: it is missing, and claims nothing."""
        row = self._rows[asset]
        self.seen.discard(asset)
        after = row if row.absent_since is not None else self._absent(row)
        self._put(row, replace(after, claims=False, unreadable_error=None), reason, source)

    def _absent(self, row: Asset) -> Asset:
        return replace(row, absent_since=self._now.at, absent_online_us=self._now.online_us, unreadable_error=None)

    def _look(self, asset: bytes, step: Seen, places: dict[bytes, Place], reason: str) -> None:
        """The file of this asset was seen: update its facts, and whether a rule excludes it."""
        self.seen.add(asset)
        row = self._rows[asset]
        place = places.get(row.library)
        excluded_by = OUTSIDE if place is None else place.excluded_by(step.name)
        import_path = row.import_path if place is None else place.scope.import_path
        if (
            row.size == step.size
            and row.mtime_ns == step.mtime_ns
            and row.path == step.path
            and row.claims
            and row.absent_since is None
            and row.unreadable_error is None
            and row.excluded_by == excluded_by
            and row.import_path == import_path
        ):
            return
        after = replace(
            row,
            path=step.path,
            claims=True,
            import_path=import_path,
            kind=step.kind,
            size=step.size,
            mtime_ns=step.mtime_ns,
            absent_since=None,
            absent_online_us=None,
            unreadable_error=None,
            excluded_by=excluded_by,
        )
        self._put(row, after, reason, step.source)

    def _add(self, step: Seen, place: Place) -> None:
        asset = Asset(
            id=next(self._new_ids),
            library=place.scope.library,
            volume=self._volume,
            import_path=place.scope.import_path,
            path=step.path,
            kind=step.kind,
            size=step.size,
            mtime_ns=step.mtime_ns,
            created_at=self._now.at,
        )
        self._rows[asset.id] = asset
        self._touched[asset.id] = step.source
        self._claims.setdefault(step.path, {})[asset.library] = asset.id

    def _lose(self, path: bytes, reason: str, source: int) -> None:
        for asset in self._claims.get(path, {}).values():
            row = self._rows[asset]
            self.seen.discard(asset)
            if row.absent_since is None:
                self._put(row, self._absent(row), reason, source)

    def _block(self, step: Blocked) -> None:
        self.blocked.append(step)
        prefix = step.directory + b"/" if step.directory else b""
        for asset, row in list(self._rows.items()):
            if row.claims and row.path.startswith(prefix) and status(row) is Status.PRESENT:
                self._put(row, replace(self._rows[asset], unreadable_error=step.error), "unreadable", step.source)

    def _unclaim(self, row: Asset) -> None:
        claims = self._claims[row.path]
        del claims[row.library]
        if not claims:
            del self._claims[row.path]

    def _put(self, row: Asset, after: Asset, reason: str, source: int) -> None:
        self._rows[row.id] = after
        self._touched[row.id] = source
        was, now = status(row), status(after)
        moved = row.path != after.path
        # Also when a file goes while a rule excludes it: should it be included again, it needs its evidence.
        if was is not now or moved or (row.absent_since is None) is not (after.absent_since is None):
            from_path, to_path = (row.path, after.path) if moved else (None, None)
            self.transitions.append(Transition(row.id, was, now, from_path, to_path, reason, source))
            self._noted.add(row.id)

    def attach(self, existing: set[bytes], changed: set[bytes]) -> None:
        """Give every photo in hand that is new, has moved, or stands beside a changed .xmp file its own."""
        for asset, row in self._rows.items():
            before = self._before.get(asset)
            at_a_new_path = before is None or before.path != row.path
            if not row.claims or not (changed or (at_a_new_path and (existing or row.xmp_path))):
                continue
            if not at_a_new_path and changed.isdisjoint(companions.candidates(row.path)):
                continue
            chosen = companions.chosen(row.path, existing)
            if chosen != row.xmp_path:
                self._rows[asset] = replace(row, xmp_path=chosen)
                self._touched.setdefault(asset, 0)
            elif chosen in changed:
                self._touched.setdefault(asset, 0)
                self._noted.add(asset)

    def writes(self) -> list[Write]:
        found = []
        for asset, source in self._touched.items():
            before, after = self._before.get(asset), self._rows[asset]
            if before != after or asset in self._noted:
                found.append(Write(after, change_kind(before, after), is_new=before is None, source=source))
        return found

    def released(self) -> list[bytes]:
        """Rows whose claim in the database must go first: those that leave the path they held."""
        found = []
        for asset in self._touched:
            before, after = self._before.get(asset), self._rows[asset]
            if before is not None and before.claims and (before.path != after.path or not after.claims):
                found.append(asset)
        return found

    def _places_of(self, directory: str) -> dict[bytes, Place]:
        places = self._places.get(directory)
        if places is None:
            places = self._places[directory] = self._membership.places(directory)
        return places
