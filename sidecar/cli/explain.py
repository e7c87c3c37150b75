"""``holdfast-sidecar explain``: which pattern excludes a file from a library."""

from __future__ import annotations

import os
import sys

import click

from holdfast import ids, paths
from sidecar.api.preview import explained
from sidecar.catalog import libraries
from sidecar.catalog.engine import snapshot
from sidecar.cli.common import catalog_options, opened
from sidecar.config import Config


@click.command()
@click.argument("library")
@click.argument("path", type=click.Path(path_type=bytes))
@catalog_options
def explain(settings: Config, library: str, path: bytes) -> None:
    """Say whether PATH is in LIBRARY, and which pattern excludes it. Exit status 1: it is not in it.

    PATH is what the photo server calls the file, or where its host has it; end it with a slash for a directory.
    """
    wanted = paths.from_os(os.fsdecode(path))
    raw = ids.from_text("library", library)
    with opened(settings) as engine, snapshot(engine) as connection:
        row = None if raw is None else libraries.get(connection, raw)
        if row is None:
            raise click.UsageError(f"There is no library {library}.")
        found = explained(connection, row, wanted)
    click.echo(found.sentence)
    sys.exit(0 if found.folder is not None and found.pattern is None else 1)
