"""From the embedded SQLite to MySQL or MariaDB, with agents and photo servers running, and nothing lost.

    preflight -> freeze -> copy -> verify -> seal

``preflight`` asks whether the target can hold a catalog. ``freeze`` takes SQLite's own write lock: reads go on, and
whoever writes is told to come back, as agents do by themselves. ``mover`` copies the rows, with sqlite3-to-mysql, onto
the schema that our own migrations made. ``verify`` compares every row of both. Only then the old catalog is sealed: it
refuses every write from then on, so that no process that was forgotten can go on with it. Whatever fails before that
leaves the old catalog as it was, and the target empty.

Incarnation, change numbers, cursors, tokens and streams move along: readers of the feed follow on where they were.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from sidecar import catalog
from sidecar.catalog.tables import metadata
from sidecar.errors import CatalogError
from sidecar.promote import freeze, mover, preflight, verify


class PromotionFailed(CatalogError):
    """The catalog could not be moved; the old one goes on as before. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """What was moved."""

    rows: int
    tables: int
    duration_s: float


def promote(source: Engine, target: Engine, say: Callable[[str], None]) -> Promoted:
    """Move a catalog. ``say`` is told each step, in a sentence. Raises :class:`PromotionFailed`."""
    started = time.monotonic()
    _check(source, target)
    say("The target is fit: its version, its settings, and it is empty.")
    catalog.migrate(target)
    try:
        with freeze.frozen(source) as frozen:
            say("The old catalog takes no writes from here on; reads go on, and agents keep what they have to tell.")
            rows = _copy(source, target, say)
            frozen.seal(str(target.url.render_as_string(hide_password=True)))
    except BaseException:
        # Nobody but us has ever seen what is there.
        with target.begin() as connection:
            preflight.clear(connection)
        raise
    say("The old catalog is sealed: it can be read, and takes no writes any more.")
    return Promoted(rows, len(metadata.tables), time.monotonic() - started)


def undo(source: Engine, target: Engine) -> None:
    """Take a promotion back: the old catalog takes writes again. Raises :class:`PromotionFailed` once anything was
    written to the new one, since that would be lost."""
    sealed_for = freeze.sealed_for(source)
    if sealed_for is None:
        raise PromotionFailed("This catalog was not promoted; there is nothing to take back.")
    here, there = verify.position(source), verify.position(target)
    if here != there:
        raise PromotionFailed(
            f"The catalog at {sealed_for} has changed since ({there - here} changes). They would be lost. Keep it, or "
            "drop its database first if you mean it."
        )
    freeze.unseal(source)


def _check(source: Engine, target: Engine) -> None:
    if source.dialect.name != "sqlite":
        raise PromotionFailed("Only an embedded catalog (sqlite:///…) can be promoted.")
    if freeze.sealed_for(source) is not None:
        raise PromotionFailed(f"This catalog was promoted already, to {freeze.sealed_for(source)}.")
    if not catalog.is_current(source):
        raise PromotionFailed("The catalog's schema is not up to date. Run 'holdfast-sidecar migrate' first.")
    if problems := preflight.problems(preflight.ask(target)):
        raise PromotionFailed("The target cannot hold the catalog: " + " ".join(problems))


def _copy(source: Engine, target: Engine, say: Callable[[str], None]) -> int:
    rows = 0
    for table in metadata.sorted_tables:
        mover.move(source, target, table)
        before, after = verify.fingerprint(source, table), verify.fingerprint(target, table)
        if before != after:
            raise PromotionFailed(
                f"The rows of {table.name} differ after they were copied ({before.rows} and {after.rows}). "
                "Nothing was changed; please report this."
            )
        rows += after.rows
        say(f"{table.name}: {after.rows:,} rows copied, and read again on both sides: equal.")
    return rows
