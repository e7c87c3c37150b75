"""The rows in hand while the steps of a report are applied, and what becomes of each: to be written, and to be told.

Which step does what to an asset is the table in :mod:`sidecar.reconcile`, which leads the ledger through a report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from holdfast.media import Kind
from sidecar import companions, relinking
from sidecar.asset import SIDECAR, Asset, Status, change_kind, is_there, status
from sidecar.membership import OUTSIDE, Membership, Place
from sidecar.steps import Blocked, Gone, Seen, Shifted, Step

XmpFacts = tuple[int, int]  # size, mtime_ns

ABSENT = "absent"  # the reason of a transition that a proven absence made, and nothing else
RENAMED_AWAY = "renamed away"  # the file has a name now that no photo server wants
RELINKED = "relinked"  # a missing asset was found by its content
SIDECAR_APPEARED, SIDECAR_CHANGED, SIDECAR_GONE = "sidecar appeared", "sidecar changed", "sidecar gone"
AMBIGUOUS = "ambiguous content"  # a missing asset has the content of a new one, but it is not the only one


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog knows: the assets at the touched paths, the photos beside changed .xmp files, and the .xmp
    files at the touched paths and beside new photos. ``alike`` are the assets that have one of the contents, on
    whatever volume; ``withheld`` are those among them whose absence is proven and waits, ``online`` those of their
    volumes that are there."""

    assets: Sequence[Asset]
    xmp: dict[bytes, XmpFacts]
    alike: Sequence[Asset] = ()
    withheld: frozenset[bytes] = frozenset()
    online: frozenset[bytes] = frozenset()


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
    from_volume: bytes | None = None


class Write(msgspec.Struct, frozen=True, gc=False):
    """A row to write. ``kind`` is what the feed calls the change, ``source`` the index of its last observation."""

    asset: Asset
    kind: str
    is_new: bool
    source: int


