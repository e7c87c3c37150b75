"""``holdfast-agent check-config``."""

from __future__ import annotations

import click
import msgspec

from agent.cli.common import config_option, unusable_url, usable_configuration
from agent.config import ConfigInvalid, load
from holdfast import console, wording
from holdfast.exits import Exit
from holdfast.settings_file import ConfigReport


@click.command("check-config", epilog=console.examples("holdfast-agent check-config --config ./agent.toml"))
@console.json_option(ConfigReport)
@config_option
def check_config(config_path: str, as_json: bool) -> None:
    """Check the configuration, and touch nothing.

    Every mistake is named, with its line and the reason. The exit status is 78 when there is one.
    """
    if as_json:
        report = _report(config_path)
        console.print_json(report)
        raise SystemExit(Exit.DONE if report.valid else Exit.CONFIG)
    config = usable_configuration(config_path)
    exposed = ", ".join(config.roots) or "nothing"
    click.echo(wording.shown(f"{config_path} is fine: agent {config.display_name!r} exposes {exposed}."))


def _report(path: str) -> ConfigReport:
    try:
        config = load(path)
    except ConfigInvalid as error:
        return ConfigReport(valid=False, file=path, problems=error.problems, settings=None)
    if wrong := unusable_url(config, path):
        return ConfigReport(valid=False, file=path, problems=[wrong], settings=None)
    return ConfigReport(valid=True, file=path, problems=[], settings=msgspec.structs.asdict(config))
