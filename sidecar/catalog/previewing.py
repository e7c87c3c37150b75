"""What other rules would do to the assets of a library. Reads a part of it, page by page, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from holdfast import paths
from holdfast.patterns import Exclusions
from sidecar.catalog import memberships, rules
from sidecar.catalog.columns import AnyRow
from sidecar.membership import Membership, Scope

EXAMPLES = 10
# So many assets are judged at a time: some seconds. Most libraries have fewer.
JUDGED = 200_000


@dataclass(slots=True)
class Share:
    """Some of the assets: how many, how large, and a few of their paths as the photo server sees them."""

    assets: int = 0
    size: int = 0
    examples: list[bytes] = field(default_factory=list)

    def take(self, row: AnyRow, members: Membership, library_id: bytes) -> None:
        """Count an asset in."""
        self.assets += 1
        self.size += row.size
        if len(self.examples) < EXAMPLES:
            directory, name = paths.split(paths.to_wire(row.path))
            place = members.places(directory).get(library_id)
            shown = f"{directory}/{name}" if place is None else f"{place.server_directory}/{name}"
            self.examples.append(paths.to_bytes(shown))


@dataclass(slots=True)
class Preview:
    """What would be excluded and included by the change, and how many assets would stay as they are. ``behind``: where
    the part that was not judged begins; None when there is none."""

    excluded: Share = field(default_factory=Share)
    included: Share = field(default_factory=Share)
    unchanged: int = 0
    behind: bytes | None = None


def preview(
    connection: Connection,
    library_id: bytes,
    import_paths: Sequence[AnyRow],
    roots: Mapping[bytes, str],
    patterns: Sequence[str],
    behind: bytes | None = None,
) -> Preview:
    """Judge the assets behind one by the import paths among ``roots``, each with its server path, and by these
    patterns."""
    exclusions = Exclusions(patterns)
    would_be: dict[bytes, Membership] = {}
    are: dict[bytes, Membership] = {}
    found = Preview()
    position = None if behind is None else behind.hex()
    judged = 0
    while True:
        page = rules.page(connection, library_id, position)
        for volume in {row.volume_id for row in page} - would_be.keys():
            are[volume] = memberships.of_library(connection, library_id, volume)
            scopes = _scopes(library_id, volume, import_paths, roots, exclusions)
            would_be[volume] = Membership(scopes, are[volume].ignores)
        for row in page:
            if row.path_key is None or row.removed_at is not None:
                continue
            after, _ = rules.verdict(row.path, would_be[row.volume_id], library_id)
            if (after is None) == (row.excluded_by is None):
                found.unchanged += 1
            elif after is not None:
                found.excluded.take(row, are[row.volume_id], library_id)
            else:
                found.included.take(row, would_be[row.volume_id], library_id)
        position = rules.position_after(page)
        judged += len(page)
        if position is None or judged >= JUDGED:
            found.behind = None if position is None else bytes.fromhex(position)
            return found


def _scopes(
    library_id: bytes,
    volume: bytes,
    import_paths: Sequence[AnyRow],
    roots: Mapping[bytes, str],
    exclusions: Exclusions,
) -> list[Scope]:
    by_id = {one.id: one for one in import_paths}
    found = []
    for one in import_paths:
        root = by_id[one.parent_id or one.id]
        if one.volume_id != volume or root.id not in roots:
            continue
        # A part shows below its import path, whatever that is called.
        below = paths.to_wire(one.server_path[len(root.server_path.rstrip(b"/")) :])
        server_path = (roots[root.id].rstrip("/") + below.rstrip("/")) or "/"
        found.append(Scope(one.id, library_id, paths.to_wire(one.directory), server_path, exclusions))
    return found
