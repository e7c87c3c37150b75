"""What is sought: missing assets that would be known again by their content (rule R38).

An agent reads a new file of such a size before it tells of it, so that a photo that comes back is never told as a new
one first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, select

from sidecar.asset import Asset, Status, status
from sidecar.catalog import bulk, statistics
from sidecar.catalog.lanes import opaque
from sidecar.catalog.tables import asset, held, import_path
from sidecar.holds import HoldKind

# So many sizes are small beside the assignment of a large household, and a list that says "any" costs an agent no more
# than reading each new file once a little earlier. No more missing assets are looked through to learn them.
SIZES_MAX = 10_000


def sizes(connection: Connection, agent_id: bytes) -> list[int] | None:
    """The sizes of the missing assets of all libraries that an agent serves, and of those whose absence waits; None
    when so many assets are missing that they are not worth looking through."""
    served = select(import_path.c.library_id).where(
        import_path.c.agent_id == agent_id, import_path.c.removed_at.is_(None)
    )
    found: set[int] = set()
    for library in sorted(set(connection.execute(served).scalars())):
        missing = select(asset.c.id).where(asset.c.library_id == library, asset.c.status == Status.MISSING)
        on = statistics.volumes_of(connection, library)
        waiting = select(held.c.asset_id).where(held.c.volume_id.in_(on), held.c.kind == HoldKind.ABSENT)
        for lost in (missing, waiting):
            lost_ids = connection.execute(lost.limit(SIZES_MAX + 1)).scalars().all()
            if len(lost_ids) > SIZES_MAX:
                return None
            found.update(_sizes(connection, library, lost_ids))
    return sorted(found) if len(found) <= SIZES_MAX else None


def _sizes(connection: Connection, library: bytes, asset_ids: Sequence[bytes]) -> Iterator[int]:
    """The sizes of those of these assets that are of a library, and would be known again."""
    for part in bulk.chunks(asset_ids):
        chosen = select(asset.c.size).where(asset.c.id.in_(part), opaque(asset.c.library_id) == library)
        yield from connection.execute(chosen.where(opaque(asset.c.content).is_not(None), asset.c.size > 0)).scalars()


def seekers(
    connection: Connection, pairs: Iterable[tuple[Asset | None, Asset]], waiting: Iterable[Asset] = ()
) -> set[bytes]:
    """The agents that are to look out for more than before, when these assets become what they are second, and the
    absence of those that are ``waiting`` waits from now on."""
    libraries = {after.library for before, after in pairs if _is_sought(after) and not _is_sought(before)}
    libraries |= {one.library for one in waiting if one.content is not None and one.size > 0}
    if not libraries:
        return set()
    serving = select(import_path.c.agent_id).where(
        import_path.c.library_id.in_(sorted(libraries)), import_path.c.removed_at.is_(None)
    )
    return set(connection.execute(serving).scalars())


def _is_sought(one: Asset | None) -> bool:
    return one is not None and one.content is not None and one.size > 0 and status(one) is Status.MISSING
