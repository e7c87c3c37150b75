"""The command line of the agent: one module a verb.

Exit codes are those of sysexits.h: 0 done, 64 wrong usage, 66 no such storage, 69 the agent is not running, 75 try
again, 78 wrong configuration. ``doctor`` has two of its own: 0 all is well (there may be notes), 1 it found something
that needs somebody, which an agent that is not running and a wrong configuration are too.
"""

from __future__ import annotations

import click

from agent.cli import accept, check_config, doctor, enrol, explain, release, run, scan, status
from holdfast import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="holdfast-agent")
def main() -> None:
    """The part of Holdfast that runs beside the disks."""


main.add_command(run.run)
main.add_command(status.status)
main.add_command(doctor.doctor)
main.add_command(scan.scan)
main.add_command(enrol.enrol)
main.add_command(accept.accept)
main.add_command(release.release)
main.add_command(explain.explain)
main.add_command(check_config.check_config)
