"""Revisions of what is asked of an agent: each is another number than all before it.

Also than those that were given since, if the catalog was set back in silence: an agent that has heard of these would
take what is asked of it now for what it knows. So they follow the clock, which no catalog sets back.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, case

from sidecar.catalog.clock import now_us
from sidecar.catalog.tables import agent


def following() -> dict[str, ColumnElement[Any]]:
    """The column of the next revision, for an UPDATE of agents."""
    now = now_us()
    return {"revision": case((agent.c.revision < now, now), else_=agent.c.revision + 1)}


def after(revision: int) -> int:
    """The same for a revision that is known."""
    return max(now_us(), revision + 1)
