"""What an open page knows of the catalog, in one short text that differs whenever anything has changed."""

from __future__ import annotations

from sqlalchemy import Engine

from sidecar.catalog import clock
from sidecar.catalog.engine import snapshot


def tag(engine: Engine) -> str:
    """The ETag of all that pages show, without its quotes."""
    with snapshot(engine) as connection:
        return f"{clock.incarnation(connection).hex()[:8]}.{clock.read(connection)}"
