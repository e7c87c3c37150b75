"""``holdfast-sidecar restore``: put a backup in the place of the catalog."""

from __future__ import annotations

import os

import click
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from holdfast import console, wording
from holdfast.console import end
from holdfast.exits import Exit
from sidecar.api.shapes import moment
from sidecar.backup import putting_back
from sidecar.backup.making import Manifest
from sidecar.backup.putting_back import InUse, NotEmpty
from sidecar.cli.backup import file_errors
from sidecar.cli.common import catalog_options, make_state_dir
from sidecar.cli.restored import say_so
from sidecar.config import Config


@click.command(
    epilog=console.examples("holdfast-sidecar restore --replace /srv/backup/catalog-20260501T033000Z.backup")
)
@click.argument("backup", metavar="FILE", type=click.Path())
@click.option("--replace", is_flag=True, help="There is a catalog already: put the backup in its place.")
@click.option("--even-if-used", is_flag=True, help="Other connections to the database are nothing of Holdfast.")
@catalog_options
def restore(settings: Config, backup: str, replace: bool, even_if_used: bool) -> None:
    """Restore the catalog from a backup FILE, of whatever database, into the one that is configured.

    Stop the sidecar and its worker before, on every host. The file is verified first. A catalog that is there is
    replaced only when you say so; one of SQLite stays beside it under another name, one of a server does not: make a
    backup of it. Agents then tell what the backup does not have, photo servers read the feed from its beginning, and
    nothing is removed because of it.
    """
    make_state_dir(settings)

    def renew(engine: Engine, manifest: Manifest) -> None:
        say_so(engine, file=os.path.basename(backup), made_at=moment(manifest.header.made_at).isoformat())

    try:
        with file_errors(backup, Exit.NO_INPUT), open(backup, "rb") as stream:
            manifest, before = putting_back.put_back(
                make_url(settings.database), stream, renew, replace=replace, even_if_used=even_if_used
            )
    except NotEmpty as error:
        end(f"{error} Say --replace to put the backup in its place.", Exit.USAGE)
    except InUse as error:
        end(str(error), Exit.TRY_AGAIN)
    made = moment(manifest.header.made_at).isoformat(timespec="seconds")
    click.echo(f"Restored: the catalog of {made}, {wording.count(manifest.total, 'row')}.")
    if before:
        click.echo(f"The catalog that was there is {before}. Throw it away when you need it no more.")
    click.echo("Tokens that were revoked since are good again: look through 'holdfast-sidecar tokens list'.")
    click.echo("Start the sidecar and its worker.")
