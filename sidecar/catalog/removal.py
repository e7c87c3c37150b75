"""Removing what is missing from the catalog, as a job: learn where it was, have that looked at, remove what is still
missing after it. A tombstone of each stays, with all that is attached to it, and can be undone (rule R25).

Nothing is removed but what an agent looked for after this job had asked it to, on storage that has been online in one
unbroken attachment ever since. What cannot be looked for now stays missing, and is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import structs
from sqlalchemy import ColumnElement, Connection, and_, exists, select

from holdfast import ids, paths
from holdfast.volumes import VolumeState
from sidecar.asset import Asset, Status
from sidecar.catalog import asset_rows, bulk, clock, jobs, looks, rules
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.jobs import Batch
from sidecar.catalog.lanes import along
from sidecar.catalog.tables import asset, import_path, removal
from sidecar.jobs import JobKind
from sidecar.removal import Storage, Verdict, judge, with_directory
from sidecar.scanning import Target

BATCH = 1_000
# Rows that are read in one transaction to learn where something is missing; nothing is locked for it.
GATHERED = 5_000
REMOVED = "removed"  # the reason of a transition
WOULD_BE_REMOVED = "would_be_removed"  # what a dry run counts instead


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a job is to remove: ``older_than_s`` limits it to what has been missing for so long in verified-online
    time. A dry run has everything looked at, and removes nothing."""

    dry_run: bool = False
    older_than_s: int | None = None


class _Place(msgspec.Struct, frozen=True):
    """Directories of an import path on a volume in which something is missing (wire text), and where that begins."""

    volume: str
    root: str
    directories: list[str]


