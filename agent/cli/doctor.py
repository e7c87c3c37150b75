"""``holdfast-agent doctor``."""

from __future__ import annotations

import click

from agent.cli.common import config_option
from agent.config import ConfigInvalid, load
from agent.doctor.diagnosis import configuration_invalid, diagnose
from agent.doctor.examination import examine
from holdfast import console
from holdfast import doctor as examiner
from holdfast.findings import Examination


@click.command(
    epilog=console.examples(
        ("holdfast-agent doctor", "as root, so that nothing is closed to you"),
        ("holdfast-agent doctor --json | jq -r '.findings[] | select(.severity == \"fault\") | .sentence'", ""),
    )
)
@console.json_option(Examination)
@config_option
def doctor(config_path: str, as_json: bool) -> None:
    """Find out what is wrong, why, and what to do about it.

    It works with and without a running agent, never waits for storage, and changes nothing. The exit status is 1 when
    something needs you.
    """
    try:
        config = load(config_path)
    except ConfigInvalid as error:
        findings = [configuration_invalid(str(error))]
    else:
        findings = diagnose(examine(config, config_path))
    examiner.tell(findings, as_json=as_json)
