"""Lists of assets: what they are limited to, and along which indexes they are read.

No index serves every combination of filters, and none is added for them: each would cost more at every new photo than
it would ever save. Which libraries can have what is asked for is known from the figures; within them a list goes along
the index that says most, see :mod:`sidecar.catalog.lanes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, false, or_, select

from holdfast import paths
from holdfast.volumes import Reason, VolumeState
from sidecar.asset import Availability, availability
from sidecar.catalog import asset_rows, assets, lanes, libraries
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.lanes import LANES_MAX, Lane, Position, Road, opaque
from sidecar.catalog.tables import asset, figure, import_path, volume
from sidecar.figures import NOWHERE

_FIRST = b""  # before every id
_BY_ID, _BY_CHANGE = (asset.c.id,), (asset.c.changed_at, asset.c.id)
# The indexes of the table. Its key is called so by all engines that are told which index to take.
_PRIMARY = "PRIMARY"
_OF_LIBRARY = "ix_asset_library_id"
_OF_STATUS = "ix_asset_status"
_OF_TIME = "ix_asset_changed_at"
_OF_CONTENT = "ix_asset_content"
_OF_PATH = "ix_asset_path"
_OF_PLACE = "uq_asset_place"


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of assets is limited to; None does not limit. ``path_prefix`` is a directory, as the photo
    server sees it, in wire text. ``updated_since`` is in microseconds."""

    library: bytes | None = None
    owner: str | None = None
    status: str | None = None
    availability: Availability | None = None
    volume: bytes | None = None
    path_prefix: str | None = None
    kind: str | None = None
    trashed: bool | None = None
    content: str | None = None
    updated_since: int | None = None


class Page(NamedTuple):
    """Assets, and where the next page starts; None after the last one. A page that is not the last may have fewer
    than are wanted, or none."""

    rows: Sequence[AnyRow]
    behind: Position | None


def page(connection: Connection, filters: Filters, after: Position | None, limit: int) -> Page:
    """Assets behind a position, in the order of their ids, or of their last change under ``updated_since``."""
    found = lanes.walk(connection, asset, _road(connection, filters, after), after, limit)
    rows = {row.id: row for row in assets.with_ids(connection, [one[-1] for one in found.positions])}
    return Page([rows[one[-1]] for one in found.positions], found.behind)


def _road(connection: Connection, filters: Filters, after: Position | None) -> Road:
    """The way on which the fewest rows are looked at that are not wanted."""
    below = [] if filters.path_prefix is None else _below(connection, filters.path_prefix)
    conditions = _conditions(connection, filters, below)
    places = _places(connection, filters, below)
    order = _BY_ID if filters.updated_since is None else _BY_CHANGE
    for small in (_content_lanes(filters), _prefix_lanes(below, places), _place_lanes(filters, places)):
        if 0 < len(small) <= LANES_MAX and lanes.is_small(connection, asset, small):
            return Road(small, order, tuple(conditions.values()), is_small=True)
    if filters.updated_since is not None:
        return _along(_since(filters.updated_since, after), order, conditions, "updated_since")
    behind = (asset.c.id > (_FIRST if after is None else after[0]),)
    able = sorted({one.library for one in places})
    if not _is_narrow(filters) or len(able) > LANES_MAX:
        # All that there is; nothing, where nothing like this has ever been.
        return _along([Lane(_PRIMARY, behind)] if able else [], order, conditions)
    of_status = () if filters.status is None else (asset.c.status == filters.status,)
    index = _OF_STATUS if of_status else _OF_LIBRARY
    libraries_of = [Lane(index, (asset.c.library_id == one, *of_status, *behind)) for one in able]
    return _along(libraries_of, order, conditions, "library", "owner", "status")


def _along(
    chosen: Sequence[Lane], order: Sequence[ColumnElement[Any]], conditions: dict[str, ColumnElement[bool]], *told: str
) -> Road:
    """A road along lanes that tell these of the conditions by themselves."""
    return Road(chosen, order, tuple(one for name, one in conditions.items() if name not in told))


def _is_narrow(filters: Filters) -> bool:
    """Whether a list is of some of the libraries, or of something that an index tells of each."""
    told = (filters.library, filters.owner, filters.status, filters.availability, filters.volume, filters.path_prefix)
    return any(one is not None for one in told)


def _since(moment: int, after: Position | None) -> list[Lane]:
    if after is None:
        return [Lane(_OF_TIME, (asset.c.changed_at >= moment,))]
    # Two ranges, since MySQL finds none in a comparison of rows.
    same = (asset.c.changed_at == after[0], asset.c.id > after[1])
    return [Lane(_OF_TIME, same), Lane(_OF_TIME, (asset.c.changed_at > after[0],))]


class _Place(NamedTuple):
    """A library, and a volume that it has something on; :data:`NOWHERE` for what the photo server keeps itself."""

    library: bytes
    volume: bytes


class _Folder(NamedTuple):
    """Where a directory of the photo server's is: a library, and the path as its assets have it. ``import_path`` is
    None for uploads, whose paths are the photo server's own."""

    library: bytes
    path: bytes
    import_path: bytes | None