class _Position(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a job is: ``behind`` is the last asset that it has come to. ``places`` are those found so far. Looks at
    them were asked for after the change with the number ``asked_at``, in the attachments ``epochs``."""

    behind: str = ""
    places: dict[str, _Place] = {}
    asked_at: int | None = None
    epochs: looks.Epochs = {}


def begin(connection: Connection, library_id: bytes, new_id: bytes, wanted: Wanted, by: str, now: int) -> bytes:
    """Write a job down, unless one that is to do the same has not begun to remove; returns the id of that job."""
    return jobs.create_once(
        connection,
        new_id,
        JobKind.REMOVE_MISSING,
        library_id=library_id,
        requested_by=by,
        now=now,
        parameters=wanted,
    )


def remove(connection: Connection, row: AnyRow, now: int, entropy: bytes) -> Batch:
    """Do the next piece of a job."""
    position = _Position() if row.position is None else msgspec.json.decode(row.position, type=_Position)
    new_ids = ids.series(now // 1000, entropy)
    if position.asked_at is None:
        return _gather(connection, row, position, new_ids, now)
    if looks.are_awaited(connection, row.id, position.epochs, now):
        return Batch(row.position, 0, waits=True)
    return _remove(connection, row, position, new_ids, now)


def _gather(connection: Connection, row: AnyRow, position: _Position, new_ids: Iterator[bytes], now: int) -> Batch:
    """Learn where something is missing; at the end, ask for looks at all these directories."""
    chosen = (
        select(asset.c.id, asset.c.volume_id, asset.c.import_path_id, asset.c.path, import_path.c.directory)
        # There is always one; joined like this, nobody begins with it, and sorts what is missing.
        .outerjoin(import_path, import_path.c.id == asset.c.import_path_id)
        .where(_missing(row.library_id, position.behind))
    )
    chosen = along(chosen, asset, "ix_asset_status").order_by(asset.c.id).limit(GATHERED)
    page = connection.execute(chosen).all()
    places = dict(position.places)
    for one in page:
        key = f"{one.import_path_id.hex()}.{one.volume_id.hex()}"
        place = places.get(key) or _Place(one.volume_id.hex(), paths.to_wire(one.directory or b""), [])
        directory, _ = paths.split(paths.to_wire(one.path))
        if not any(paths.contains(known, directory) for known in place.directories):
            nearest = _nearest(connection, row.library_id, one.volume_id, place.root, directory)
            place = structs.replace(place, directories=with_directory(place.directories, place.root, nearest))
        places[key] = place
    if len(page) == GATHERED:
        return Batch(_encoded(_Position(behind=page[-1].id.hex(), places=places)), 0)
    # Read before the looks are asked for: what changes from now on is not what they were asked for.
    asked_at = clock.read(connection)
    wanted = [Target(bytes.fromhex(one.volume), each) for one in places.values() for each in one.directories]
    epochs = looks.ask(connection, row.id, wanted, new_ids, now)
    return Batch(_encoded(_Position(asked_at=asked_at, epochs=epochs)), 0)


def _nearest(connection: Connection, library_id: bytes, volume_id: bytes, root: str, directory: str) -> str:
    """The directory itself; or, since it may be gone, the nearest one above it that something is present in."""
    while directory != root and paths.contains(root, directory):
        within = asset_rows.below(paths.to_bytes(directory))
        present = (asset.c.library_id == library_id, asset.c.volume_id == volume_id, asset.c.status == Status.PRESENT)
        found = select(exists(select(asset.c.id).where(*present, *(() if within is None else (within,)))))
        if connection.execute(found).scalar_one():
            return directory
        directory, _ = paths.split(directory)
    return root


def _remove(connection: Connection, row: AnyRow, position: _Position, new_ids: Iterator[bytes], now: int) -> Batch:
    wanted = msgspec.json.decode(row.parameters, type=Wanted)
    chosen = select(asset.c.id, asset.c.volume_id, asset.c.import_path_id).where(
        _missing(row.library_id, position.behind)
    )
    page = connection.execute(along(chosen, asset, "ix_asset_status").order_by(asset.c.id).limit(BATCH)).all()
    via = _unions(connection, row.library_id)
    # Locked before the assets, as ingest does it: no volume goes away now, and no report comes between.
    storages = looks.lock_storage(connection, {one.volume_id for one in page} | set(via.values()))
    looked_at = looks.complete(connection, row.id, position.epochs, storages)
    known = asset_rows.with_ids(connection, [one.id for one in page])
    changed = _changed_since(connection, [one.id for one in known], position.asked_at or 0)
    counts: Counter[str] = Counter()
    doomed: list[Asset] = []
    for one in known:
        union = via.get(one.import_path)
        state = None if union is None else VolumeState(storages[union].state)
        row_of = storages[one.volume]
        storage = Storage(VolumeState(row_of.state), state, row_of.online_us)
        verdict = judge(one, one.id not in changed, storage, looked_at.get(one.volume, ()), wanted.older_than_s)
        if verdict is Verdict.REMOVE and not wanted.dry_run:
            doomed.append(one)
        counts[WOULD_BE_REMOVED if wanted.dry_run and verdict is Verdict.REMOVE else verdict.value] += 1
    _bury(connection, row.id, doomed, new_ids, now)
    is_last = len(page) < BATCH
    behind = None if is_last else _encoded(structs.replace(position, behind=page[-1].id.hex()))
    return Batch(behind, len(page), dict(counts))


def _unions(connection: Connection, library_id: bytes) -> dict[bytes, bytes]:
    """The import paths of a library that show their files through a union, and that."""
    chosen = select(import_path.c.id, import_path.c.via_volume_id).where(
        import_path.c.library_id == library_id, import_path.c.via_volume_id.is_not(None)
    )
    return {row.id: row.via_volume_id for row in connection.execute(chosen)}


def _bury(connection: Connection, job_id: bytes, doomed: Sequence[Asset], new_ids: Iterator[bytes], now: int) -> None:
    pairs = [(one, structs.replace(one, removed_at=now, claims=False)) for one in doomed]
    rules.change(connection, pairs, REMOVED, now, new_ids, job=job_id)
    bulk.insert(connection, removal, [(job_id, one.id, int(one.claims), now, None) for one in doomed])


def _changed_since(connection: Connection, asset_ids: Sequence[bytes], change: int) -> set[bytes]:
    """Those of these assets, which are locked, that changed after the change with this number."""
    found: set[bytes] = set()
    for part in bulk.chunks(asset_ids):
        later = select(asset.c.id).where(asset.c.id.in_(part), asset.c.change > change)
        found |= set(connection.execute(later.with_for_update()).scalars())
    return found


def _missing(library_id: bytes, behind: str) -> ColumnElement[bool]:
    of_it = (asset.c.library_id == library_id, asset.c.status == Status.MISSING)
    return and_(*of_it, asset.c.id > bytes.fromhex(behind))


def _encoded(position: _Position) -> str:
    return msgspec.json.encode(position).decode()
