"""How many assets there are of each sort, and how these figures grow when assets change. Pure.

Nobody counts a library of ten million assets to show how many it has: whoever changes assets says what became of the
figures, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from holdfast.media import Kind
from sidecar.asset import Asset, Status, status

# The volume and the import path of what the photo server keeps itself.
NOWHERE = bytes(16)


class Sort(NamedTuple):
    """What is counted together."""

    library: bytes
    volume: bytes
    import_path: bytes
    kind: Kind
    status: Status


class Figure(NamedTuple):
    """How many assets, how many of them claim their paths, and how many bytes their files have."""

    assets: int
    claiming: int
    bytes: int


def growth(pairs: Iterable[tuple[Asset | None, Asset]]) -> dict[Sort, Figure]:
    """By how much the figures grow when each asset, or none, becomes what stands beside it."""
    found: dict[tuple[bytes, bytes, bytes, Kind, Status], list[int]] = {}
    for before, after in pairs:
        if before is not None:
            _count(found, before, -1)
        _count(found, after, 1)
    return {Sort(*sort): Figure(*grown) for sort, grown in found.items() if any(grown)}


def _count(found: dict[tuple[bytes, bytes, bytes, Kind, Status], list[int]], one: Asset, by: int) -> None:
    sort = (one.library, one.volume, one.import_path, one.kind, status(one))
    figure = found.get(sort)
    if figure is None:
        figure = found[sort] = [0, 0, 0]
    figure[0] += by
    figure[1] += by * one.claims
    figure[2] += by * one.size
