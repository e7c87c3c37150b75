"""A backup of a catalog, for every engine: all rows there are, and the way back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from sidecar.catalog.tables import import_path, metadata


class Backup:
    """All rows of a catalog as they are now."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._rows: dict[str, list[dict[str, Any]]] = {}
        with engine.connect() as connection:
            for table in metadata.sorted_tables:
                found = connection.execute(table.select())
                self._rows[table.name] = [dict(row._mapping) for row in found]

    def restore(self) -> None:
        """Put them in the place of whatever is there by now."""
        with self._engine.begin() as connection:
            # Parts refer to rows of their own table.
            connection.execute(sa.update(import_path).values(parent_id=None))
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
            for table in metadata.sorted_tables:
                if rows := self._rows[table.name]:
                    connection.execute(table.insert(), rows)
