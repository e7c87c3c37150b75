"""What is sought: missing assets that would be known again by their content (rule R38).

An agent reads a new file of such a size before it tells of it, so that a photo that comes back is never told as a new
one first.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from sidecar.asset import Asset, Status, status
from sidecar.catalog.tables import asset, held, import_path
from sidecar.holds import HoldKind

# So many sizes are small beside the assignment of a large household, and a list that says "any" costs an agent no more
# than reading each new file once a little earlier.
SIZES_MAX = 10_000


def sizes(connection: Connection, agent_id: bytes) -> list[int] | None:
    """The sizes of the missing assets of all libraries that an agent serves, and of those whose absence waits; None
    when there are too many."""
    served = select(import_path.c.library_id).where(
        import_path.c.agent_id == agent_id, import_path.c.removed_at.is_(None)
    )
    found: set[int] = set()
    for library in sorted(set(connection.execute(served).scalars())):
        chosen = (
            select(asset.c.size)
            .where(asset.c.library_id == library, asset.c.status == Status.MISSING)
            .where(asset.c.content.is_not(None), asset.c.size > 0)
            .limit(SIZES_MAX + 1)
        )
        found.update(connection.execute(chosen).scalars())
        waiting = (
            select(asset.c.size)
            .join(held, held.c.asset_id == asset.c.id)
            .where(asset.c.library_id == library, held.c.kind == HoldKind.ABSENT)
            .where(asset.c.content.is_not(None), asset.c.size > 0)
            .limit(SIZES_MAX + 1)
        )
        found.update(connection.execute(waiting).scalars())
        if len(found) > SIZES_MAX:
            return None
    return sorted(found)


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
    return one is not None and status(one) is Status.MISSING and one.content is not None and one.size > 0