def _places(connection: Connection, filters: Filters, below: Sequence[_Folder]) -> list[_Place]:
    """Where there are, or ever were, such assets: of each sort that there was there is a figure."""
    equal = (
        (figure.c.library_id, filters.library),
        (figure.c.volume_id, filters.volume),
        (figure.c.status, filters.status),
        (figure.c.kind, filters.kind),
    )
    chosen = select(figure.c.library_id, figure.c.volume_id)
    chosen = chosen.where(*(column == value for column, value in equal if value is not None))
    if filters.owner is not None:
        chosen = chosen.where(figure.c.library_id.in_(libraries.owned_by(connection, filters.owner)))
    if filters.path_prefix is not None:
        chosen = chosen.where(figure.c.library_id.in_([one.library for one in below]))
    if filters.availability is not None:
        is_nowhere = figure.c.volume_id == NOWHERE
        place = (figure.c.volume_id, figure.c.import_path_id, is_nowhere)
        chosen = chosen.where(_is(connection, filters.availability, *place))
    return [_Place(*row) for row in connection.execute(chosen.distinct())]


def _content_lanes(filters: Filters) -> list[Lane]:
    return [] if filters.content is None else [Lane(_OF_CONTENT, (asset.c.content == filters.content,))]


def _place_lanes(filters: Filters, places: Sequence[_Place]) -> list[Lane]:
    if filters.volume is None and filters.availability is None:
        return []
    return [Lane(_OF_PLACE, (asset.c.library_id == one.library, _on(one.volume))) for one in places]


def _on(volume_id: bytes) -> ColumnElement[bool]:
    return asset.c.volume_id.is_(None) if volume_id == NOWHERE else asset.c.volume_id == volume_id


def _prefix_lanes(below: Sequence[_Folder], places: Sequence[_Place]) -> list[Lane]:
    able = {one.library for one in places}
    found = []
    for folder in below:
        if folder.library in able:
            within = asset_rows.below(folder.path)
            found.append(Lane(_OF_PATH, (asset.c.library_id == folder.library, *_given(within))))
    return found


def _given(condition: ColumnElement[bool] | None) -> tuple[ColumnElement[bool], ...]:
    return () if condition is None else (condition,)


def _conditions(connection: Connection, filters: Filters, below: Sequence[_Folder]) -> dict[str, ColumnElement[bool]]:
    """What a row is to be like, by the filters; no index is looked for because of it."""
    equal = (
        ("library", asset.c.library_id, filters.library),
        ("volume", asset.c.volume_id, filters.volume),
        ("status", asset.c.status, filters.status),
        ("kind", asset.c.kind, filters.kind),
        ("content", asset.c.content, filters.content),
    )
    found: dict[str, ColumnElement[bool]] = {
        name: opaque(column) == value for name, column, value in equal if value is not None
    }
    if filters.owner is not None:
        found["owner"] = opaque(asset.c.library_id).in_(libraries.owned_by(connection, filters.owner))
    if filters.availability is not None:
        places = (opaque(asset.c.volume_id), asset.c.import_path_id, opaque(asset.c.volume_id).is_(None))
        found["availability"] = _is(connection, filters.availability, *places)
    if filters.trashed is not None:
        found["trashed"] = asset.c.trashed_at.is_not(None) if filters.trashed else asset.c.trashed_at.is_(None)
    if filters.path_prefix is not None:
        found["path_prefix"] = _under(below)
    if filters.updated_since is not None:
        found["updated_since"] = opaque(asset.c.changed_at) >= filters.updated_since
    return found


def _is(
    connection: Connection,
    wanted: Availability,
    volume_id: ColumnElement[Any],
    path_id: ColumnElement[Any],
    is_nowhere: ColumnElement[bool],
) -> ColumnElement[bool]:
    """The condition that the availability of what is at a place is this. Volumes and import paths are few, and naming
    them leaves the engine nothing to guess."""
    states = [(row.id, VolumeState(row.state)) for row in connection.execute(select(volume.c.id, volume.c.state))]
    through: dict[Reason, list[bytes]] = {}
    for path, reason in libraries.shown_via(connection):
        through.setdefault(Reason(reason), []).append(path)
    viewed = [path for paths_of in through.values() for path in paths_of]
    direct = volume_id.in_([one for one, state in states if availability(state) is wanted])
    found = [and_(direct, path_id.not_in(viewed)) if viewed else direct]
    for reason, paths_of in through.items():
        on = [one for one, state in states if availability(state, reason) is wanted]
        found.append(and_(volume_id.in_(on), path_id.in_(paths_of)))
    if wanted is Availability.ONLINE:
        found.append(is_nowhere)
    return or_(*found)


def _under(below: Sequence[_Folder]) -> ColumnElement[bool]:
    """The condition that an asset lies in one of these folders."""
    alternatives: list[ColumnElement[bool]] = []
    for folder in below:
        is_upload = folder.import_path is None
        place = asset.c.volume_id.is_(None) if is_upload else asset.c.import_path_id == folder.import_path
        within = asset_rows.below(folder.path, opaque(asset.c.path))
        alternatives.append(and_(opaque(asset.c.library_id) == folder.library, place, *_given(within)))
    return or_(false(), *alternatives)


def _below(connection: Connection, prefix: str) -> list[_Folder]:
    """Where a directory is, as the photo server sees it."""
    found: list[_Folder] = []
    live = (import_path.c.volume_id.is_not(None), import_path.c.removed_at.is_(None))
    for row in connection.execute(select(import_path).where(*live)):
        root, directory = paths.to_wire(row.server_path), paths.to_wire(row.directory)
        if assets.is_under(prefix, root):
            inside = directory
        elif assets.is_under(root, prefix):
            inside = paths.join(directory, assets.rest_below(root, prefix))
        else:
            continue
        found.append(_Folder(row.library_id, paths.to_bytes(inside), row.id))
    own = paths.to_bytes(prefix.rstrip("/"))
    return found + [_Folder(one, own, None) for one in assets.upload_libraries(connection)]
