"""What people decide about holds, and the carrying out of it; and the end of a time of grace.

A decision is one row. Carrying it out goes in batches, each a transaction of its own that can be repeated: whoever is
interrupted leaves rows behind, and the next one that looks goes on with them. A request carries out small holds itself,
the worker process everything else.

Locks are taken in the order of ingest: assets, the volume's tallies, its hold; then the change clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec import structs
from sqlalchemy import Connection, select

from holdfast import ids
from holdfast.volumes import VolumeState
from sidecar.asset import Asset, change_kind, is_there, status
from sidecar.catalog import agents, asset_rows, figures, history, holds, seeking, tallies
from sidecar.catalog.clock import CLOCK
from sidecar.catalog.holds import Held, LockedHold
from sidecar.catalog.tables import held, volume
from sidecar.errors import Refused
from sidecar.holds import HoldKind, HoldState
from sidecar.ledger import ABSENT, Now, Transition, Write

# As many as a report has at most: ingest shows that a transaction of this size holds nobody up.
BATCH = 5_000
APPROVED = "approved"  # the reason of a transition that somebody approved


def decide(connection: Connection, hold_id: bytes, digest: bytes, state: HoldState, by: str, now: int) -> LockedHold:
    """Approve or dismiss exactly the set with this digest. Deciding the same again changes nothing.

    Raises :class:`Refused` with ``not-found``, ``hold-changed`` or ``hold-closed``.
    """
    one = holds.lock(connection, [hold_id]).get(hold_id)
    if one is None:
        raise Refused("not-found", "There is no such hold.")
    if digest != one.digest:
        raise Refused(
            "hold-changed",
            f"The hold is another set of files than the one you looked at; it has {one.files:,} now. Nothing was"
            " decided. Look at it again, then decide about what it is now.",
            digest=one.digest.hex(),
        )
    if one.state is state:
        return one
    if one.state is not HoldState.OPEN:
        raise Refused("hold-closed", f"The hold is closed already: it was {one.state}. Nothing was changed.")
    holds.close(connection, one, state, by, CLOCK.take(connection, 1), now)
    return one


def carry_out(connection: Connection, hold_id: bytes, now: int, entropy: bytes) -> bool:
    """Deal with the next batch of a hold that was decided about. False when nothing is left of it."""
    chosen = select(held.c.asset_id).where(held.c.hold_id == hold_id).order_by(held.c.asset_id).limit(BATCH)
    batch = list(connection.execute(chosen).scalars())
    known = asset_rows.with_ids(connection, batch)
    new_ids = ids.series(now // 1000, entropy)
    row = holds.get(connection, hold_id)
    if row is None:
        return False
    tallies.lock(connection, row.volume_id, ())
    one = holds.lock(connection, [hold_id])[hold_id]
    if one.is_done or one.state not in (HoldState.APPROVED, HoldState.DISMISSED):
        return False
    # What left the hold since the batch was chosen is not in it any more.
    rows = [row for row in holds.of_assets(connection, batch).values() if row.hold_id == hold_id]
    if one.state is HoldState.APPROVED:
        _apply(connection, one.volume, known, rows, now, new_ids)
    holds.remove(connection, [row.asset_id for row in rows])
    one.done += len(rows)
    is_last = len(batch) < BATCH
    if is_last:
        holds.finish(connection, one, CLOCK.take(connection, 1), now)
    elif rows:
        holds.write(connection, [one], CLOCK.take(connection, 1), now)
    return not is_last


def end_grace(connection: Connection, volume_id: bytes, now: int, entropy: bytes) -> bool:
    """Let a batch of absences of a volume show whose time of grace is over. False when nothing is left.

    Grace counts verified-online time, so it cannot end while the storage is away (rule R24); and what ended just
    before it went away waits for it to come back.
    """
    storage = connection.execute(select(volume.c.state, volume.c.online_us).where(volume.c.id == volume_id)).one()
    if storage.state != VolumeState.ONLINE:
        return False
    due = (held.c.volume_id == volume_id, held.c.due_us <= storage.online_us)
    batch = list(connection.execute(select(held.c.asset_id).where(*due).order_by(held.c.due_us).limit(BATCH)).scalars())
    if not batch:
        return False
    known = asset_rows.with_ids(connection, batch)
    rows = [row for row in holds.of_assets(connection, batch).values() if row.due_us is not None]
    _apply(connection, volume_id, known, rows, now, ids.series(now // 1000, entropy))
    holds.remove(connection, [row.asset_id for row in rows])
    return len(batch) == BATCH


def with_grace_over(connection: Connection) -> list[bytes]:
    """The volumes on which some absence has waited for long enough."""
    chosen = (
        select(volume.c.id)
        .where(volume.c.state == VolumeState.ONLINE)
        .where(
            select(held.c.asset_id).where(held.c.volume_id == volume.c.id, held.c.due_us <= volume.c.online_us).exists()
        )
    )
    return list(connection.execute(chosen).scalars())


def _apply(
    connection: Connection,
    volume_id: bytes,
    known: Sequence[Asset],
    rows: Collection[Held],
    now: int,
    new_ids: Iterator[bytes],
) -> None:
    """Make of these assets, which are locked, what their rows say."""
    moment = Now(now, _online_us(connection, volume_id))
    by_asset = {row.asset_id: row for row in rows}
    pairs = [
        (before, _applied(before, by_asset[before.id], moment))
        for before in known
        # Whatever else became of it meanwhile was newer than what was held.
        if before.id in by_asset and is_there(before)
    ]
    tallies.recount(connection, volume_id, pairs)
    figures.keep(connection, pairs)
    agents.tell(connection, seeking.seekers(connection, pairs))
    changes = CLOCK.take(connection, len(pairs)) if pairs else iter(())
    writes = [Write(after, change_kind(before, after), is_new=False, source=0) for before, after in pairs]
    asset_rows.write(connection, writes, changes, now)
    history.write(
        connection,
        [
            _transition(next(new_ids), before, after, by_asset[before.id], now)
            for before, after in pairs
            if status(before) is not status(after)
        ],
    )


def _applied(before: Asset, row: Held, now: Now) -> Asset:
    if row.kind == HoldKind.CHANGED:
        return structs.replace(before, size=row.size, mtime_ns=row.mtime_ns)
    return structs.replace(before, absent_since=now.at, absent_online_us=now.online_us, unreadable_error=None)


def _transition(key: bytes, before: Asset, after: Asset, row: Held, now: int) -> tuple[object, ...]:
    reason = ABSENT if row.hold_id is None else APPROVED
    step = Transition(before.id, status(before), status(after), None, None, reason, 0)
    return history.transition_row(key, step, row.evidence_id, now, row.hold_id)


def _online_us(connection: Connection, volume_id: bytes) -> int:
    return int(connection.execute(select(volume.c.online_us).where(volume.c.id == volume_id)).scalar_one())
