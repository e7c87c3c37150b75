"""Holds in the database: the holds themselves, their rows, and the tree they are shown as.

A hold's figures and digest are kept by whoever changes its rows, under the lock of the hold, so nobody counts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select, update

from sidecar.catalog import asset_rows, assets, bulk
from sidecar.catalog.clock import feed
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.lanes import along
from sidecar.catalog.tables import asset, evidence, held, hold, hold_branch, volume
from sidecar.guard import Place
from sidecar.holds import EMPTY, HoldKind, HoldReason, HoldState, row_digest, toggled

BRANCHES_SHOWN = 100
EXAMPLES_SHOWN = 10


class Held(NamedTuple):
    """A row of the table ``held``, in the order of its columns."""

    asset_id: bytes
    volume_id: bytes
    hold_id: bytes | None
    kind: str
    size: int
    mtime_ns: int
    evidence_id: bytes
    branch_key: bytes
    due_us: int | None
    at: int


@dataclass(slots=True)
class LockedHold:
    """A hold whose row is locked, and what becomes of it in this transaction."""

    id: bytes
    volume: bytes
    place: Place
    kind: HoldKind
    reason: HoldReason
    state: HoldState = HoldState.OPEN
    files: int = 0
    size: int = 0
    digest: bytes = EMPTY
    done: int = 0
    is_new: bool = False
    is_done: bool = False  # everything that was decided about is dealt with
    grown: Counter[bytes] = field(default_factory=Counter)  # branch key -> files
    branches: dict[bytes, bytes] = field(default_factory=dict)  # branch key -> directory

    def add(self, row: Held, branch: bytes) -> None:
        """Take in a file."""
        self._change(row, 1)
        self.branches[row.branch_key] = branch

    def drop(self, row: Held) -> None:
        """A file left. What was decided about a set stays what it was: only what is left to do is less."""
        if self.state is HoldState.OPEN:
            self._change(row, -1)
        else:
            self.done += 1

    def _change(self, row: Held, by: int) -> None:
        self.files += by
        self.size += by * row.size
        self.digest = toggled(self.digest, row_digest(self.id, row.asset_id, self.kind, row.size, row.mtime_ns))
        self.grown[row.branch_key] += by


def exist(connection: Connection, volume_id: bytes) -> bool:
    """Whether anything of a volume waits, in a hold or for its grace."""
    return connection.execute(select(held.c.asset_id).where(held.c.volume_id == volume_id).limit(1)).first() is not None


def of_assets(connection: Connection, wanted: Collection[bytes]) -> dict[bytes, Held]:
    """What waits of these assets. Their rows must be locked; then nobody else changes this."""
    found: dict[bytes, Held] = {}
    for part in bulk.chunks(wanted):
        rows = connection.execute(select(held).where(held.c.asset_id.in_(part)))
        found |= {row.asset_id: Held(*row) for row in rows}
    return found


def proven_absent(connection: Connection, assets: Collection[bytes]) -> frozenset[bytes]:
    """Those of these assets, which are locked, whose proven absence waits for a person or for the end of its grace."""
    waiting = of_assets(connection, assets) if assets else {}
    dismissed: set[bytes] = set()
    of_holds = {row.hold_id for row in waiting.values() if row.hold_id is not None}
    if of_holds:
        chosen = select(hold.c.id).where(hold.c.id.in_(sorted(of_holds)), hold.c.state == HoldState.DISMISSED)
        dismissed.update(connection.execute(chosen).scalars())
    return frozenset(
        asset for asset, row in waiting.items() if row.kind == HoldKind.ABSENT and row.hold_id not in dismissed
    )


def lock_open(connection: Connection, volume_id: bytes) -> dict[tuple[Place, HoldKind], LockedHold]:
    """The open holds of a volume by place and kind, locked."""
    found = _locked(connection, (hold.c.volume_id == volume_id) & (hold.c.state == HoldState.OPEN))
    return {(one.place, one.kind): one for one in found}


def lock(connection: Connection, hold_ids: Collection[bytes]) -> dict[bytes, LockedHold]:
    """These holds, locked."""
    return {one.id: one for one in _locked(connection, hold.c.id.in_(sorted(hold_ids)))} if hold_ids else {}


def write(connection: Connection, holds: Iterable[LockedHold], changes: Iterator[int], now: int) -> None:
    """Write holds, each with the next change number. An open one that is empty is resolved."""
    grown: list[tuple[bytes, Counter[bytes], dict[bytes, bytes]]] = []
    for one in holds:
        values: dict[str, Any] = {
            "reason": one.reason,
            "files": one.files,
            "bytes": one.size,
            "digest": one.digest,
            "done": one.done,
        }
        kind = "hold.opened" if one.is_new else "hold.updated"
        if one.state is HoldState.OPEN and not one.files:
            kind = "hold.closed"
            values |= {"state": HoldState.RESOLVED, "open_key": None, "closed_at": now, "done_at": now}
        values |= feed(kind, changes, now)
        if one.is_new:
            connection.execute(hold.insert().values(_place(one, now) | values))
        else:
            connection.execute(update(hold).where(hold.c.id == one.id).values(values))
        grown.append((one.id, one.grown, one.branches))
    _grow(connection, grown)


def put(connection: Connection, rows: Sequence[Held]) -> None:
    """Write rows; one of the same asset is replaced."""
    bulk.upsert(connection, held, rows, Held._fields[1:])


def remove(connection: Connection, asset_ids: Collection[bytes]) -> None:
    """Forget that these assets wait."""
    for part in bulk.chunks(asset_ids):
        connection.execute(delete(held).where(held.c.asset_id.in_(part)))


def take_out(connection: Connection, asset_ids: Collection[bytes]) -> list[LockedHold]:
    """Let these assets, which are locked, wait no longer; returns the holds that shrank, to be written."""
    rows = of_assets(connection, asset_ids)
    touched = lock(connection, {row.hold_id for row in rows.values() if row.hold_id is not None})
    for row in rows.values():
        if row.hold_id is not None:
            touched[row.hold_id].drop(row)
    remove(connection, list(rows))
    return list(touched.values())


def close(connection: Connection, one: LockedHold, state: HoldState, by: str, changes: Iterator[int], now: int) -> None:
    """Decide about an open hold that is locked. Its rows are dealt with by others, later."""
    values = {"state": state, "open_key": None, "closed_at": now, "closed_by": by}
    row = values | feed("hold.updated", changes, now)
    connection.execute(update(hold).where(hold.c.id == one.id).values(row))


def finish(connection: Connection, one: LockedHold, changes: Iterator[int], now: int) -> None:
    """Note that everything that was decided about is dealt with."""
    values = {"done": one.files, "done_at": now, **feed("hold.closed", changes, now)}
    connection.execute(update(hold).where(hold.c.id == one.id).values(values))


def unfinished(connection: Connection) -> list[bytes]:
    """The holds that were decided about, and have files that were not dealt with."""
    decided = hold.c.state.in_((HoldState.APPROVED, HoldState.DISMISSED))
    return list(connection.execute(select(hold.c.id).where(decided, hold.c.done_at.is_(None))).scalars())


def shown() -> Select[Any]:
    """Holds with what is shown of their volume. There is always one; joined like this, nobody begins with it."""
    return select(hold, volume.c.label.label("volume_label"), volume.c.mounted_at, volume.c.last_mounted_at).outerjoin(
        volume, volume.c.id == hold.c.volume_id
    )


def get(connection: Connection, hold_id: bytes) -> AnyRow | None:
    """One hold."""
    return connection.execute(shown().where(hold.c.id == hold_id)).one_or_none()


def count_open(connection: Connection) -> int:
    """How many holds wait for a person."""
    chosen = select(func.count()).select_from(hold).where(hold.c.state == HoldState.OPEN)
    return int(connection.execute(chosen).scalar_one())


def page(
    connection: Connection, state: HoldState | None, volume_id: bytes | None, before: bytes, limit: int
) -> Sequence[AnyRow]:
    """Holds, the newest first."""
    chosen = shown().where(hold.c.id < before).order_by(hold.c.id.desc()).limit(limit)
    if state is not None:
        chosen = chosen.where(hold.c.state == state)
    if volume_id is not None:
        chosen = chosen.where(hold.c.volume_id == volume_id)
    return connection.execute(chosen).all()


def tree(connection: Connection, hold_id: bytes) -> Sequence[AnyRow]:
    """The directories that a hold's files are in, the fullest first; one more than are shown, if there are more."""
    chosen = select(hold_branch.c.directory, hold_branch.c.files).where(
        hold_branch.c.hold_id == hold_id, hold_branch.c.files > 0
    )
    # In the order of the index, so that it does not matter how many there are.
    ordered = chosen.order_by(hold_branch.c.files.desc(), hold_branch.c.branch_key.desc()).limit(BRANCHES_SHOWN + 1)
    return sorted(connection.execute(ordered), key=lambda row: (-row.files, row.directory))


