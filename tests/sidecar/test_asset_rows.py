"""Assets in the database: whatever is known of one is written, and read again."""

from __future__ import annotations

import itertools
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.media import Kind
from sidecar.asset import Asset, status
from sidecar.catalog import asset_rows
from sidecar.catalog.tables import asset
from sidecar.ledger import Write
from tests.sidecar.world import new_id

_LIBRARY, _VOLUME, _IMPORT_PATH = (bytes([number]) * 16 for number in (1, 2, 3))
# Of nearly every new file nothing of these is known, and of any file each of them may be.
_more = st.fixed_dictionaries(
    {},
    optional={
        "absent_since": st.just(7),
        "absent_online_us": st.just(8),
        "unreadable_error": st.just("EACCES"),
        "excluded_by": st.just("**/raw/**"),
        "removed_at": st.just(9),
        "xmp_path": st.just(b"trip/a.xmp"),
        "content": st.just("a" * 64),
    },
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(_more, st.booleans()), max_size=6))
def test_all_that_is_known_of_new_files_is_written(engine: sa.Engine, found: list[tuple[dict[str, Any], bool]]) -> None:
    wanted = [_asset(number, claims, **more) for number, (more, claims) in enumerate(found)]
    changes = itertools.count(1)
    with engine.begin() as connection:
        connection.execute(asset.delete())
        writes = [Write(one, "asset.added", is_new=True, source=0) for one in wanted]
        asset_rows.write(connection, writes, changes, now=6)
        paths = {one.path for one in wanted}
        claiming = asset_rows.at(connection, [_LIBRARY], _VOLUME, paths)
        written = connection.execute(sa.select(asset).order_by(asset.c.path)).all()
    assert sorted(claiming, key=lambda one: one.path) == [one for one in wanted if one.claims]
    assert [(row.status, row.change_kind, row.changed_at) for row in written] == [
        (status(one), "asset.added", 6) for one in wanted
    ]
    assert sorted(row.change for row in written) == list(range(1, len(wanted) + 1))


def _asset(number: int, claims: bool, **more: Any) -> Asset:
    return Asset(
        id=new_id(),
        library=_LIBRARY,
        volume=_VOLUME,
        import_path=_IMPORT_PATH,
        path=b"trip/%d.jpg" % number,
        claims=claims,
        kind=Kind.IMAGE,
        size=number,
        mtime_ns=number,
        created_at=5,
        **more,
    )