class Ledger:
    """The rows in hand. Lives for the reconciling of one report."""

    def __init__(
        self,
        known: Known,
        membership: Membership,
        now: Now,
        new_ids: Iterator[bytes],
        volume: bytes,
        doubles: frozenset[str],
    ) -> None:
        self._membership, self._now, self._new_ids, self._volume = membership, now, new_ids, volume
        self._doubles, self._withheld, self._online = doubles, known.withheld, known.online | {volume}
        self._alike: dict[tuple[bytes, str | None], list[Asset]] = {}
        for one in known.alike:
            self._alike.setdefault((one.library, one.content), []).append(one)
        self._before = {one.id: one for one in known.assets}
        self._rows = dict(self._before)
        self._claims: dict[bytes, dict[bytes, bytes]] = {}  # path -> library -> asset
        for one in known.assets:
            if one.claims:
                self._claims.setdefault(one.path, {})[one.library] = one.id
        self._places: dict[str, dict[bytes, Place]] = {}
        self._touched: dict[bytes, int] = {}  # rows that may have to be written, in order, with their last source
        self._noted: set[bytes] = set()  # rows to write even if they end as they began
        self._described: set[bytes] = set()  # rows whose .xmp file is another than before, or was written
        self.transitions: list[Transition] = []
        self.blocked: list[Blocked] = []
        self.seen: set[bytes] = set()

    def apply(self, group: Step | list[Shifted]) -> None:
        """Apply a step, or moves that happened at once."""
        match group:
            case Seen() as step:  # nearly all
                if step.kind is not Kind.SIDECAR:
                    self._see(step)
            case list():
                self._shift(group)
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
                self._arrive(step, place, places)

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
                    if self._is_known_there(asset, library, step.now):
                        self._stay(asset, library, step)
                    else:
                        self._move(asset, library, step.now)
                self._see(step.now)
        for step, movers in leaving:
            if step.now is None or step.now.kind is Kind.SIDECAR:
                for library, asset in movers.items():
                    self._rename_away(asset, library, step)

    def _rename_away(self, asset: bytes, library: bytes, step: Shifted) -> None:
        """The file has a name now that no photo server wants."""
        if self._stay(asset, library, step):
            self._lose(step.origin, RENAMED_AWAY, step.source)

    def _stay(self, asset: bytes, library: bytes, step: Shifted) -> bool:
        """The old path is kept for the asset, unless another has it."""
        if library in self._claims.get(step.origin, {}):
            self._displace(asset, "displaced", step.source)
            return False
        self._claims.setdefault(step.origin, {})[library] = asset
        return True

    def _is_known_there(self, asset: bytes, library: bytes, now: Seen) -> bool:
        """Whether the catalog has learned of this move before, as a file that changed and another that went.

        That is how a journal without a past tells it. An older one that comes back knows it for a move; but by then
        the asset at the new path is what people have seen there, and it stays that.
        """
        holder = self._claims.get(now.path, {}).get(library)
        if holder is None:
            return False
        there, gone = self._rows[holder], self._rows[asset]
        is_proven_gone = gone.absent_since is not None or asset in self._withheld
        return is_proven_gone and is_there(there) and (there.size, there.mtime_ns) == (now.size, now.mtime_ns)

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
        is_rewritten = (row.size, row.mtime_ns) != (step.size, step.mtime_ns)
        content = None if is_rewritten else row.content
        if step.content is not None:
            content = step.content
        if (
            not is_rewritten
            and row.content == content
            and row.volume == self._volume
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
            volume=self._volume,
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
            content=content,
        )
        self._put(row, after, reason, step.source)

    def _arrive(self, step: Seen, place: Place, places: dict[bytes, Place]) -> None:
        """A file that no asset has: it is a missing one by its content, or a new one."""
        library = place.scope.library
        if step.content is None:  # nearly all: what is new is read later
            self._add(step, place)
            return
        alike = [self._rows.get(one.id, one) for one in self._alike.get((library, step.content), ())]
        origin = relinking.origin(step, alike, self._withheld, self._online, self._doubles)
        if isinstance(origin, Asset):
            self._relink(origin, step, places)
            return
        asset = self._add(step, place)
        if origin is relinking.Refusal.AMBIGUOUS:
            self.transitions.append(
                Transition(asset, Status.PRESENT, Status.PRESENT, None, step.path, AMBIGUOUS, step.source)
            )

    def _relink(self, origin: Asset, step: Seen, places: dict[bytes, Place]) -> None:
        """The file of a missing asset has come back elsewhere."""
        if origin.id not in self._rows:
            self._before[origin.id] = self._rows[origin.id] = origin
        elif origin.claims:
            self._unclaim(origin)
        self._claims.setdefault(step.path, {})[origin.library] = origin.id
        self._look(origin.id, step, places, RELINKED)

    def _add(self, step: Seen, place: Place) -> bytes:
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
            content=step.content,
        )
        self._rows[asset.id] = asset
        self._touched[asset.id] = step.source
        self._claims.setdefault(step.path, {})[asset.library] = asset.id
        return asset.id

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
        emigrated = row.volume != after.volume
        moved = emigrated or row.path != after.path
        # Also when a file goes while a rule excludes it: should it be included again, it needs its evidence.
        if was is not now or moved or (row.absent_since is None) is not (after.absent_since is None):
            from_path, to_path = (row.path, after.path) if moved else (None, None)
            from_volume = row.volume if emigrated else None
            self.transitions.append(Transition(row.id, was, now, from_path, to_path, reason, source, from_volume))
            self._noted.add(row.id)

    def attach(self, existing: set[bytes], changed: Mapping[bytes, int]) -> None:
        """Give every photo in hand that is new, has moved, or stands beside a changed .xmp file its own. ``changed``
        has the indexes of the observations that told of them."""
        # Nothing can become of a new photo where there is no .xmp file.
        concerned = self._rows if changed or existing else self._before
        for asset in concerned:
            row, before = self._rows[asset], self._before.get(asset)
            at_a_new_path = before is None or (before.volume, before.path) != (row.volume, row.path)
            if not row.claims or not (changed or (at_a_new_path and (existing or row.xmp_path))):
                continue
            sources = [changed[one] for one in companions.candidates(row.path) if one in changed]
            if not at_a_new_path and not sources:
                continue
            chosen = companions.chosen(row.path, existing)
            if chosen == row.xmp_path and chosen not in changed:
                continue
            self._rows[asset] = replace(row, xmp_path=chosen)
            self._touched.setdefault(asset, max(sources, default=0))
            self._described.add(asset)
            if not at_a_new_path and is_there(row):
                self._note_sidecar(row, chosen, max(sources))

    def _note_sidecar(self, row: Asset, chosen: bytes | None, source: int) -> None:
        reason = SIDECAR_CHANGED
        if row.xmp_path is None or chosen is None:
            reason = SIDECAR_APPEARED if row.xmp_path is None else SIDECAR_GONE
        self.transitions.append(Transition(row.id, status(row), status(row), None, None, reason, source))

    def writes(self) -> list[Write]:
        found = []
        for asset, source in self._touched.items():
            before, after = self._before.get(asset), self._rows[asset]
            if before is None:
                found.append(Write(after, change_kind(None, after), is_new=True, source=source))
                continue
            if before == after and asset not in self._noted and asset not in self._described:
                continue
            # What was written under its old name leaves no trace in the row.
            kind = SIDECAR if before == after and asset not in self._noted else change_kind(before, after)
            found.append(Write(after, kind, is_new=False, source=source))
        return found

    def released(self) -> list[bytes]:
        """Rows whose claim in the database must go first: those that leave the path they held."""
        found = []
        for asset, before in self._before.items():
            after = self._rows[asset]
            if asset not in self._touched or not before.claims:
                continue
            if (before.volume, before.path) != (after.volume, after.path) or not after.claims:
                found.append(asset)
        return found

    def _places_of(self, directory: str) -> dict[bytes, Place]:
        places = self._places.get(directory)
        if places is None:
            places = self._places[directory] = self._membership.places(directory)
        return places