def assets_page(connection: Connection, hold_id: bytes, after: bytes, limit: int) -> Sequence[AnyRow]:
    """The assets that wait in a hold, in the order of their ids, with what they would become."""
    chosen = (
        assets.shown()
        .add_columns(
            held.c.at.label("held_at"),
            held.c.size.label("held_size"),
            held.c.mtime_ns.label("held_mtime_ns"),
            evidence.c.body.label("evidence"),
        )
        .join(held, held.c.asset_id == asset.c.id)
        .outerjoin(evidence, evidence.c.id == held.c.evidence_id)
        .where(held.c.hold_id == hold_id, held.c.asset_id > after)
    )
    return connection.execute(along(chosen, held, "ix_held_hold_id").order_by(held.c.asset_id).limit(limit)).all()


def open_key(volume_id: bytes, place: Place, kind: HoldKind) -> bytes:
    """What is unique among open holds: a place and a kind."""
    where = b"*" if place is None else b"/" + place
    return asset_rows.key(volume_id + kind.encode() + where)


def _locked(connection: Connection, chosen: ColumnElement[bool]) -> list[LockedHold]:
    rows = connection.execute(select(hold).where(chosen).order_by(hold.c.id).with_for_update())
    return [
        LockedHold(
            id=row.id,
            volume=row.volume_id,
            place=row.directory,
            kind=HoldKind(row.kind),
            reason=HoldReason(row.reason),
            state=HoldState(row.state),
            files=row.files,
            size=row.bytes,
            digest=row.digest,
            done=row.done,
            is_done=row.done_at is not None,
        )
        for row in rows
    ]


def _place(one: LockedHold, now: int) -> dict[str, Any]:
    return {
        "id": one.id,
        "volume_id": one.volume,
        "directory": one.place,
        "kind": one.kind,
        "state": one.state,
        "open_key": open_key(one.volume, one.place, one.kind),
        "opened_at": now,
    }


def _grow(connection: Connection, grown: Sequence[tuple[bytes, Counter[bytes], dict[bytes, bytes]]]) -> None:
    """Add to the counts of branches. Only those that files came to can be new, and their directory is known."""
    for hold_id, by_branch, branches in grown:
        known: dict[bytes, int] = {}
        for part in bulk.chunks(by_branch):
            chosen = select(hold_branch.c.branch_key, hold_branch.c.files).where(
                hold_branch.c.hold_id == hold_id, hold_branch.c.branch_key.in_(part)
            )
            known |= {row.branch_key: row.files for row in connection.execute(chosen)}
        rows = [
            (hold_id, branch, branches.get(branch, b""), known.get(branch, 0) + by)
            for branch, by in by_branch.items()
            if by
        ]
        bulk.upsert(connection, hold_branch, rows, ("files",))
