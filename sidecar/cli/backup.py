"""``holdfast-sidecar backup``: write the catalog to a file, and look whether such a file is whole."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from datetime import datetime

import click
import msgspec
from sqlalchemy import Engine

from holdfast import console, ids, wording
from holdfast.console import end
from holdfast.exits import Exit
from sidecar import catalog
from sidecar.api.shapes import moment
from sidecar.backup import making, shelf
from sidecar.backup.frames import BadBackup
from sidecar.backup.making import Manifest
from sidecar.backup.shelf import ShelfBusy
from sidecar.catalog import schedules
from sidecar.catalog.engine import transact
from sidecar.cli.common import catalog_options, opened
from sidecar.config import Config
from sidecar.errors import CatalogError
from sidecar.promote.freeze import sealed_for

# In the state directory, unless another one is named. Better is a disk that the catalog is not on.
DIRECTORY = "backups"


class BackupFile(msgspec.Struct, frozen=True, kw_only=True):
    """A backup: where it is, and what it has. ``made_at`` is the moment of its rows; ``version``, ``schema`` and
    ``engine`` are those of what it was made with; ``change`` is how far the change clock was, and ``rows`` counts those
    of every table."""

    file: str
    bytes: int
    made_at: datetime
    version: str
    schema: str
    engine: str
    catalog: str
    change: int
    rows: dict[str, int]


@click.command(
    epilog=console.examples(
        "holdfast-sidecar backup --to /srv/backup --keep 14",
        "holdfast-sidecar backup --verify /srv/backup/catalog-20260501T033000Z.backup",
    )
)
@click.option(
    "--to",
    "directory",
    metavar="DIR",
    type=click.Path(),
    help="Where to put it; the directory backups of the state by default.",
)
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Then throw away all backups there but the newest N.")
@click.option(
    "--verify",
    "verify",
    metavar="FILE",
    type=click.Path(),
    help="Make none, but read this one from beginning to end.",
)
@console.json_option(BackupFile)
@catalog_options
def backup(settings: Config, directory: str | None, keep: int | None, verify: str | None, as_json: bool) -> None:
    """Write a backup of the catalog to a new file, catalog-TIME.backup, while everything goes on.

    It has every row of one moment, of whatever database, and is read through before it gets its name. Whoever can read
    it can read the paths of all photos. 'holdfast-sidecar restore' brings it back. The photos themselves are not in it.
    """
    if verify is not None:
        if directory is not None or keep is not None:
            end("--verify makes no backup; leave out --to and --keep.", Exit.USAGE)
        _tell("Whole: ", verify, verified(verify), as_json)
        return
    place = directory or os.path.join(settings.state_dir, DIRECTORY)
    with opened(settings) as engine:
        _refuse_sealed(engine)
        with file_errors(place, Exit.CANNOT_CREATE), shelf.opened(place) as kept:
            path, manifest = kept.put(lambda out: making.write(engine, out), time.time())
            transact(engine, lambda connection: schedules.follow_from_now(connection, schedules.BACKUP))
            gone = kept.keep(keep) if keep is not None else []
    _tell("", path, manifest, as_json)
    if gone and not as_json:
        click.echo(f"Thrown away: {', '.join(gone)}")


def verified(file: str) -> Manifest:
    """What a backup has that is whole and that this version can restore; or the end."""
    with file_errors(file, Exit.NO_INPUT), open(file, "rb") as stream:
        manifest = making.read_through(stream)
        catalog.check_known(manifest.header.schema, "The backup")
        return manifest


@contextlib.contextmanager
def file_errors(path: str, code: int) -> Iterator[None]:
    """End with a sentence, and this status when it is the system that refuses."""
    try:
        yield
    except BadBackup as error:
        end(f"{path}: {error}", Exit.BAD_BACKUP)
    except ShelfBusy as error:
        end(str(error), Exit.TRY_AGAIN)
    except OSError as error:
        end(f"{error.filename or path}: {error.strerror}", code)


def _refuse_sealed(engine: Engine) -> None:
    if engine.dialect.name != "sqlite" or not os.path.lexists(str(engine.url.database)):
        return
    if (moved_to := sealed_for(engine)) is not None:
        raise CatalogError(f"This catalog was moved to {moved_to}. Point 'database' of sidecar.toml there.")


def _tell(word: str, path: str, manifest: Manifest, as_json: bool) -> None:
    head = manifest.header
    told = BackupFile(
        file=path,
        bytes=os.stat(path).st_size,
        made_at=moment(head.made_at),
        version=head.version,
        schema=head.schema,
        engine=head.engine,
        catalog=ids.to_text("catalog", head.catalog),
        change=head.change,
        rows=manifest.rows,
    )
    if as_json:
        console.print_json(told)
        return
    made, size = told.made_at.isoformat(timespec="seconds"), f"{told.bytes / 1e6:,.1f} MB"
    rows = wording.count(manifest.total, "row")
    click.echo(f"{word}{wording.shown(path)}, {size}, of {made}: {rows}, schema {head.schema}.")
