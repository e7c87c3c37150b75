"""The command line of the agent: one module a verb. It ends with the statuses of :class:`holdfast.exits.Exit`."""

from __future__ import annotations

import click

from agent.cli import accept, check_config, doctor, enrol, explain, metrics, release, rotate_token, run, scan, status
from holdfast import console


@click.group(
    cls=console.Program,
    name="holdfast-agent",
    epilog=console.examples(
        ("holdfast-agent status", "what every volume is doing, and why"),
        ("holdfast-agent doctor", "what is wrong on this machine, and what to do about it"),
        ("holdfast-agent release USB && umount /mnt/usb", "let go of a disk, and take it away"),
    ),
)
def main() -> None:
    """The part of Holdfast that runs beside the disks.

    It knows mounts from directories, watches and scans where the photos really are, and tells a sidecar what changed.
    It never writes to your photos, and what is away is never taken for deleted.
    """


main.add_command(run.run)
main.add_command(status.status)
main.add_command(metrics.metrics)
main.add_command(doctor.doctor)
main.add_command(scan.scan)
main.add_command(enrol.enrol)
main.add_command(accept.accept)
main.add_command(release.release)
main.add_command(rotate_token.rotate_token)
main.add_command(explain.explain)
main.add_command(check_config.check_config)
