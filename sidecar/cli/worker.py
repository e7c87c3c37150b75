"""``holdfast-sidecar worker``: the process that does what nobody asks for."""

from __future__ import annotations

import signal
import threading

import click

from holdfast import console
from sidecar import logs
from sidecar import worker as process
from sidecar.cli.common import catalog_options, opened
from sidecar.config import Config


@click.command(epilog=console.examples("systemctl start holdfast-worker"))
@catalog_options
def worker(settings: Config) -> None:
    """Do what nobody asks for, until SIGTERM.

    It notices silent agents, carries out what was decided about holds, ends times of grace, works off jobs, does the
    nightly work and delivers web hooks. Several may run, on any host; one of them acts.
    """
    logs.configure()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    with opened(settings) as engine:
        process.run(engine, settings.silent_after_s, stop)
