"""``holdfast-sidecar explain``: which pattern excludes a file from a library."""

from __future__ import annotations

import os

import click

from holdfast import console, ids, paths, wording
from holdfast.exits import Exit
from sidecar.api import preview, shapes
from sidecar.catalog import libraries
from sidecar.catalog.engine import snapshot
from sidecar.cli.common import catalog_options, opened, refuse
from sidecar.config import Config


@click.command(epilog=console.examples("holdfast-sidecar explain LIBRARY /mnt/media/trip/IMG_1.jpg"))
@click.argument("library")
@click.argument("path", metavar="PATH", type=click.Path(path_type=bytes))
@console.json_option(shapes.PathExplanation)
@catalog_options
def explain(settings: Config, library: str, path: bytes, as_json: bool) -> None:
    """Say whether a path is in a library, and what excludes it.

    LIBRARY is an id. PATH is what the photo server calls the file, or where its host has it; end it with a slash for a
    directory. The exit status is 1 when it is not in it.
    """
    raw = ids.from_text("library", library)
    with opened(settings) as engine, snapshot(engine) as connection:
        row = None if raw is None else libraries.get(connection, raw)
        if row is None:
            refuse(f"There is no library {library}.")
        found = preview.shape(preview.explained(connection, row, paths.from_os(os.fsdecode(path))))
    if as_json:
        console.print_json(found)
    else:
        click.echo(wording.shown(found.message))
    raise SystemExit(Exit.NO if found.is_excluded else Exit.DONE)
