"""``holdfast-sidecar restored``: the database was restored from a backup."""

from __future__ import annotations

import os

import click
from sqlalchemy import Connection, Engine, select

from holdfast import console, ids
from sidecar import catalog
from sidecar.catalog import clock, jobs
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import transact
from sidecar.catalog.tables import job
from sidecar.cli.common import audited, catalog_options, opened
from sidecar.config import Config
from sidecar.jobs import UNFINISHED, JobKind, JobState

_NOT_CARRIED_ON = "The catalog was restored from a backup. If it is still to be done, ask for it again."


@click.command(epilog=console.examples("holdfast-sidecar restored --config /etc/holdfast/sidecar.toml"))
@catalog_options
def restored(settings: Config) -> None:
    """Say that the database was restored from a backup by hand.

    It is to be run before the sidecar is started again. Agents then tell again what the catalog has lost, and photo
    servers read the feed from its beginning; nothing is removed because of it.
    """
    with opened(settings) as engine:
        catalog.migrate(engine)
        incarnation = say_so(engine)
    click.echo(f"The catalog is {incarnation} from now on. Start the sidecar again.")


def say_so(engine: Engine, **values: object) -> str:
    """Give a catalog that was set back another incarnation (rule R35); returns it.

    What was to be removed is not: the person who asked for it may have thought better of it since.
    """
    now = now_us()
    incarnation = ids.new(now // 1000, os.urandom(10))

    def work(connection: Connection) -> None:
        clock.renew(connection, incarnation)
        removals = select(job.c.id).where(job.c.kind == JobKind.REMOVE_MISSING, job.c.state.in_(UNFINISHED))
        found = list(connection.execute(removals).scalars())
        if found:
            jobs.end(connection, found, JobState.CANCELLED, now, _NOT_CARRIED_ON)

    text = ids.to_text("catalog", incarnation)
    with audited(engine, "restored", text, **values):
        transact(engine, work)
    return text
