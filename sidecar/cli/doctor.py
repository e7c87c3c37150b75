"""``holdfast-sidecar doctor``."""

from __future__ import annotations

import os

import click

from holdfast import console
from holdfast import doctor as examiner
from holdfast.findings import Examination
from sidecar import config
from sidecar.cli.common import catalog_choices
from sidecar.doctor.diagnosis import configuration_invalid, diagnose
from sidecar.doctor.examination import examine
from sidecar.errors import ConfigError


@click.command(
    epilog=console.examples(
        "holdfast-sidecar doctor --config /etc/holdfast/sidecar.toml",
        (
            "holdfast-sidecar doctor --json | jq -r '.findings[] | select(.severity == \"fault\") | .sentence'",
            "only what is broken",
        ),
    )
)
@console.json_option(Examination)
@click.option("--listen", metavar="HOST:PORT", help="The API's address, or unix:PATH for a socket.")
@catalog_choices
def doctor(file: str | None, given: dict[str, str | None], as_json: bool) -> None:
    """Find out what is wrong, why, and what to do about it.

    It looks at the service, the database and its settings, the worker, agents, web hooks and jobs, with the sidecar
    running or not, and changes nothing. It takes up to eight seconds when no worker runs. The exit status is 1 when
    something needs you.
    """
    file = config.file_of(file, os.environ, given)
    try:
        settings = config.load(file, os.environ, given)
    except ConfigError as error:
        findings = [configuration_invalid(str(error))]
    else:
        findings = diagnose(examine(settings, file or ""))
    examiner.tell(findings, as_json=as_json)
