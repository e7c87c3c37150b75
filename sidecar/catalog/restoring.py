"""Bringing removed assets back: the same id, with all that was attached to it, missing as it was before (rule R25).

It can be done for as long as the tombstone is there and nothing else has its path. What the rules of the library have
become meanwhile holds for it, too; and the time after which what is missing is removed begins anew, or it would be
removed again the next night.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import structs
from sqlalchemy import Connection, select, update

from holdfast import ids
from sidecar import companions
from sidecar.asset import Asset
from sidecar.catalog import agents, asset_rows, bulk, jobs, libraries, looks, memberships, rules, seeking, xmp_files
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.jobs import Batch
from sidecar.catalog.tables import asset, removal
from sidecar.jobs import JobKind
from sidecar.membership import Membership
from sidecar.removal import Undoing

BATCH = 1_000
UNDONE = "undone"  # the reason of a transition


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a job is to bring back: all that another one has removed."""

    job_id: str


def begin(connection: Connection, removed_by: AnyRow, new_id: bytes, by: str, now: int) -> bytes:
    """Write down the job that undoes a removal, unless there is one; returns its id."""
    wanted = Wanted(job_id=ids.to_text("job", removed_by.id))
    return jobs.create_once(
        connection,
        new_id,
        JobKind.RESTORE,
        library_id=removed_by.library_id,
        requested_by=by,
        now=now,
        parameters=wanted,
    )


def restore(connection: Connection, row: AnyRow, now: int, entropy: bytes) -> Batch:
    """Bring back the next of what a job has removed."""
    wanted = msgspec.json.decode(row.parameters, type=Wanted)
    removed_by = ids.from_text("job", wanted.job_id)
    behind = b"" if row.position is None else bytes.fromhex(row.position)
    chosen = select(removal).where(
        removal.c.job_id == removed_by, removal.c.asset_id > behind, removal.c.undone_at.is_(None)
    )
    page = connection.execute(chosen.order_by(removal.c.asset_id).limit(BATCH)).all()
    found = _restored(connection, page, row.id, now, ids.series(now // 1000, entropy))
    position = page[-1].asset_id.hex() if len(page) == BATCH else None
    return Batch(position, len(page), dict(Counter(one.value for one in found.values())))


def restore_one(connection: Connection, asset_id: bytes, now: int, entropy: bytes) -> Undoing:
    """Bring back an asset that a job has removed."""
    chosen = select(removal).where(removal.c.asset_id == asset_id, removal.c.undone_at.is_(None))
    last = connection.execute(chosen.order_by(removal.c.job_id.desc()).limit(1)).all()
    found = _restored(connection, last, None, now, ids.series(now // 1000, entropy))
    return found.get(asset_id, Undoing.GONE)


def _restored(
    connection: Connection, removals: Sequence[AnyRow], job_id: bytes | None, now: int, new_ids: Iterator[bytes]
) -> dict[bytes, Undoing]:
    """Bring back what can be; what became of each."""
    wanted = {row.asset_id: row for row in removals}
    on: set[bytes] = set()
    for part in bulk.chunks(wanted):
        on |= set(connection.execute(select(asset.c.volume_id).where(asset.c.id.in_(part)).distinct()).scalars())
    # Until the end of the transaction no report of these volumes is taken in, which could claim the same paths.
    storages = looks.lock_storage(connection, on)
    known = asset_rows.with_ids(connection, list(wanted))
    taken = _taken(connection, known)
    living = {row.id for row in libraries.lock(connection, {one.library for one in known}) if row.deleted_at is None}
    found = dict.fromkeys(wanted, Undoing.GONE)
    pairs: list[tuple[Asset, Asset]] = []
    for one in known:
        if one.removed_at is None or one.library not in living:
            continue
        claims, place = bool(wanted[one.id].claimed), (one.library, one.volume, one.path)
        if claims and place in taken:
            found[one.id] = Undoing.PATH_TAKEN
            continue
        found[one.id] = Undoing.RESTORED
        online_us = storages[one.volume].online_us
        pairs.append((one, structs.replace(one, removed_at=None, claims=claims, absent_online_us=online_us)))
    pairs = _up_to_date(connection, pairs)
    agents.tell(connection, seeking.seekers(connection, pairs))
    rules.change(connection, pairs, UNDONE, now, new_ids, job=job_id)
    for part in bulk.chunks([after.id for _, after in pairs]):
        done = (removal.c.asset_id.in_(part), removal.c.undone_at.is_(None))
        connection.execute(update(removal).where(*done).values(undone_at=now))
    return found


def _up_to_date(connection: Connection, pairs: Sequence[tuple[Asset, Asset]]) -> list[tuple[Asset, Asset]]:
    """What nobody has kept up while they were removed: whether rules exclude them, and which .xmp files are beside."""
    members: dict[tuple[bytes, bytes], Membership] = {}
    beside: dict[bytes, set[bytes]] = {}
    for _, one in pairs:
        beside.setdefault(one.volume, set()).update(companions.candidates(one.path))
    existing = {volume_id: xmp_files.at(connection, volume_id, wanted) for volume_id, wanted in beside.items()}
    found = []
    for before, one in pairs:
        place = (one.library, one.volume)
        if place not in members:
            members[place] = memberships.of_library(connection, *place)
        after = rules.judged(one, members[place]) if one.claims else one
        xmp_path = companions.chosen(one.path, existing[one.volume]) if one.claims else None
        found.append((before, structs.replace(after, xmp_path=xmp_path)))
    return found


def _taken(connection: Connection, known: Sequence[Asset]) -> set[tuple[bytes, bytes, bytes]]:
    """The places of these assets that other assets claim: library, volume, path."""
    by_place: dict[tuple[bytes, bytes], set[bytes]] = {}
    for one in known:
        by_place.setdefault((one.library, one.volume), set()).add(one.path)
    return {
        (library_id, volume_id, holder.path)
        for (library_id, volume_id), here in sorted(by_place.items())
        for holder in asset_rows.at(connection, [library_id], volume_id, here)
    }
