"""gunicorn's own settings. A worker is one process with many threads: agents and readers of the feed wait in
long polls, which cost a thread each and nothing else."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any

from holdfast import collector
from sidecar import logs
from sidecar.api.endpoint import services_of
from sidecar.bells import BELLS
from sidecar.config import load
from sidecar.counting import BOARD

# Gunicorn reads every name here as a setting, so none may be called ``config``.
_settings = load(None, os.environ, {})

bind = [_settings.listen]
workers = _settings.workers
threads = _settings.threads
worker_class = "gthread"
# Longer than the longest long poll, which does keep its worker's heartbeat going, but with some air.
timeout = 90
graceful_timeout = 10
keepalive = 75
# A report has up to 4 MiB; the headers of no request here are long.
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190
# By default gunicorn lets everybody on this machine say what the path is, and whether it came by https. Who is to be
# believed is a setting of ours (trusted_proxies), and the application sees to it (sidecar.api.forwarded).
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
accesslog = None
errorlog = "-"
loglevel = "warning"
# Nothing here is to be controlled from outside but by signals.
control_socket_disable = True


def pre_fork(_server: Any, worker: Any) -> None:
    """Give the worker a place of its own to count in, and to be woken at, before there are two who could give it."""
    worker.holdfast_row = BOARD.reserve()


def post_fork(_server: Any, worker: Any) -> None:
    """Count and wait there, and log as all of the sidecar does."""
    BOARD.use(worker.holdfast_row)
    BELLS.use(worker.holdfast_row)
    logs.configure()


def child_exit(_server: Any, worker: Any) -> None:
    """Keep what a worker has counted that has ended."""
    BOARD.retire(worker.holdfast_row)


def post_worker_init(worker: Any) -> None:
    """Let long polls end when the worker is asked to, instead of holding up its end for a minute."""
    from sidecar.wsgi import app  # noqa: PLC0415 - only workers load it, after they were forked

    collector.begin_work()
    doorbell = services_of(app).doorbell
    before = signal.getsignal(signal.SIGTERM)

    def end(number: int, frame: FrameType | None) -> None:
        doorbell.close()
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGTERM, end)
