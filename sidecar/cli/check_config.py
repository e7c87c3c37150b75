"""``holdfast-sidecar check-config``: whether the configuration can work."""

from __future__ import annotations

import os

import click
import msgspec
from sqlalchemy.engine import make_url

from holdfast import console, wording
from holdfast.exits import Exit
from holdfast.settings_file import ConfigReport
from sidecar import config
from sidecar.cli.common import catalog_choices, end_because_of
from sidecar.config import Config
from sidecar.errors import ConfigError


@click.command("check-config", epilog=console.examples("holdfast-sidecar check-config --config ./sidecar.toml"))
@console.json_option(ConfigReport)
@catalog_choices
def check_config(file: str | None, given: dict[str, str | None], as_json: bool) -> None:
    """Check the configuration, and touch nothing.

    Every mistake is named, with its line and the reason. The exit status is 78 when there is one.
    """
    problems, settings = [], None
    file = config.file_of(file, os.environ, given)
    try:
        settings = config.load(file, os.environ, given)
    except ConfigError as error:
        if not as_json:
            end_because_of(error)
        problems = error.problems
    if as_json:
        shown = None if settings is None else _without_password(settings)
        console.print_json(ConfigReport(valid=settings is not None, file=file, problems=problems, settings=shown))
        raise SystemExit(Exit.CONFIG if settings is None else Exit.DONE)
    if settings is not None:
        click.echo(wording.shown(f"The configuration is good: the API would listen on {settings.listen}."))


def _without_password(settings: Config) -> dict[str, object]:
    shown = make_url(settings.database).render_as_string(hide_password=True)
    return msgspec.structs.asdict(settings) | {"database": shown}
