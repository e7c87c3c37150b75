"""Changed rules of a library, applied to what the catalog has: its import paths, and its exclusion patterns.

No file is looked at for it. An asset that left the rules is excluded with everything attached to it, and one that
they cover again is what its other facts make of it (rule R29). The agents learn the same rules meanwhile, and whatever
they report is judged by them at once; so an asset that both speak of comes out the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import structs
from sqlalchemy import Connection, select

from holdfast import ids, paths
from sidecar.asset import Asset, Status, change_kind, status
from sidecar.catalog import asset_rows, figures, history, holds, jobs, memberships, tallies
from sidecar.catalog.clock import CLOCK
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.jobs import Batch
from sidecar.catalog.lanes import along
from sidecar.catalog.tables import asset
from sidecar.jobs import JobKind
from sidecar.ledger import Transition, Write
from sidecar.membership import OUTSIDE, Membership

# Rows that are compared in one transaction. Few of them are locked: only those that change.
BATCH = 5_000
RULES = "rules"  # the reason of a transition that changed rules made


def apply(connection: Connection, library_id: bytes, position: str | None, now: int, entropy: bytes) -> Batch:
    """Judge the next assets of a library by the rules that hold now."""
    rows = page(connection, library_id, position)
    members = {
        volume: memberships.of_library(connection, library_id, volume) for volume in {row.volume_id for row in rows}
    }
    new_ids = ids.series(now // 1000, entropy)
    wanted = [row.id for row in rows if _differs(row, members[row.volume_id], library_id)]
    known = asset_rows.with_ids(connection, wanted)
    pairs = [(one, judged(one, members[one.volume])) for one in known if one.claims and one.removed_at is None]
    pairs = [(before, after) for before, after in pairs if before != after]
    change(connection, pairs, RULES, now, new_ids)
    left = sum(status(after) is Status.EXCLUDED is not status(before) for before, after in pairs)
    back = sum(status(before) is Status.EXCLUDED is not status(after) for before, after in pairs)
    return Batch(position_after(rows), len(rows), {"excluded": left, "included": back})


def reapply(
    connection: Connection, library_ids: Iterable[bytes], new_ids: Iterator[bytes], now: int, *, by: str
) -> None:
    """Have the assets of these libraries judged anew."""
    for one in library_ids:
        jobs.create(connection, next(new_ids), JobKind.APPLY_RULES, library_id=one, requested_by=by, now=now)


def with_excluded(connection: Connection, library_ids: Iterable[bytes]) -> list[bytes]:
    """Those of these libraries in which anything is excluded."""
    found = []
    for one in library_ids:
        out = select(asset.c.id).where(asset.c.library_id == one, asset.c.status == Status.EXCLUDED).limit(1)
        if connection.execute(out).first() is not None:
            found.append(one)
    return found


def page(connection: Connection, library_id: bytes, position: str | None) -> Sequence[AnyRow]:
    """The next assets of a library, in the order of their ids, without a lock."""
    columns = (
        asset.c.id,
        asset.c.volume_id,
        asset.c.path,
        asset.c.path_key,
        asset.c.size,
        asset.c.status,
        asset.c.excluded_by,
        asset.c.import_path_id,
        asset.c.removed_at,
    )
    behind = b"" if position is None else bytes.fromhex(position)
    chosen = select(*columns).where(asset.c.library_id == library_id, asset.c.id > behind)
    return connection.execute(along(chosen, asset, "ix_asset_library_id").order_by(asset.c.id).limit(BATCH)).all()


def position_after(rows: Sequence[AnyRow]) -> str | None:
    """Where the page behind these rows begins; None when there is none."""
    return bytes(rows[-1].id).hex() if len(rows) == BATCH else None


def verdict(path: bytes, members: Membership, library_id: bytes) -> tuple[str | None, bytes | None]:
    """What excludes a path from a library, and the import path that it is under, if it is under one."""
    directory, name = paths.split(paths.to_wire(path))
    place = members.places(directory).get(library_id)
    if place is None:
        return OUTSIDE, None
    return place.excluded_by(name), place.scope.import_path


def change(
    connection: Connection,
    pairs: Sequence[tuple[Asset, Asset]],
    reason: str,
    now: int,
    new_ids: Iterator[bytes],
    job: bytes | None = None,
) -> None:
    """Write what became of assets that are locked, with all that hangs on it: tallies, holds, feed and histories.
    ``job`` is the one that did it, as far as that is to be told."""
    by_volume: dict[bytes, list[tuple[Asset, Asset]]] = {}
    for pair in pairs:
        by_volume.setdefault(pair[0].volume, []).append(pair)
    for volume, group in sorted(by_volume.items()):
        tallies.recount(connection, volume, group)
    figures.keep(connection, pairs)
    gone = [after.id for _, after in pairs if status(after) in (Status.EXCLUDED, Status.REMOVED)]
    shrunk = holds.take_out(connection, gone)
    changes = CLOCK.take(connection, len(pairs) + len(shrunk)) if pairs else iter(())
    writes = [Write(after, change_kind(before, after), is_new=False, source=0) for before, after in pairs]
    asset_rows.write(connection, writes, changes, now)
    holds.write(connection, shrunk, changes, now)
    steps = [
        Transition(before.id, status(before), status(after), None, None, reason, 0)
        for before, after in pairs
        if status(before) is not status(after)
    ]
    history.write(connection, [history.transition_row(next(new_ids), one, None, now, job=job) for one in steps])


def judged(before: Asset, members: Membership) -> Asset:
    """An asset that claims its path, by the rules that hold now."""
    excluded_by, import_path = verdict(before.path, members, before.library)
    return structs.replace(before, excluded_by=excluded_by, import_path=import_path or before.import_path)


def _differs(row: AnyRow, members: Membership, library_id: bytes) -> bool:
    if row.path_key is None or row.removed_at is not None:
        return False
    excluded_by, import_path = verdict(row.path, members, library_id)
    return bool(row.excluded_by != excluded_by or import_path not in (None, row.import_path_id))
