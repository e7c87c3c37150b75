"""Histories: the transitions of assets, each with the evidence for it.

What a report said is kept as one row an observation, however many files it speaks of, together with what was known of
the storage at that moment: a mount point and an identity that are looked up later may be others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from holdfast import paths
from holdfast.reports import Report
from sidecar.catalog import bulk
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import asset_transition, evidence, volume_transition
from sidecar.ledger import Transition


class History:
    """Writes what one report made of assets. ``storage`` is the row of its volume."""

    def __init__(
        self, connection: Connection, report: Report, storage: AnyRow, new_ids: Iterator[bytes], now: int
    ) -> None:
        self._connection, self._report, self._storage = connection, report, storage
        self._new_ids, self._now = new_ids, now
        self._evidence: dict[int, bytes] = {}
        self._mounted_at: list[str | None] = []

    def write(self, transitions: Sequence[Transition]) -> None:
        """Write transitions, with the evidence for each."""
        rows = [(one, self.evidence_of(one.source)) for one in transitions]
        write(self._connection, [transition_row(next(self._new_ids), one, proof, self._now) for one, proof in rows])

    def evidence_of(self, source: int) -> bytes:
        """The id of what the report said in its observation ``source``, which is kept by now."""
        known = self._evidence.get(source)
        if known is not None:
            return known
        key = self._evidence[source] = next(self._new_ids)
        bulk.insert(self._connection, evidence, [(key, msgspec.json.encode(self._body(source)).decode())])
        return key

    def _body(self, source: int) -> dict[str, Any]:
        report = self._report
        # The names are in the transitions already; a report has up to five thousand of them.
        told = {
            name: value
            for name, value in msgspec.to_builtins(report.observations[source]).items()
            if name not in ("files", "names", "moves")
        }
        return {
            "volume": report.volume,
            "label": self._storage.label,
            "identity": msgspec.json.decode(self._storage.identity),
            "mounted_at": self._mount_point(),
            "journal": report.journal,
            "sequence": report.sequence,
            "epoch": report.epoch,
            "made_at": report.made_at,
            "observation": told,
        }

    def _mount_point(self) -> str | None:
        """Where the storage was mounted in the report's epoch, in wire text; None when nobody knows any more.

        A report may have waited for days, and the storage be mounted elsewhere by now.
        """
        if not self._mounted_at:
            epoch = msgspec.json.encode(self._report.epoch).decode()
            raw = self._storage.mounted_at if self._storage.epoch == epoch else self._earlier_mount_point(epoch)
            self._mounted_at.append(None if raw is None else paths.to_wire(raw))
        return self._mounted_at[0]

    def _earlier_mount_point(self, epoch: str) -> bytes | None:
        chosen = (
            select(volume_transition.c.mounted_at)
            .where(volume_transition.c.volume_id == self._storage.id, volume_transition.c.epoch == epoch)
            .where(volume_transition.c.mounted_at.is_not(None))
            .order_by(volume_transition.c.id.desc())
            .limit(1)
        )
        found: bytes | None = self._connection.execute(chosen).scalar_one_or_none()
        return found


def transition_row(
    key: bytes,
    one: Transition,
    evidence_id: bytes | None,
    now: int,
    hold: bytes | None = None,
    job: bytes | None = None,
) -> tuple[Any, ...]:
    """A complete row, in the order of the table's columns. What people decided has no evidence."""
    place = (one.from_path, one.to_path)
    by = (hold, one.from_volume, job)
    return (key, one.asset, one.was.value, one.now.value, *place, one.reason, evidence_id, now, *by)


def write(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows of :func:`transition_row`."""
    bulk.insert(connection, asset_transition, rows)
