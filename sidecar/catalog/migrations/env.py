"""Alembic's entry: always called by ``sidecar.catalog.migrate``, with the connection to use."""

from __future__ import annotations

from alembic import context

from sidecar.catalog.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter tables in place; Alembic copies them instead.
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
