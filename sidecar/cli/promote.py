"""``holdfast-sidecar promote``."""

from __future__ import annotations

import os
import re
import tempfile

import click
from sqlalchemy.engine import make_url

from holdfast import console, wording
from holdfast.exits import Exit
from sidecar import promote as promotion
from sidecar.catalog.engine import connect
from sidecar.cli.common import catalog_options, opened
from sidecar.config import Config
from sidecar.errors import ConfigError
from sidecar.promote import preflight

_DATABASE = re.compile(r"^\s*database\s*=.*$", re.MULTILINE)


@click.command(
    epilog=console.examples(
        (
            "holdfast-sidecar promote --to mysql+pymysql://holdfast@db/holdfast --password-file pw --dry-run",
            "ask first",
        ),
    )
)
@click.option("--to", "url", metavar="URL", required=True, help="The new catalog: mysql+pymysql://USER@HOST/NAME.")
@click.option(
    "--password-file", metavar="FILE", type=click.Path(), help="A file with the password that belongs into the URL."
)
@click.option("--dry-run", is_flag=True, help="Only ask whether the target can hold the catalog.")
@click.option("--undo", "is_undo", is_flag=True, help="Take a promotion back, before anything was written there.")
@click.option(
    "--write-config",
    metavar="FILE",
    type=click.Path(),
    help="Write the new URL into this sidecar.toml when all is done.",
)
@catalog_options
def promote(
    settings: Config, url: str, password_file: str | None, dry_run: bool, is_undo: bool, write_config: str | None
) -> None:
    """Move the catalog from the embedded SQLite to MySQL or MariaDB.

    Everything may go on running meanwhile: reads are answered, agents keep what they have to tell, and photo servers
    follow the feed on afterwards with the cursors they have. At the end the old catalog is sealed and kept; restart the
    sidecar with the new URL.
    """
    target = connect(_with_password(url, password_file))
    try:
        with opened(settings) as source:
            if is_undo:
                promotion.undo(source, target)
                click.echo("Taken back. The old catalog takes writes again; point the sidecar at it and restart it.")
                return
            if dry_run:
                _dry_run(preflight.problems(preflight.ask(target)))
                return
            done = promotion.promote(source, target, click.echo)
    finally:
        target.dispose()
    click.echo(f"Done: {done.rows:,} rows in {done.tables} tables, in {done.duration_s:.1f} s.")
    if write_config is None:
        click.echo("Now set 'database' in sidecar.toml to the new URL, and restart the sidecar and its worker.")
        return
    _write(write_config, url)
    click.echo(f"{write_config} names the new catalog. Restart the sidecar and its worker.")
    if password_file is not None:
        click.echo("The password is not in it: hand the whole URL over as the credential sidecar_database.")


def _with_password(url: str, password_file: str | None) -> str:
    if password_file is None:
        return url
    try:
        with open(password_file, encoding="utf-8") as file:
            password = file.read().strip()
    except OSError as error:
        raise ConfigError(f"--password-file: {password_file}: {os.strerror(error.errno or 0)}") from error
    return make_url(url).set(password=password).render_as_string(hide_password=False)


def _dry_run(problems: list[str]) -> None:
    for problem in problems:
        click.echo(wording.shown(problem), err=True)
    if problems:
        raise SystemExit(Exit.UNAVAILABLE)
    click.echo("The target can hold the catalog. Nothing was changed.")


def _write(path: str, url: str) -> None:
    """Set the key ``database`` of a TOML file, and leave all else as it stands."""
    line = f'database = "{url}"'
    with open(path, encoding="utf-8") as file:
        text = file.read()
    replaced, count = _DATABASE.subn(lambda _: line, text, count=1)
    new = replaced if count else f"{line}\n{text}"
    directory = os.path.dirname(os.path.abspath(path))
    descriptor, draft = tempfile.mkstemp(dir=directory, prefix=".sidecar-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(new)
        file.flush()
        os.fsync(file.fileno())
    status = os.stat(path)
    os.chmod(draft, status.st_mode & 0o7777)
    os.chown(draft, status.st_uid, status.st_gid)
    os.replace(draft, path)
