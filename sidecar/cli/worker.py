"""``holdfast-sidecar worker``: the process that does what nobody asks for."""

from __future__ import annotations

import signal
import threading

import click

from sidecar import worker as process
from sidecar.cli.common import catalog_options, log_to_stderr, opened
from sidecar.config import Config


@click.command()
@catalog_options
def worker(settings: Config) -> None:
    """Notice silent agents, carry out decisions about holds, end times of grace. Several may run; one of them acts."""
    log_to_stderr()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    with opened(settings) as engine:
        process.run(engine, settings.silent_after_s, stop)
