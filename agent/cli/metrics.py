"""``holdfast-agent metrics``: the status as metrics, printed or in a file for the node_exporter.

The agent opens no port for them: it answers at its status socket, and what is on the host already, the textfile
collector of Prometheus' node_exporter, takes the rest of the way.
"""

from __future__ import annotations

import contextlib
import os

import click

from agent.cli.common import config_option, configuration, no_agent
from agent.gauges import families
from agent.local_socket import ask_status
from holdfast import console
from holdfast.console import end
from holdfast.exits import Exit
from holdfast.exposition import render

_WATCHES_MAX = "/proc/sys/fs/inotify/max_user_watches"


@click.command(
    epilog=console.examples(
        "holdfast-agent metrics",
        ("holdfast-agent metrics --textfile /var/lib/prometheus/node-exporter/holdfast.prom", "from a timer"),
    )
)
@config_option
@click.option(
    "--textfile",
    "path",
    metavar="FILE",
    type=click.Path(),
    help="Write them to this file, whole or not at all.",
)
def metrics(config_path: str, path: str | None) -> None:
    """Print the metrics of the running agent in the text format of Prometheus.

    With --textfile they go to a file of the node_exporter's textfile collector; when no agent answers, the file says
    that, and the exit status is 0.
    """
    config = configuration(config_path)
    try:
        status = ask_status(config.socket_path)
    except OSError as error:
        if path is None:
            no_agent(config, error)
        status = None
    text = render(families(status, _watches_max()))
    if path is None:
        click.echo(text, nl=False)
        return
    try:
        _write(path, text)
    except OSError as error:
        end(f"{path}: {error.strerror}", Exit.CANNOT_CREATE)


def _write(path: str, text: str) -> None:
    """Let the file appear whole: the collector may read it at any moment."""
    draft = f"{path}.{os.getpid()}.draft"  # the collector reads nothing but *.prom
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            os.fchmod(descriptor, 0o644)  # the collector is another user
            file.write(text)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        raise


def _watches_max() -> int:
    with open(_WATCHES_MAX, encoding="ascii") as file:
        return int(file.read())
